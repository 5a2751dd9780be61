//! Changing a table without writing rows: columns, partitions, order, properties.
//!
//! All changes of one request are one commit, in their order; either all are made or none. No file is touched: Iceberg finds
//! columns by id, so files of before are read as the table is now. What would make them unreadable is refused.

use asgard_contract::{Error, Result, TableName};
use async_trait::async_trait;
use iceberg::spec::{NestedField, NestedFieldRef, PrimitiveType, Schema, TableMetadata, TableMetadataBuilder, Type};

use super::commit::{Next, Transaction, check_writable};
use super::layout::Wanted;
use super::undo::Uncommitted;
use super::write::changed;
use super::{Current, Inner, Tables, evolution, properties, synced};
use crate::types::{self, NewColumn};

/// One change of a table. Columns are named; `a.b` is field `b` of the struct `a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Null in the rows of before.
    AddColumn {
        name: String,
        data_type: String,
        doc: Option<String>,
    },
    /// Its values stay in the files, and in the snapshots of before.
    DropColumn {
        name: String,
    },
    RenameColumn {
        name: String,
        to: String,
    },
    /// To a wider type: int to long, float to double, a decimal with more digits.
    WidenColumn {
        name: String,
        data_type: String,
    },
    /// Values may be null from now on. There is no way back: rows may be null by then.
    MakeOptional {
        name: String,
    },
    DocumentColumn {
        name: String,
        doc: Option<String>,
    },
    /// To the first place, or behind another column.
    MoveColumn {
        name: String,
        after: Option<String>,
    },
    /// Of files that are written from now on.
    Partition {
        by: Vec<String>,
    },
    Sort {
        by: Vec<String>,
    },
    SetProperty {
        name: String,
        value: String,
    },
    RemoveProperty {
        name: String,
    },
}

impl Tables {
    /// Makes the changes, in one commit.
    ///
    /// # Errors
    /// `invalid-input` for `changes[n]`, with the reason; `not-found`.
    pub(crate) async fn alter(&self, table: &TableName, changes: &[Change]) -> Result<()> {
        if self.inner.current(table).await?.is_none() {
            return Err(self.not_found(table).await?);
        }
        let mut alteration = Alteration { table, changes };
        self.inner.commit(table, &mut alteration, &[]).await?;
        Ok(())
    }
}

struct Alteration<'a> {
    table: &'a TableName,
    changes: &'a [Change],
}

#[async_trait]
impl Transaction for Alteration<'_> {
    async fn next(&mut self, _: &Inner, current: Option<&Current>, _: &Uncommitted) -> Result<Next> {
        let state = match current {
            Some(Current::Table(state)) => state,
            Some(Current::View(_)) => {
                return Err(Error::conflict(format!(
                    "`{}` is a view: it has the columns of its statement",
                    self.table
                )));
            }
            None => return Err(Error::not_found(format!("there is no table `{}`", self.table))),
        };
        check_writable(self.table, &state.metadata)?;
        let mut draft = Draft::of(&state.metadata, changed(state)?);
        for (index, change) in self.changes.iter().enumerate() {
            draft = draft.with(change).and_then(Draft::kept).map_err(|error| match error {
                Error::InvalidInput { message, .. } => Error::invalid(format!("changes[{index}]"), message),
                other => other,
            })?;
        }
        let builder = draft.builder;
        let built = builder.build().map_err(|error| Error::invalid("changes", error.message().to_owned()))?;
        Ok(Next::Commit(Box::new(built)))
    }
}

/// A table as the changes so far make it.
struct Draft<'a> {
    now: &'a TableMetadata,
    builder: TableMetadataBuilder,
    schema: Schema,
    last_id: i32,
}

fn refused(message: impl Into<String>) -> Error {
    Error::InvalidInput { field: None, message: message.into() }
}

impl<'a> Draft<'a> {
    fn of(now: &'a TableMetadata, builder: TableMetadataBuilder) -> Self {
        Self { now, builder, schema: now.current_schema().as_ref().clone(), last_id: now.last_column_id() }
    }

