//! Which columns may be features, entities and times, and what their types are in SQL.

use asgard_sdk::feature_source::Dtype;
use asgard_sdk::{Column, Error, Result};

/// As the API writes it.
pub fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Int32 => "int32",
        Dtype::Int64 => "int64",
        Dtype::Float32 => "float32",
        Dtype::Float64 => "float64",
        Dtype::String => "string",
        Dtype::Bytes => "bytes",
        Dtype::Bool => "bool",
        Dtype::UnixTimestamp => "unix_timestamp",
        Dtype::ArrayInt32 => "array_int32",
        Dtype::ArrayInt64 => "array_int64",
        Dtype::ArrayFloat32 => "array_float32",
        Dtype::ArrayFloat64 => "array_float64",
        Dtype::ArrayString => "array_string",
    }
}

/// The type of the columns that fit a dtype best.
fn natural_type(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Int32 => "int",
        Dtype::Int64 => "long",
        Dtype::Float32 => "float",
        Dtype::Float64 => "double",
        Dtype::String => "string",
        Dtype::Bytes => "binary",
        Dtype::Bool => "boolean",
        Dtype::UnixTimestamp => "timestamptz",
        Dtype::ArrayInt32 => "list<int>",
        Dtype::ArrayInt64 => "list<long>",
        Dtype::ArrayFloat32 => "list<float>",
        Dtype::ArrayFloat64 => "list<double>",
        Dtype::ArrayString => "list<string>",
    }
}

/// Whether each value of the column has a value of the dtype. Numbers may lose digits on the way to a float, as they do in
/// Feast; a whole number never loses its upper half.
pub fn fits(dtype: Dtype, data_type: &str) -> bool {
    if let Some(item) = list_item(data_type) {
        return item_of(dtype).is_some_and(|wanted| fits(wanted, item));
    }
    let decimal = data_type.starts_with("decimal(");
    match dtype {
        Dtype::Int32 => data_type == "int",
        Dtype::Int64 => matches!(data_type, "int" | "long"),
        Dtype::Float32 | Dtype::Float64 => decimal || matches!(data_type, "int" | "long" | "float" | "double"),
        Dtype::String => matches!(data_type, "string" | "uuid"),
        Dtype::Bytes => data_type == "binary" || data_type.starts_with("fixed["),
        Dtype::Bool => data_type == "boolean",
        Dtype::UnixTimestamp => is_time(data_type),
        _ => false,
    }
}

/// The dtypes that a column fits, for an error that says what to write.
pub fn fitting(data_type: &str) -> Vec<&'static str> {
    const ALL: [Dtype; 13] = [
        Dtype::Int32,
        Dtype::Int64,
        Dtype::Float32,
        Dtype::Float64,
        Dtype::String,
        Dtype::Bytes,
        Dtype::Bool,
        Dtype::UnixTimestamp,
        Dtype::ArrayInt32,
        Dtype::ArrayInt64,
        Dtype::ArrayFloat32,
        Dtype::ArrayFloat64,
        Dtype::ArrayString,
    ];
    ALL.into_iter().filter(|dtype| fits(*dtype, data_type)).map(dtype_name).collect()
}

fn list_item(data_type: &str) -> Option<&str> {
    data_type.strip_prefix("list<")?.strip_suffix('>')
}

fn item_of(dtype: Dtype) -> Option<Dtype> {
    match dtype {
        Dtype::ArrayInt32 => Some(Dtype::Int32),
        Dtype::ArrayInt64 => Some(Dtype::Int64),
        Dtype::ArrayFloat32 => Some(Dtype::Float32),
        Dtype::ArrayFloat64 => Some(Dtype::Float64),
        Dtype::ArrayString => Some(Dtype::String),
        _ => None,
    }
}

/// Whether it can be an event time.
pub fn is_time(data_type: &str) -> bool {
    matches!(data_type, "timestamptz" | "timestamp" | "date")
}

/// Whether values can identify something: they can be compared and written down exactly.
pub fn is_key(data_type: &str) -> bool {
    matches!(data_type, "string" | "int" | "long" | "boolean" | "uuid" | "date") || data_type.starts_with("decimal(")
}

