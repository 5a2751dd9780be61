//! What Arrow's types, as Parquet files have them, are in a table.

use arrow_schema::{DataType, Field};

use crate::values::Kind;

/// The type in Iceberg's words, or the reason that there is none.
pub(super) fn iceberg(field: &Field) -> Result<String, String> {
    Ok(match field.data_type() {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "int".to_owned(),
        DataType::Int64 | DataType::UInt32 => "long".to_owned(),
        // Half of them are no numbers of 64 bits with a sign.
        DataType::UInt64 => "decimal(20,0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            if *precision <= 38 && *scale >= 0 && scale.unsigned_abs() <= *precision {
                format!("decimal({precision},{scale})")
            } else {
                // Every digit.
                "string".to_owned()
            }
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamptz".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => "string".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::FixedSizeBinary(length) => format!("fixed[{length}]"),
        DataType::Dictionary(_, values) => iceberg(&Field::new(field.name(), values.as_ref().clone(), true))?,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => format!("list<{}>", nested(element)?),
        DataType::Struct(fields) if !fields.is_empty() => {
            let one = |field: &arrow_schema::FieldRef| {
                if field.name().is_empty() || field.name().contains([':', '<', '>', ',']) {
                    return Err(format!("a field is called `{}`", field.name()));
                }
                Ok(format!("{}:{}", field.name(), nested(field)?))
            };
            format!("struct<{}>", fields.iter().map(one).collect::<Result<Vec<_>, _>>()?.join(","))
        }
        DataType::Map(entry, _) => match entry.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("map<{},{}>", nested(&fields[0])?, nested(&fields[1])?)
            }
            other => return Err(other.to_string()),
        },
        other => return Err(other.to_string()),
    })
}

/// Within other types values are handed over as they are.
fn nested(field: &Field) -> Result<String, String> {
    match field.data_type() {
        DataType::UInt64 | DataType::Decimal256(..) => Err(format!("{} within another type", field.data_type())),
        _ => iceberg(field),
    }
}

/// The type that holds the values of both; none where they do not go together.
pub fn widest(a: &str, b: &str) -> Option<String> {
    if a == b {
        return Some(a.to_owned());
    }
    let (Some(a), Some(b)) = (Kind::parse(a), Kind::parse(b)) else { return None };
    Some(match (a, b) {
        (Kind::Int, Kind::Long) | (Kind::Long, Kind::Int) => Kind::Long.to_string(),
        (Kind::Float, Kind::Double) | (Kind::Double, Kind::Float) => Kind::Double.to_string(),
        // Whole numbers with nulls among them are floats to many writers.
        (Kind::Int | Kind::Long, Kind::Double) | (Kind::Double, Kind::Int | Kind::Long) => Kind::Double.to_string(),
        (Kind::Decimal { precision: p, scale: s }, Kind::Decimal { precision: q, scale: t }) => {
            let scale = s.max(t);
            let precision = (p - s).max(q - t) + scale;
            (precision <= 38).then(|| Kind::Decimal { precision, scale }.to_string())?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_types_have_the_narrowest_that_holds_both() {
        for (a, b, expected) in [
            ("int", "long", Some("long")),
            ("long", "double", Some("double")),
            ("decimal(10,2)", "decimal(9,4)", Some("decimal(12,4)")),
            ("decimal(38,0)", "decimal(38,10)", None),
            ("string", "long", None),
            ("list<int>", "list<int>", Some("list<int>")),
            ("list<int>", "list<long>", None),
            ("timestamp", "timestamptz", None),
        ] {
            assert_eq!(widest(a, b).as_deref(), expected, "{a} {b}");
            assert_eq!(widest(b, a).as_deref(), expected, "{b} {a}");
        }
    }
}