    fn with(self, change: &Change) -> Result<Self> {
        match change {
            Change::AddColumn { name, data_type, doc } => self.add(name, data_type, doc.as_ref()),
            Change::DropColumn { name } => self.drop(name),
            Change::RenameColumn { name, to } => {
                let (at, last) = name.rsplit_once('.').map_or((None, name.as_str()), |(at, last)| (Some(at), last));
                if to.is_empty() || to.contains('.') {
                    return Err(refused(format!("`{to}` is no name for a column: expected one without `.`")));
                }
                let taken = at.map_or(to.clone(), |at| format!("{at}.{to}"));
                if !to.eq_ignore_ascii_case(last) && self.schema.field_by_name_case_insensitive(&taken).is_some() {
                    return Err(refused(format!("there is a column `{taken}` already")));
                }
                self.edit(name, |field| Ok(NestedField { name: to.clone(), ..field.clone() }))
            }
            Change::WidenColumn { name, data_type } => {
                let wanted = types::parse(data_type)?;
                self.edit(name, |field| match (field.field_type.as_ref(), &wanted) {
                    (before, now) if types::same(before, now) => Ok(field.clone()),
                    (Type::Primitive(before), Type::Primitive(now)) if evolution::widens(before, now) => {
                        Ok(NestedField { field_type: Box::new(wanted.clone()), ..field.clone() })
                    }
                    (before, _) => Err(refused(format!(
                        "`{name}` is {}, and {} as {}: the files keep what they have",
                        types::format(before),
                        wider(before),
                        types::format(&wanted)
                    ))),
                })
            }
            Change::MakeOptional { name } => {
                self.edit(name, |field| Ok(NestedField { required: false, ..field.clone() }))
            }
            Change::DocumentColumn { name, doc } => {
                self.edit(name, |field| Ok(NestedField { doc: doc.clone(), ..field.clone() }))
            }
            Change::MoveColumn { name, after } => self.move_column(name, after.as_deref()),
            Change::Partition { by } => self.lay_out(&Wanted { partitioning: Some(by.clone()), sorted_by: None }),
            Change::Sort { by } => self.lay_out(&Wanted { partitioning: None, sorted_by: Some(by.clone()) }),
            Change::SetProperty { name, value } => {
                own_property(name)?;
                properties::check(name, value)?;
                let properties = [(name.clone(), value.clone())].into();
                self.built(|builder| builder.set_properties(properties))
            }
            Change::RemoveProperty { name } => {
                own_property(name)?;
                self.built(|builder| builder.remove_properties(std::slice::from_ref(name)))
            }
        }
    }

    fn built(
        mut self,
        change: impl FnOnce(TableMetadataBuilder) -> iceberg::Result<TableMetadataBuilder>,
    ) -> Result<Self> {
        self.builder = change(self.builder).map_err(|error| refused(error.message().to_owned()))?;
        Ok(self)
    }

    fn lay_out(mut self, wanted: &Wanted) -> Result<Self> {
        self.builder = wanted.apply(self.builder, &self.schema, Some(self.now))?;
        Ok(self)
    }

    /// The same with other columns.
    fn with_columns(mut self, fields: Vec<NestedFieldRef>) -> Result<Self> {
        if fields.is_empty() {
            return Err(refused("a table has one column at least"));
        }
        let kept: Vec<i32> = self
            .schema
            .identifier_field_ids()
            .filter(|id| fields.iter().any(|field| field.id == *id && field.required))
            .collect();
        let schema = Schema::builder().with_fields(fields).with_identifier_field_ids(kept).build();
        self.schema = schema.map_err(|error| refused(error.message().to_owned()))?;
        self.last_id = self.last_id.max(self.schema.highest_field_id());
        let schema = self.schema.clone();
        self.built(|builder| builder.add_current_schema(schema))
    }

    fn add(self, name: &str, data_type: &str, doc: Option<&String>) -> Result<Self> {
        if name.trim().is_empty() || name.contains('.') {
            return Err(refused(format!("`{name}` is no name for a new column: expected one without `.`")));
        }
        if let Some(known) = self.schema.field_by_name_case_insensitive(name) {
            return Err(refused(format!(
                "there is a column `{}` already: rename it, or take another name",
                known.name
            )));
        }
        let column = NewColumn {
            name: name.to_owned(),
            field_type: types::parse(data_type)?,
            required: false,
            doc: doc.cloned(),
        };
        let added = evolution::appended(self.last_id, &column);
        let mut fields = self.schema.as_struct().fields().to_vec();
        fields.push(added.into());
        self.with_columns(fields)
    }

