//! Trino's names of types, for `typeof`. A text's type has its length in Trino, which is not known here: only that of a text that
//! is written out is told.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, lit};

use super::json;

/// The name of the type of a call's only argument, as a text.
pub(super) fn type_of(call: &ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let [value] = call.args.as_slice() else { return plan_err!("`typeof` takes (any value)") };
    if let Expr::Literal(ScalarValue::Utf8(Some(text)), _) = value {
        return Ok(lit(format!("varchar({})", text.chars().count())));
    }
    match name(&value.get_type(schema)?) {
        Some(name) => Ok(lit(name)),
        None => plan_err!("`typeof` does not know this type: the length of a text's type is not known here"),
    }
}

fn name(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Null => "unknown".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Binary => "varbinary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(unit, zone) => {
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            let zone = if zone.is_some() { " with time zone" } else { "" };
            format!("timestamp({digits}){zone}")
        }
        json if json::is_json(json) => "json".to_owned(),
        DataType::List(item) => format!("array({})", name(item.data_type())?),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(parts) => {
                format!("map({}, {})", name(parts[0].data_type())?, name(parts[1].data_type())?)
            }
            _ => return None,
        },
        _ => return None,
    })
}
