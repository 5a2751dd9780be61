//! Every type, value by value.

use arrow_array::Array;
use arrow_schema::DataType;
use asgard_sdk::connector::SyncMode;

use crate::server::Server;
use crate::sync::read;

/// Column type, value in SQL, Iceberg type, value as Arrow shows it.
const CASES: &[(&str, &str, &str, &str)] = &[
    ("boolean", "true", "boolean", "true"),
    ("smallint", "-32768", "int", "-32768"),
    ("integer", "2147483647", "int", "2147483647"),
    ("bigint", "-9223372036854775808", "long", "-9223372036854775808"),
    ("oid", "4294967295", "long", "4294967295"),
    ("real", "'NaN'", "float", "NaN"),
    ("double precision", "0.1", "double", "0.1"),
    ("numeric(10, 2)", "-12345678.90", "decimal(10,2)", "-1234567890"),
    (
        "numeric(38, 10)",
        "1234567890123456789012345678.0123456789",
        "decimal(38,10)",
        "12345678901234567890123456780123456789",
    ),
    ("numeric(10, 2)", "'NaN'", "decimal(10,2)", "null"),
    ("numeric", "'Infinity'", "string", "Infinity"),
    ("numeric", "1e50", "string", "100000000000000000000000000000000000000000000000000"),
    ("numeric(50, 3)", "1.5", "string", "1.500"),
    ("text", "'Zürich \\ ''x'''", "string", "Zürich \\ 'x'"),
    ("varchar(10)", "''", "string", ""),
    ("char(3)", "'a'", "string", "a  "),
    ("name", "'select'", "string", "select"),
    ("\"char\"", "'c'", "string", "c"),
    ("mood", "'happy'", "string", "happy"),
    ("json", "'{\"a\": [1, 2]}'", "string", "{\"a\": [1, 2]}"),
    ("jsonb", "'{\"b\":1,\"a\":null}'", "string", "{\"a\": null, \"b\": 1}"),
    ("xml", "'<a>b</a>'", "string", "<a>b</a>"),
    ("uuid", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", "string", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("bytea", "'\\x00ff10'", "binary", "00ff10"),
    ("date", "'2024-02-29'", "date", "19782"),
    ("date", "'infinity'", "date", "null"),
    ("date", "'0044-03-15 BC'", "date", "-735160"),
    ("time", "'23:59:59.999999'", "time", "86399999999"),
    ("time", "'24:00'", "time", "null"),
    ("timetz", "'12:00:00+02'", "string", "12:00:00+02"),
    ("timestamp", "'1969-12-31 23:59:59.999999'", "timestamp", "-1"),
    ("timestamp", "'-infinity'", "timestamp", "null"),
    ("timestamptz", "'2026-01-01 00:00:00+02'", "timestamptz", "1767218400000000"),
    ("timestamptz", "'294276-12-31 23:59:59+00'", "timestamptz", "null"),
    ("interval", "'1 year 2 days 03:04:05.6'", "string", "P1Y2DT3H4M5.6S"),
    ("money", "'12.34'", "string", "$12.34"),
    ("bit(4)", "B'0101'", "string", "0101"),
    ("inet", "'10.0.0.1/8'", "string", "10.0.0.1/8"),
    ("macaddr", "'08:00:2b:01:02:03'", "string", "08:00:2b:01:02:03"),
    ("point", "'(1,2)'", "string", "(1,2)"),
    ("tsvector", "'a fat cat'", "string", "'a' 'cat' 'fat'"),
    ("int4range", "'[1,5)'", "string", "[1,5)"),
    ("pair", "ROW(1, 'a b')", "string", "(1,\"a b\")"),
    ("price", "9.5", "decimal(8,2)", "950"),
    ("integer[]", "'{1,NULL,3}'", "list<int>", "[1, null, 3]"),
    ("integer[]", "'[-2:-1]={7,8}'", "list<int>", "[7, 8]"),
    ("integer[]", "'{}'", "list<int>", "[]"),
    ("integer[][]", "'{{1,2},{3,4}}'", "string", "{{1,2},{3,4}}"),
    ("text[]", "'{a,\"b,c\"}'", "list<string>", "[a, b,c]"),
    ("timestamptz[]", "'{1970-01-01 00:00:00+00,infinity}'", "list<timestamptz>", "[0, null]"),
    ("mood[]", "'{sad,happy}'", "list<string>", "[sad, happy]"),
    ("inet[]", "'{10.0.0.1}'", "list<string>", "[10.0.0.1/32]"),
    ("price[]", "'{1,2.5}'", "list<decimal(8,2)>", "[100, 250]"),
];

#[test]
fn every_type_arrives_as_the_table_says() {
    let server = Server::shared();
    let define = CASES.iter().enumerate().map(|(index, (sql, ..))| format!("c{index} {sql}"));
    let values: Vec<_> = CASES.iter().map(|(_, value, ..)| *value).collect();
    let nulls = vec!["NULL"; CASES.len()].join(", ");
    let script = format!(
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);
         CREATE DOMAIN amount AS numeric(8, 2); CREATE DOMAIN price AS amount CHECK (VALUE > 0);
         CREATE TABLE everything ({}); INSERT INTO everything VALUES ({}), ({nulls});",
        define.collect::<Vec<_>>().join(", "),
        values.join(", ")
    );
    let database = server.database("types", &script);
    let streams = database.selections(SyncMode::FullRefreshOverwrite);
    let mut run = database.open("task", streams.clone());
    let batches = read(&mut run).remove(0);
    let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
    assert_eq!(batch.num_rows(), 2);
    for (index, (sql, value, iceberg, expected)) in CASES.iter().enumerate() {
        assert_eq!(streams[0].columns[index].data_type, *iceberg, "{sql}");
        let column = batch.column(index);
        assert_eq!(shown(column.as_ref(), 0), *expected, "{sql} {value}");
        assert!(column.is_null(1), "{sql}");
    }
    let log = database.network.log();
    assert!(log.contains("public.everything: 1 values of column `c9` have no counterpart"), "{log}");
}

/// Numbers, dates and times by what is stored, so that no formatting hides a difference.
pub(crate) fn shown(array: &dyn Array, row: usize) -> String {
    use arrow_array::cast::AsArray;
    use arrow_array::types as t;
    if array.is_null(row) {
        return "null".to_owned();
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int32 => array.as_primitive::<t::Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<t::Int64Type>().value(row).to_string(),
        DataType::Float32 => array.as_primitive::<t::Float32Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<t::Float64Type>().value(row).to_string(),
        DataType::Decimal128(..) => array.as_primitive::<t::Decimal128Type>().value(row).to_string(),
        DataType::Date32 => array.as_primitive::<t::Date32Type>().value(row).to_string(),
        DataType::Time64(_) => array.as_primitive::<t::Time64MicrosecondType>().value(row).to_string(),
        DataType::Timestamp(..) => array.as_primitive::<t::TimestampMicrosecondType>().value(row).to_string(),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => array.as_binary::<i32>().value(row).iter().map(|byte| format!("{byte:02x}")).collect(),
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            let elements: Vec<_> = (0..list.len()).map(|element| shown(list.as_ref(), element)).collect();
            format!("[{}]", elements.join(", "))
        }
        other => panic!("{other}"),
    }
}
