//! A file's columns found by field id, in the engine's own Parquet scan.
//!
//! The engine finds columns by name. A column that was renamed would be null in the files of before, and one that took the
//! name of another would show the other's values, so what the scan evaluates is rewritten for each file: a column is the
//! file's column with its id, widened or put together anew where the table has it differently, or null.

use std::any::Any;
use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::extension::{EXTENSION_TYPE_METADATA_KEY, EXTENSION_TYPE_NAME_KEY};
use asgard_contract::Error;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result as PlanResult, ScalarValue, plan_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, lit};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

use crate::tables::shape;

/// Rewrites for files of one table.
#[derive(Debug)]
pub(super) struct ByFieldId {
    /// The table's columns, with their ids.
    pub(super) columns: SchemaRef,
    /// The same as the planner knows them: [`without_ids`].
    pub(super) shown: SchemaRef,
}

/// Field ids are the table's, on every level; two fields that differ in them would be two types to the planner. That bytes
/// are a UUID stays.
pub(super) fn without_ids(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(without_id).collect::<Fields>())
}

fn without_id(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(without_id(element)),
        DataType::Map(entry, ordered) => DataType::Map(without_id(entry), *ordered),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_id).collect()),
        plain => plain.clone(),
    };
    let mut metadata = field.metadata().clone();
    metadata.retain(|name, _| [EXTENSION_TYPE_NAME_KEY, EXTENSION_TYPE_METADATA_KEY].contains(&name.as_str()));
    Arc::new(Field::new(field.name(), data_type, field.is_nullable()).with_metadata(metadata))
}

impl PhysicalExprAdapterFactory for ByFieldId {
    fn create(&self, _: SchemaRef, file: SchemaRef) -> PlanResult<Arc<dyn PhysicalExprAdapter>> {
        let unreadable = |why: String| {
            DataFusionError::External(Box::new(Error::unsupported(format!("a data file cannot be read: {why}"))))
        };
        if !file.fields().is_empty() && !shape::has_ids(file.fields()) {
            return Err(unreadable("its columns have no field ids".to_owned()));
        }
        let mut sources = Vec::with_capacity(self.columns.fields().len());
        for (wanted, shown) in self.columns.fields().iter().zip(self.shown.fields()) {
            let found = shape::id_of(wanted).and_then(|id| shape::position(file.fields(), id));
            let Some(index) = found else {
                sources.push(lit(ScalarValue::try_from(shown.data_type())?));
                continue;
            };
            let had = &file.fields()[index];
            if let Some(why) = shape::refusal(had, wanted) {
                return Err(unreadable(why));
            }
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(had.name(), index));
            let as_is = shape::as_is(had, wanted) && had.data_type() == wanted.data_type();
            let column = if !as_is && (had.data_type().is_nested() || wanted.data_type().is_nested()) {
                Arc::new(Reshaped { column, from: Arc::clone(had), to: Arc::clone(wanted) })
            } else {
                column
            };
            sources.push(if as_is && had.data_type() == shown.data_type() {
                column
            } else {
                Arc::new(CastExpr::new(column, shown.data_type().clone(), None))
            });
        }
        Ok(Arc::new(Rewrite { columns: Arc::clone(&self.columns), sources }))
    }
}

#[derive(Debug)]
struct Rewrite {
    columns: SchemaRef,
    /// Of each of them.
    sources: Vec<Arc<dyn PhysicalExpr>>,
}

impl PhysicalExprAdapter for Rewrite {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> PlanResult<Arc<dyn PhysicalExpr>> {
        // From the leaves up: what takes a column's place is not looked at again.
        expr.transform_up(|expr| {
            let Some(column) = expr.as_any().downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
            match self.columns.index_of(column.name()).ok().and_then(|index| self.sources.get(index)) {
                Some(source) => Ok(Transformed::yes(Arc::clone(source))),
                None => plan_err!("there is no column `{}` in the table", column.name()),
            }
        })
        .data()
    }
}

/// A nested column of a file as the table has it.
#[derive(Debug)]
struct Reshaped {
    column: Arc<dyn PhysicalExpr>,
    from: FieldRef,
    to: FieldRef,
}

impl PartialEq for Reshaped {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.from == other.from && self.to == other.to
    }
}

impl Eq for Reshaped {}

impl Hash for Reshaped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.to.hash(state);
    }
}

impl Display for Reshaped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.column, self.to.data_type())
    }
}

impl PhysicalExpr for Reshaped {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn data_type(&self, _: &Schema) -> PlanResult<DataType> {
        Ok(self.to.data_type().clone())
    }

    fn nullable(&self, _: &Schema) -> PlanResult<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> PlanResult<ColumnarValue> {
        let array = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(ColumnarValue::Array(shape::reshape(&array, &self.from, &self.to)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> PlanResult<Arc<dyn PhysicalExpr>> {
        let [column] = children.as_slice() else { return plan_err!("a column is put together from one column") };
        let (from, to) = (Arc::clone(&self.from), Arc::clone(&self.to));
        Ok(Arc::new(Self { column: Arc::clone(column), from, to }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}
