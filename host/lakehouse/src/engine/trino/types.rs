//! Trino's names of types.

use std::sync::Arc;

use crate::engine::text::nearest;
use datafusion::arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use sqlparser::ast::{ArrayElemTypeDef, DataType as Sql, ExactNumberInfo, TimezoneInfo};

/// For messages.
const NAMES: [&str; 17] = [
    "boolean",
    "tinyint",
    "smallint",
    "integer",
    "int",
    "bigint",
    "real",
    "double",
    "decimal",
    "varchar",
    "varbinary",
    "date",
    "time",
    "timestamp",
    "json",
    "array",
    "map",
];

#[derive(Debug)]
pub(super) struct TrinoTypes;

impl TypePlanner for TrinoTypes {
    fn plan_type(&self, sql: &Sql) -> Result<Option<DataType>> {
        of(sql).map(Some)
    }
}

fn of(sql: &Sql) -> Result<DataType> {
    Ok(match sql {
        Sql::Boolean => DataType::Boolean,
        Sql::TinyInt(None) => DataType::Int8,
        Sql::SmallInt(None) => DataType::Int16,
        Sql::Int(None) | Sql::Integer(None) => DataType::Int32,
        Sql::BigInt(None) => DataType::Int64,
        Sql::Real => DataType::Float32,
        Sql::Double(ExactNumberInfo::None) | Sql::DoublePrecision => DataType::Float64,
        Sql::Decimal(size) | Sql::Dec(size) => decimal(size)?,
        // A length is cut to by the rewriter.
        Sql::Varchar(None) => DataType::Utf8,
        Sql::JSON => super::json::json(),
        Sql::Varbinary(None) => DataType::Binary,
        Sql::Date => DataType::Date32,
        Sql::Time(..) => DataType::Time64(TimeUnit::Microsecond),
        Sql::Timestamp(precision, zone) => {
            let unit = match precision {
                None | Some(3) => TimeUnit::Millisecond,
                Some(0) => TimeUnit::Second,
                Some(6) => TimeUnit::Microsecond,
                Some(other) => return plan_err!("timestamp({other}) is not supported: take 0, 3 or 6 digits"),
            };
            let zone = (*zone == TimezoneInfo::WithTimeZone).then(|| "UTC".into());
            DataType::Timestamp(unit, zone)
        }
        Sql::Array(
            ArrayElemTypeDef::Parenthesis(item)
            | ArrayElemTypeDef::AngleBracket(item)
            | ArrayElemTypeDef::SquareBracket(item, None),
        ) => DataType::new_list(of(item)?, true),
        Sql::Map(key, value) => {
            let parts = Fields::from(vec![Field::new("key", of(key)?, false), Field::new("value", of(value)?, true)]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(parts), false)), false)
        }
        Sql::Interval { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
        _ => {
            let hint = match nearest(&sql.to_string(), NAMES) {
                Some(known) => format!(": did you mean `{known}`?"),
                None => String::new(),
            };
            return plan_err!("`{sql}` is no type of Trino, as far as it is supported here{hint}");
        }
    })
}

fn decimal(size: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match size {
        ExactNumberInfo::None => (38, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(digits @ 1..=38), Ok(behind)) if behind >= 0 && u16::from(digits) >= behind.unsigned_abs().into() => {
            Ok(DataType::Decimal128(digits, behind))
        }
        _ => plan_err!(
            "decimal({precision},{scale}) is no type: 38 digits at most, and no more of them behind the point"
        ),
    }
}
