//! How a table's columns change.
//!
//! Iceberg finds values by field id, so a column that stays keeps its id: by name, where its type is the same or a wider one
//! that Iceberg allows (int to long, float to double, a decimal with more digits). A column that comes back with another type
//! is another column.
//!
//! - A replaced table has exactly the new columns.
//! - Rows that take the place of others have all columns of the table: one that they lack would lose its values.
//! - Rows that are added may bring new columns (null in the rows of before) and wider ones; columns that they lack stay and are
//!   null in the new rows.

use std::collections::HashMap;

use asgard_contract::table::differing_in_case;
use asgard_contract::{Error, Result};
use iceberg::spec::{
    FormatVersion, NestedField, NestedFieldRef, PrimitiveType, Schema, SchemaRef, SortOrder, StructType, TableMetadata,
    TableMetadataBuilder, Type, UnboundPartitionSpec,
};

use crate::error;
use crate::types::{self, NewColumn, format, list, map, same};

/// The schema of a table whose content is replaced. `last_id` is the highest that the table ever gave.
pub(crate) fn replaced(previous: &Schema, last_id: i32, columns: &[NewColumn]) -> Result<Schema> {
    let mut ids = Ids { next: last_id + 1 };
    let fields = columns.iter().map(|column| {
        let before = previous.as_struct().field_by_name(&column.name);
        ids.field(column, before).into()
    });
    schema(fields.collect())
}

/// The schema of a table that rows with these columns are added to; none = as it is.
///
/// # Errors
/// `invalid-input` for a column whose type does not fit.
pub(crate) fn extended(previous: &Schema, last_id: i32, columns: &[NewColumn]) -> Result<Option<Schema>> {
    let mut ids = Ids { next: last_id + 1 };
    let mut fields: Vec<NestedFieldRef> = Vec::new();
    for field in previous.as_struct().fields() {
        let mut field = field.as_ref().clone();
        match columns.iter().find(|column| column.name == field.name) {
            Some(column) => {
                field.required &= column.required;
                *field.field_type =
                    ids.unified(&field.field_type, &column.field_type).ok_or_else(|| Error::InvalidInput {
                        field: None,
                        message: format!(
                            "column `{}` is {} in the table and {} in the rows: cast it, or replace the table",
                            column.name,
                            format(&field.field_type),
                            format(&column.field_type)
                        ),
                    })?;
            }
            None => field.required = false,
        }
        fields.push(field.into());
    }
    for column in columns {
        if previous.as_struct().field_by_name(&column.name).is_none() {
            // The rows of before have no value for it.
            let column = NewColumn { required: false, ..column.clone() };
            fields.push(ids.field(&column, None).into());
        }
    }
    if fields == previous.as_struct().fields() {
        return Ok(None);
    }
    schema(fields).map(Some)
}

/// Whether rows with these columns can take the place of rows of the table.
///
/// # Errors
/// `invalid-input` for a column that they lack.
pub(crate) fn complete(previous: &Schema, columns: &[NewColumn]) -> Result<()> {
    let mut fields = previous.as_struct().fields().iter();
    let Some(lacking) = fields.find(|field| columns.iter().all(|column| column.name != field.name)) else {
        return Ok(());
    };
    Err(Error::InvalidInput {
        field: None,
        message: format!(
            "the rows lack column `{0}` of the table, whose values would be lost where rows take the place of others: select `{0}` too, \
             drop the column, or make the table anew",
            lacking.name
        ),
    })
}

/// A new column behind all others, with ids of its own. `last_id` is the highest that the table ever gave.
pub(crate) fn appended(last_id: i32, column: &NewColumn) -> NestedField {
    Ids { next: last_id + 1 }.field(column, None)
}

/// The schema of a table that is not there yet, with the ids that making it gives.
pub(crate) fn created(columns: &[NewColumn]) -> Result<Schema> {
    let mut ids = Ids { next: 1 };
    let wanted = schema(columns.iter().map(|column| ids.field(column, None).into()).collect())?;
    let made = TableMetadataBuilder::new(
        wanted,
        UnboundPartitionSpec::builder().build(),
        SortOrder::unsorted_order(),
        String::new(),
        FormatVersion::V2,
        HashMap::new(),
    )
    .and_then(TableMetadataBuilder::build)
    .map_err(error::iceberg("making a table's metadata"))?;
    Ok(made.metadata.current_schema().as_ref().clone())
}

/// A schema that the table has had or is to get, with just these columns: an overwrite that is taken up again finds the one it
/// started with.
pub(crate) fn known(metadata: &TableMetadata, columns: &[NewColumn]) -> Option<SchemaRef> {
    let current = metadata.current_schema().as_struct();
    let fits = |schema: &&SchemaRef| {
        let fields = schema.as_struct().fields();
        fields.len() == columns.len()
            && fields.iter().zip(columns).all(|(field, column)| {
                let kept =
                    current.field_by_name(&field.name).filter(|before| same(&before.field_type, &field.field_type));
                field.name == column.name
                    && same(&field.field_type, &column.field_type)
                    && field.required == column.required
                    && field.doc == column.doc
                    && kept.is_none_or(|before| before.id == field.id && before.field_type == field.field_type)
            })
    };
    metadata.schemas_iter().find(fits).cloned()
}

