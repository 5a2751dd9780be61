//! Which files a filter leaves: by the bounds of their columns, and by their partitions.
//!
//! Only a file that certainly has no row is passed over. Bounds may be looser than the values, never tighter.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use datafusion::arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{Column, ColumnStatistics, DFSchema, Result as PlanResult, ScalarValue};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::physical_optimizer::pruning::PruningPredicate;
use iceberg::spec::{Literal, PrimitiveLiteral, Transform};
use iceberg::transform::create_transform_function;

use crate::tables::{DataFile, LoadedTable};

/// The files of a table that may have rows for all of the filters.
pub(super) fn files(
    session: &dyn Session,
    table: &LoadedTable,
    schema: &SchemaRef,
    filters: &[Expr],
) -> PlanResult<Vec<DataFile>> {
    let all = table.files.as_ref();
    let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(all.clone()) };
    let expression = session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)?;
    // What the statistics cannot be asked leaves every file.
    let kept = match PruningPredicate::try_new(expression, Arc::clone(schema)) {
        Ok(predicate) => predicate.prune(&Bounds { files: all, schema })?,
        Err(_) => vec![true; all.len()],
    };
    let buckets = Buckets::of(table, filters);
    let files = all.iter().zip(kept).filter(|(file, kept)| *kept && buckets.may_hold(file));
    Ok(files.map(|(file, _)| file.clone()).collect())
}

struct Bounds<'a> {
    files: &'a [DataFile],
    schema: &'a SchemaRef,
}

impl Bounds<'_> {
    fn values(&self, column: &Column, of: fn(&ColumnStatistics) -> &Precision<ScalarValue>) -> Option<ArrayRef> {
        let (index, field) = self.schema.column_with_name(&column.name)?;
        let nothing = ScalarValue::try_from(field.data_type()).ok()?;
        let values = self.files.iter().map(|file| {
            let known = file.statistics.column_statistics.get(index).and_then(|column| of(column).get_value());
            known.cloned().unwrap_or_else(|| nothing.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |column| &column.min_value)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |column| &column.max_value)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let (index, _) = self.schema.column_with_name(&column.name)?;
        let counts = self.files.iter().map(|file| {
            let known = file.statistics.column_statistics.get(index)?.null_count.get_value()?;
            u64::try_from(*known).ok()
        });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self, _: &Column) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| Some(file.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// Buckets in which the values are that columns are compared to: bounds say nothing of those.
struct Buckets {
    /// Specification, field of it, bucket.
    wanted: Vec<(i32, usize, i32)>,
}

impl Buckets {
    fn of(table: &LoadedTable, filters: &[Expr]) -> Self {
        let mut wanted = Vec::new();
        for (name, value) in filters.iter().filter_map(equality) {
            let Some(column) = table.columns.as_struct().field_by_name(name) else { continue };
            let Ok(field) = table.schema.field_with_name(name) else { continue };
            let Ok(value) = value.cast_to(field.data_type()).and_then(|value| value.to_array()) else { continue };
            for spec in table.state.metadata.partition_specs_iter() {
                for (index, field) in spec.fields().iter().enumerate() {
                    if field.source_id != column.id || !matches!(field.transform, Transform::Bucket(_)) {
                        continue;
                    }
                    let bucket =
                        create_transform_function(&field.transform).and_then(|f| f.transform(Arc::clone(&value)));
                    if let Ok(bucket) = bucket
                        && let Some(bucket) = bucket.as_primitive_opt::<Int32Type>()
                        && bucket.null_count() == 0
                    {
                        wanted.push((spec.spec_id(), index, bucket.value(0)));
                    }
                }
            }
        }
        Self { wanted }
    }

    fn may_hold(&self, file: &DataFile) -> bool {
        self.wanted.iter().filter(|(spec, _, _)| *spec == file.spec_id).all(|(_, field, bucket)| {
            match file.entry.data_file().partition().fields().get(*field) {
                Some(Some(Literal::Primitive(PrimitiveLiteral::Int(of_file)))) => of_file == bucket,
                // Null is equal to nothing.
                Some(None) => false,
                _ => true,
            }
        })
    }
}

/// `column = value`, in any order.
fn equality(filter: &Expr) -> Option<(&str, &ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) | (Expr::Literal(value, _), Expr::Column(column)) => {
            Some((column.name.as_str(), value)).filter(|(_, value)| !value.is_null())
        }
        _ => None,
    }
}