/// Whether values have an order. Nested ones have none.
pub fn is_ordered(data_type: &str) -> bool {
    !["list<", "map<", "struct<"].iter().any(|nested| data_type.starts_with(nested))
}

/// The column of that name.
pub fn find<'a>(columns: &'a [Column], name: &str) -> Option<&'a Column> {
    columns.iter().find(|column| column.name == name)
}

/// The column with the time of the rows to join to.
pub const EVENT_TIMESTAMP: &str = "event_timestamp";

/// That column, in rows that were given.
///
/// # Errors
/// `invalid-input` for `entities` when it is missing, or no time.
pub fn event_timestamp(columns: &[Column]) -> Result<&Column> {
    let Some(time) = find(columns, EVENT_TIMESTAMP) else {
        return Err(Error::invalid("entities", format!("the rows have no column `{EVENT_TIMESTAMP}`")));
    };
    if !is_time(&time.data_type) {
        return Err(Error::invalid(
            "entities",
            format!("column `{EVENT_TIMESTAMP}` of the rows is {}: expected a timestamp", time.data_type),
        ));
    }
    Ok(time)
}

/// The type that a column of the dtype has in an answer: the dtype's own, unless the column's says more than that would. A timestamp
/// without a zone and a date stay what they are.
pub fn type_of_answer(data_type: &str, dtype: Dtype) -> &str {
    let stays = matches!(dtype, Dtype::UnixTimestamp | Dtype::Bytes) || (dtype == Dtype::String && data_type == "uuid");
    if stays { data_type } else { natural_type(dtype) }
}

/// A column of the dtype: `expression` itself where it has the answer's type already, else a cast to it.
pub fn as_dtype(expression: &str, data_type: &str, dtype: Dtype) -> String {
    let answer = type_of_answer(data_type, dtype);
    if data_type == answer { expression.to_owned() } else { format!("CAST({expression} AS {})", sql_type(answer)) }
}

/// Iceberg's type in Trino's SQL.
pub fn sql_type(data_type: &str) -> String {
    if let Some(item) = list_item(data_type) {
        return format!("ARRAY({})", sql_type(item));
    }
    match data_type {
        "int" => "INTEGER".to_owned(),
        "long" => "BIGINT".to_owned(),
        "float" => "REAL".to_owned(),
        "string" | "uuid" => "VARCHAR".to_owned(),
        "binary" => "VARBINARY".to_owned(),
        "timestamp" => "TIMESTAMP(6)".to_owned(),
        "timestamptz" => "TIMESTAMP(6) WITH TIME ZONE".to_owned(),
        other => other.to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_widen_and_never_narrow() {
        assert!(fits(Dtype::Int64, "int") && fits(Dtype::Int64, "long") && fits(Dtype::Int32, "int"));
        assert!(!fits(Dtype::Int32, "long") && !fits(Dtype::Int64, "double") && !fits(Dtype::Int64, "decimal(18,0)"));
    }

    #[test]
    fn lists_fit_by_their_items() {
        assert!(fits(Dtype::ArrayFloat64, "list<double>") && fits(Dtype::ArrayInt64, "list<int>"));
        assert!(!fits(Dtype::ArrayInt32, "list<long>") && !fits(Dtype::Float64, "list<double>"));
        assert!(!fits(Dtype::ArrayFloat64, "double"));
    }

    #[test]
    fn what_fits_is_told_by_name() {
        assert_eq!(fitting("long"), ["int64", "float32", "float64"]);
        assert_eq!(fitting("map<string,int>"), [""; 0]);
    }

    #[test]
    fn a_column_is_cast_only_where_its_type_is_another() {
        assert_eq!(as_dtype("x", "double", Dtype::Float64), "x");
        assert_eq!(as_dtype("x", "decimal(10,2)", Dtype::Float64), "CAST(x AS DOUBLE)");
        assert_eq!(as_dtype("x", "list<int>", Dtype::ArrayInt64), "CAST(x AS ARRAY(BIGINT))");
        assert_eq!(as_dtype("x", "date", Dtype::UnixTimestamp), "x");
    }
}
