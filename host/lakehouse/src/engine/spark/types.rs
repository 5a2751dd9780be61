//! Spark's names of types.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use sqlparser::ast::{ArrayElemTypeDef, DataType as Sql, ExactNumberInfo, TimezoneInfo};

use crate::engine::functions::dates::{timestamp, timestamptz};
use crate::engine::text::nearest;

/// For messages.
const NAMES: [&str; 19] = [
    "boolean",
    "byte",
    "tinyint",
    "short",
    "smallint",
    "int",
    "integer",
    "long",
    "bigint",
    "float",
    "double",
    "decimal",
    "string",
    "varchar",
    "binary",
    "date",
    "timestamp",
    "timestamp_ntz",
    "array",
];

#[derive(Debug)]
pub(super) struct SparkTypes;

impl TypePlanner for SparkTypes {
    fn plan_type(&self, sql: &Sql) -> Result<Option<DataType>> {
        of(sql).map(Some)
    }
}

fn of(sql: &Sql) -> Result<DataType> {
    Ok(match sql {
        Sql::Boolean | Sql::Bool => DataType::Boolean,
        Sql::TinyInt(_) => DataType::Int8,
        Sql::SmallInt(_) => DataType::Int16,
        Sql::Int(_) | Sql::Integer(_) => DataType::Int32,
        Sql::BigInt(_) => DataType::Int64,
        Sql::Float(_) | Sql::Real => DataType::Float32,
        Sql::Double(_) | Sql::DoublePrecision => DataType::Float64,
        Sql::Decimal(size) | Sql::Numeric(size) | Sql::Dec(size) => decimal(size)?,
        // The length of a VARCHAR counts in tables only.
        Sql::String(_) | Sql::Text | Sql::Varchar(_) => DataType::Utf8,
        Sql::Binary(_) => DataType::Binary,
        Sql::Date => DataType::Date32,
        Sql::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithTimeZone) => timestamptz(),
        Sql::Timestamp(None, TimezoneInfo::WithoutTimeZone) | Sql::TimestampNtz(None) => timestamp(),
        Sql::Custom(name, arguments) if arguments.is_empty() => match name.to_string().to_ascii_lowercase().as_str() {
            "byte" => DataType::Int8,
            "short" => DataType::Int16,
            "long" => DataType::Int64,
            "timestamp_ltz" => timestamptz(),
            "timestamp_ntz" => timestamp(),
            _ => return unknown(sql),
        },
        Sql::Array(ArrayElemTypeDef::AngleBracket(item)) => DataType::new_list(of(item)?, true),
        Sql::Struct(fields, _) => {
            let mut parts = Vec::with_capacity(fields.len());
            for (index, field) in fields.iter().enumerate() {
                let name = match &field.field_name {
                    Some(name) => name.value.to_lowercase(),
                    None => format!("col{}", index + 1),
                };
                parts.push(Field::new(name, of(&field.field_type)?, true));
            }
            DataType::Struct(Fields::from(parts))
        }
        Sql::Map(key, value) => {
            let parts = Fields::from(vec![Field::new("key", of(key)?, false), Field::new("value", of(value)?, true)]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(parts), false)), false)
        }
        Sql::Interval { .. } => DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano),
        Sql::Time(..) => DataType::Time64(TimeUnit::Microsecond),
        _ => return unknown(sql),
    })
}

fn decimal(size: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match size {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(digits @ 1..=38), Ok(behind))
            if (0..=38).contains(&behind) && u64::from(digits) >= behind.unsigned_abs().into() =>
        {
            Ok(DataType::Decimal128(digits, behind))
        }
        _ => plan_err!(
            "decimal({precision},{scale}) is no type: 38 digits at most, and no more of them behind the point"
        ),
    }
}

fn unknown(sql: &Sql) -> Result<DataType> {
    let hint = match nearest(&sql.to_string(), NAMES) {
        Some(known) => format!(": did you mean `{known}`?"),
        None => String::new(),
    };
    plan_err!("`{sql}` is no type of Spark SQL, as far as it is supported here{hint}")
}