/// Whether rows written by one schema are read rightly by the other: same fields, ids included.
pub(crate) fn equal(a: &Schema, b: &Schema) -> bool {
    a.as_struct() == b.as_struct()
}

/// That there is no such column, and which there are.
pub(crate) fn no_column(schema: &Schema, name: &str) -> String {
    let columns: Vec<&str> = schema.as_struct().fields().iter().map(|field| field.name.as_str()).collect();
    format!("there is no column `{name}`: there are {}", columns.join(", "))
}

fn schema(fields: Vec<NestedFieldRef>) -> Result<Schema> {
    if let Some((one, other)) = differing_in_case(fields.iter().map(|field| field.name.as_str())) {
        return Err(Error::InvalidInput {
            field: None,
            message: format!(
                "columns `{one}` and `{other}` differ in case alone, which SQL does not tell apart: give one of them another name"
            ),
        });
    }
    Schema::builder().with_fields(fields).build().map_err(|error| Error::InvalidInput {
        field: None,
        message: format!("the columns make no table: {}", error.message()),
    })
}

struct Ids {
    next: i32,
}

impl Ids {
    fn take(&mut self) -> i32 {
        let id = self.next;
        self.next += 1;
        id
    }

    fn field(&mut self, column: &NewColumn, before: Option<&NestedFieldRef>) -> NestedField {
        let kept = before.and_then(|before| Some((before.id, self.kept(&before.field_type, &column.field_type)?)));
        let (id, field_type) = match kept {
            Some(kept) => kept,
            None => (self.take(), self.assigned(&column.field_type)),
        };
        let field = NestedField::new(id, &column.name, field_type, column.required);
        match &column.doc {
            Some(doc) => field.with_doc(doc),
            None => field,
        }
    }

    /// The new type with the ids of the old one, where that is the same column still.
    fn kept(&mut self, before: &Type, now: &Type) -> Option<Type> {
        if same(before, now) {
            return Some(before.clone());
        }
        match (before, now) {
            (Type::Primitive(before), Type::Primitive(now)) if widens(before, now) => Some(now.clone().into()),
            (Type::Struct(before), Type::Struct(now)) => Some(self.structure(before, now, Self::kept_or_new)),
            (Type::List(before), Type::List(now)) => {
                let element = self.kept(&before.element_field.field_type, &now.element_field.field_type)?;
                Some(list(before.element_field.id, element, false))
            }
            _ => None,
        }
    }

    fn kept_or_new(&mut self, before: &NestedField, now: &NestedField) -> NestedField {
        match self.kept(&before.field_type, &now.field_type) {
            Some(field_type) => NestedField::optional(before.id, &now.name, field_type),
            None => NestedField::optional(self.take(), &now.name, self.assigned(&now.field_type)),
        }
    }

    fn structure(
        &mut self,
        before: &StructType,
        now: &StructType,
        matched: impl Fn(&mut Self, &NestedField, &NestedField) -> NestedField,
    ) -> Type {
        let fields = now
            .fields()
            .iter()
            .map(|field| match before.field_by_name(&field.name) {
                Some(before) => matched(self, before, field),
                None => NestedField::optional(self.take(), &field.name, self.assigned(&field.field_type)),
            })
            .collect();
        types::structure(fields)
    }

    /// The type of a column that holds the rows of before and the new ones; none = there is none.
    fn unified(&mut self, before: &Type, now: &Type) -> Option<Type> {
        if same(before, now) {
            return Some(before.clone());
        }
        match (before, now) {
            (Type::Primitive(table), Type::Primitive(rows)) => {
                if widens(table, rows) {
                    Some(rows.clone().into())
                } else if holds(table, rows) {
                    Some(before.clone())
                } else {
                    None
                }
            }
            (Type::List(before), Type::List(now)) => {
                let element = self.unified(&before.element_field.field_type, &now.element_field.field_type)?;
                Some(list(before.element_field.id, element, false))
            }
            (Type::Struct(before), Type::Struct(now)) => {
                let mut fields = Vec::new();
                for field in before.fields() {
                    let field_type = match now.field_by_name(&field.name) {
                        Some(now) => self.unified(&field.field_type, &now.field_type)?,
                        None => field.field_type.as_ref().clone(),
                    };
                    fields.push(NestedField::optional(field.id, &field.name, field_type));
                }
                for field in now.fields().iter().filter(|field| before.field_by_name(&field.name).is_none()) {
                    let field_type = self.assigned(&field.field_type);
                    fields.push(NestedField::optional(self.take(), &field.name, field_type));
                }
                Some(types::structure(fields))
            }
            _ => None,
        }
    }