    fn drop(self, name: &str) -> Result<Self> {
        let field = self.find(name)?;
        let gone = ids_of(&field);
        let spec = self.now.default_partition_spec();
        if spec.fields().iter().any(|field| gone.contains(&field.source_id)) {
            return Err(refused(format!("the table is partitioned by `{name}`: change its partitions first")));
        }
        if self.now.default_sort_order().fields.iter().any(|field| gone.contains(&field.source_id)) {
            return Err(refused(format!("the table is sorted by `{name}`: change its order first")));
        }
        let fields = without(self.schema.as_struct().fields(), field.id);
        if fields.iter().any(|field| matches!(field.field_type.as_ref(), Type::Struct(s) if s.fields().is_empty())) {
            return Err(refused(format!("`{name}` is the last field of its struct: drop the struct")));
        }
        self.with_columns(fields)
    }

    fn edit(self, name: &str, change: impl Fn(&NestedField) -> Result<NestedField>) -> Result<Self> {
        let id = self.find(name)?.id;
        let fields = edited(self.schema.as_struct().fields(), id, &change)?;
        self.with_columns(fields)
    }

    fn move_column(self, name: &str, after: Option<&str>) -> Result<Self> {
        let field = self.find(name)?;
        let mut fields = self.schema.as_struct().fields().to_vec();
        let Some(from) = fields.iter().position(|known| known.id == field.id) else {
            return Err(refused(format!("`{name}` is a part of a column: only whole columns are moved")));
        };
        let moved = fields.remove(from);
        let to = match after {
            None => 0,
            Some(after) => {
                let after = self.find(after)?;
                let at = fields.iter().position(|known| known.id == after.id);
                at.ok_or_else(|| refused(format!("`{}` is not a column that `{name}` can be behind", after.name)))? + 1
            }
        };
        fields.insert(to, moved);
        self.with_columns(fields)
    }

    /// As it is, if the table may become so.
    fn kept(self) -> Result<Self> {
        synced::check_columns(self.now, &self.schema)?;
        Ok(self)
    }

    fn find(&self, name: &str) -> Result<NestedFieldRef> {
        self.schema.field_by_name(name).cloned().ok_or_else(|| refused(evolution::no_column(&self.schema, name)))
    }
}

/// What no request sets.
fn own_property(name: &str) -> Result<()> {
    synced::check_property(name)?;
    if name.starts_with("write.") && name.ends_with(".path") {
        return Err(refused(format!("`{name}`: files are where the table is")));
    }
    Ok(())
}

fn wider(from: &Type) -> String {
    match from {
        Type::Primitive(PrimitiveType::Int) => "can be widened to long, not read".to_owned(),
        Type::Primitive(PrimitiveType::Float) => "can be widened to double, not read".to_owned(),
        Type::Primitive(PrimitiveType::Decimal { scale, .. }) => {
            format!("can be widened to more digits with {scale} of them after the point, not read")
        }
        _ => "cannot be read".to_owned(),
    }
}

fn ids_of(field: &NestedField) -> Vec<i32> {
    let mut ids = vec![field.id];
    match field.field_type.as_ref() {
        Type::Primitive(_) => {}
        Type::Struct(inner) => ids.extend(inner.fields().iter().flat_map(|field| ids_of(field))),
        Type::List(inner) => ids.extend(ids_of(&inner.element_field)),
        Type::Map(inner) => {
            ids.extend(ids_of(&inner.key_field));
            ids.extend(ids_of(&inner.value_field));
        }
    }
    ids
}

/// The fields without the one of this id, on every level that has names.
fn without(fields: &[NestedFieldRef], id: i32) -> Vec<NestedFieldRef> {
    let kept = fields.iter().filter(|field| field.id != id);
    kept.map(|field| match field.field_type.as_ref() {
        Type::Struct(inner) => {
            let rest = without(inner.fields(), id).iter().map(|field| field.as_ref().clone()).collect();
            NestedField { field_type: Box::new(types::structure(rest)), ..field.as_ref().clone() }.into()
        }
        _ => field.clone(),
    })
    .collect()
}

fn edited(
    fields: &[NestedFieldRef],
    id: i32,
    change: &impl Fn(&NestedField) -> Result<NestedField>,
) -> Result<Vec<NestedFieldRef>> {
    fields
        .iter()
        .map(|field| {
            if field.id == id {
                return Ok(change(field)?.into());
            }
            Ok(match field.field_type.as_ref() {
                Type::Struct(inner) => {
                    let inner = edited(inner.fields(), id, change)?;
                    let inner = inner.iter().map(|field| field.as_ref().clone()).collect();
                    NestedField { field_type: Box::new(types::structure(inner)), ..field.as_ref().clone() }.into()
                }
                _ => field.clone(),
            })
        })
        .collect()
}
