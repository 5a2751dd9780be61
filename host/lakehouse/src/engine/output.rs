//! The columns of a result: types that an Iceberg table has, and the names that the statement gave them.
//!
//! | the plan's type | becomes |
//! | --- | --- |
//! | whole numbers of 8 and 16 bits, and unsigned ones up to 16 bits | `int` |
//! | unsigned, 32 bits | `long` |
//! | unsigned, 64 bits | `decimal(20,0)` |
//! | half floats | `float` |
//! | timestamps of any unit | microseconds; with any time zone: UTC |
//! | times of any unit | microseconds |
//! | strings and binaries in any layout | `string`, `binary` |
//! | lists, maps, structs | likewise, inside |
//! | intervals, durations, only nulls, unions, wider decimals, variants and states of aggregates (`$…`) | refused by the column's name |

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::extension::Uuid;
use asgard_contract::{Column, Result};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use datafusion::common::Result as PlanResult;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, LogicalPlanBuilder};

use super::functions::maps::unnamed;
use super::text::wrong;
use crate::types;

/// A plan whose columns are what a table can have, all nullable, and those columns.
pub(super) struct Conformed {
    pub(super) plan: LogicalPlan,
    /// The rows' schema; operators may know better which columns have no nulls.
    pub(super) schema: SchemaRef,
    pub(super) columns: Vec<Column>,
}

/// Whether a name for every column is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// A table or view is made of it.
    Required,
    /// Rows are only looked at.
    Optional,
}

/// Conforms a plan. `shown` tells names' case by their lower case.
pub(super) fn conform(plan: LogicalPlan, shown: &HashMap<String, String>, naming: Naming) -> Result<Conformed> {
    let mut fields = Vec::new();
    let mut exprs = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, (qualifier, field)) in plan.schema().iter().enumerate() {
        let name = shown.get(field.name()).unwrap_or(field.name()).clone();
        if naming == Naming::Required && is_made_up(&name) {
            return Err(wrong(None, format!("column {} has no name: add `AS name` to it", index + 1)));
        }
        if let Some(before) = seen.insert(name.to_lowercase(), index) {
            return Err(wrong(
                None,
                format!(
                    "columns {} and {} are both called `{name}`: name one of them differently",
                    before + 1,
                    index + 1
                ),
            ));
        }
        let data_type =
            table_type(field.data_type()).map_err(|why| wrong(None, format!("the column `{name}` {why}")))?;
        let column = Expr::Column(datafusion::common::Column::from((qualifier, field)));
        let value = if data_type == *field.data_type() {
            column
        } else {
            Expr::Cast(Cast::new(Box::new(column), data_type.clone()))
        };
        exprs.push(value.alias(&name));
        let mut conformed = Field::new(name, data_type, true);
        if field.try_extension_type::<Uuid>().is_ok() {
            conformed = conformed.with_extension_type(Uuid);
        }
        fields.push(conformed);
    }
    let plan = project(plan, exprs).map_err(|error| wrong(None, error.strip_backtrace()))?;
    let schema = Schema::new(fields);
    let columns = types::from_arrow(&schema)?.into_iter().map(|column| Column {
        name: column.name,
        data_type: types::format(&column.field_type),
        nullable: true,
        doc: None,
    });
    let columns = columns.collect();
    Ok(Conformed { plan, schema: Arc::new(schema), columns })
}

fn project(plan: LogicalPlan, exprs: Vec<Expr>) -> PlanResult<LogicalPlan> {
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Trino's own names of columns without one.
pub fn is_made_up(name: &str) -> bool {
    name.strip_prefix("_col").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The type that a table's column has for values of a type; or why there is none.
fn table_type(data_type: &DataType) -> std::result::Result<DataType, String> {
    Ok(match data_type {
        DataType::Boolean
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary
        | DataType::Date32
        | DataType::FixedSizeBinary(_) => data_type.clone(),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::Decimal128(_, scale) if *scale >= 0 => data_type.clone(),
        DataType::Dictionary(_, values) => table_type(values)?,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(inner(item)?),
        DataType::Struct(fields) if matches!(fields.as_ref(), [field] if field.name() == "$json") => {
            return Err("is JSON, which no table keeps: write json_format(…), or cast it".to_owned());
        }
        DataType::Struct(fields) if fields.first().is_some_and(|field| *field.name() == unnamed(0)) => {
            return Err("is a row without names, which no table keeps: take its fields by UNNEST".to_owned());
        }
        DataType::Struct(fields) if fields.iter().any(|field| field.name().starts_with('$')) => {
            return Err(
                "is a variant or the state of an aggregate, which no table keeps: take a value out of it".to_owned()
            );
        }
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(inner).collect::<std::result::Result<Fields, String>>()?)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(parts) = entries.data_type() else { return Err("is no proper map".to_owned()) };
            let [key, value] = parts.as_ref() else { return Err("is no proper map".to_owned()) };
            let key = Field::new(key.name(), table_type(key.data_type())?, false);
            let parts = Fields::from(vec![Arc::new(key), inner(value)?]);
            DataType::Map(Arc::new(Field::new(entries.name(), DataType::Struct(parts), false)), *sorted)
        }
        DataType::Null => return Err("has no type, since all of it is NULL: write CAST(NULL AS …)".to_owned()),
        DataType::Interval(_) | DataType::Duration(_) => {
            return Err("is an interval, which no table keeps: turn it into a number, such as its seconds".to_owned());
        }
        other => return Err(format!("has the type {other}, which no table keeps: cast it")),
    })
}

fn inner(field: &FieldRef) -> std::result::Result<FieldRef, String> {
    Ok(Arc::new(Field::new(field.name(), table_type(field.data_type())?, true)))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::IntervalUnit;

    use super::*;

    #[test]
    fn every_type_becomes_one_that_a_table_has_or_is_refused_in_words() {
        let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let cases = [
            (DataType::UInt64, DataType::Decimal128(20, 0)),
            (DataType::Int8, DataType::Int32),
            (DataType::Utf8View, DataType::Utf8),
            (DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Oslo".into())), micros.clone()),
            (DataType::Timestamp(TimeUnit::Second, None), DataType::Timestamp(TimeUnit::Microsecond, None)),
            (DataType::new_list(DataType::Int16, false), DataType::new_list(DataType::Int32, true)),
            (micros.clone(), micros),
        ];
        for (given, expected) in cases {
            assert_eq!(table_type(&given).unwrap(), expected, "{given}");
        }
        let interval = table_type(&DataType::Interval(IntervalUnit::DayTime)).unwrap_err();
        assert!(interval.contains("interval"), "{interval}");
        assert!(table_type(&DataType::Null).unwrap_err().contains("CAST(NULL AS"));
    }
}