    fn assigned(&mut self, data_type: &Type) -> Type {
        match data_type {
            Type::Primitive(primitive) => primitive.clone().into(),
            Type::List(inner) => {
                let id = self.take();
                list(id, self.assigned(&inner.element_field.field_type), false)
            }
            Type::Map(inner) => {
                let (key, value) = (self.take(), self.take());
                let key_type = self.assigned(&inner.key_field.field_type);
                map(key, key_type, value, self.assigned(&inner.value_field.field_type), false)
            }
            Type::Struct(inner) => {
                let fields = inner.fields().iter().map(|field| {
                    let id = self.take();
                    NestedField::optional(id, &field.name, self.assigned(&field.field_type))
                });
                types::structure(fields.collect())
            }
        }
    }
}

/// Iceberg's own promotions: old files are read as the wider type.
pub(crate) fn widens(from: &PrimitiveType, to: &PrimitiveType) -> bool {
    match (from, to) {
        (PrimitiveType::Int, PrimitiveType::Long) | (PrimitiveType::Float, PrimitiveType::Double) => true,
        (
            PrimitiveType::Decimal { precision: before, scale: before_scale },
            PrimitiveType::Decimal { precision: now, scale: now_scale },
        ) => before_scale == now_scale && now > before,
        _ => false,
    }
}

/// Whether a column of one type takes values of another without losing anything but by an error (a number too large).
fn holds(table: &PrimitiveType, rows: &PrimitiveType) -> bool {
    use PrimitiveType::{Date, Decimal, Double, Float, Int, Long, String, Timestamp};
    match (table, rows) {
        (Long, Int)
        | (Int, Long)
        | (Double, Int | Float | Decimal { .. })
        | (Decimal { .. }, Int | Long)
        | (Timestamp, Date) => true,
        (Decimal { scale: table, .. }, Decimal { scale: rows, .. }) => table >= rows,
        (String, rows) => !matches!(rows, PrimitiveType::Binary | PrimitiveType::Fixed(_) | PrimitiveType::Uuid),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::parse;

    fn columns(of: &[(&str, &str)]) -> Vec<NewColumn> {
        let column = |(name, text): &(&str, &str)| NewColumn {
            name: (*name).to_owned(),
            field_type: parse(text).unwrap(),
            required: false,
            doc: None,
        };
        of.iter().map(column).collect()
    }

    fn shown(schema: &Schema) -> Vec<(i32, String, String)> {
        let fields = schema.as_struct().fields().iter();
        fields.map(|field| (field.id, field.name.clone(), format(&field.field_type))).collect()
    }

    fn row(id: i32, name: &str, text: &str) -> (i32, String, String) {
        (id, name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_replaced_table_keeps_the_ids_of_columns_that_stay() {
        let before = created(&columns(&[("a", "int"), ("b", "string"), ("c", "struct<x:int,y:int>")])).unwrap();
        let last = before.highest_field_id();
        let after =
            replaced(&before, last, &columns(&[("c", "struct<y:int,z:int>"), ("a", "long"), ("b", "date")])).unwrap();
        assert_eq!(
            shown(&after),
            [row(3, "c", "struct<y:int,z:int>"), row(1, "a", "long"), row(last + 2, "b", "date")]
        );
        let Type::Struct(inner) = after.field_by_name("c").unwrap().field_type.as_ref().clone() else { panic!() };
        let y = before.field_by_name("c.y").unwrap().id;
        assert_eq!(inner.fields().iter().map(|field| field.id).collect::<Vec<_>>(), [y, last + 1]);
    }

    #[test]
    fn added_rows_bring_columns_and_wider_types_and_nothing_is_dropped() {
        let before = created(&columns(&[("a", "int"), ("b", "string"), ("d", "decimal(10,2)")])).unwrap();
        let after =
            extended(&before, 3, &columns(&[("d", "decimal(12,2)"), ("a", "long"), ("new", "list<int>")])).unwrap();
        assert_eq!(
            shown(&after.unwrap()),
            [row(1, "a", "long"), row(2, "b", "string"), row(3, "d", "decimal(12,2)"), row(4, "new", "list<int>")]
        );
        assert!(extended(&before, 3, &columns(&[("b", "string"), ("a", "int")])).unwrap().is_none());
    }

    #[test]
    fn a_column_whose_type_does_not_fit_is_told_by_name() {
        let before = created(&columns(&[("a", "int"), ("d", "decimal(10,2)")])).unwrap();
        for (name, text) in [("a", "string"), ("a", "double"), ("d", "decimal(10,3)"), ("a", "list<int>")] {
            let error = extended(&before, 2, &columns(&[(name, text)])).unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`")) && error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_required_column_that_rows_lack_becomes_optional() {
        let mut required = columns(&[("a", "int"), ("b", "int")]);
        required.iter_mut().for_each(|column| column.required = true);
        let before = created(&required).unwrap();
        let after = extended(&before, 2, &required[..1]).unwrap().unwrap();
        assert!(after.field_by_name("a").unwrap().required);
        assert!(!after.field_by_name("b").unwrap().required);
    }
}
