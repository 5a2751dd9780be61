//! Every type, value by value.

use arrow_array::Array;
use arrow_schema::DataType;
use asgard_sdk::connector::SyncMode;

use asgard_plugin_postgres::inspection::provision;

use crate::lake::Lake;
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
    ("\"char\"", "''", "string", ""),
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
    ("integer[]", "'{{1,2},{3,4}}'", "list<int>", "null"),
    ("bytea[]", "'{\"\\\\x00ff\",NULL}'", "list<binary>", "[00ff, null]"),
    ("numeric", "'NaN'", "string", "NaN"),
    ("numeric[]", "'{1.50,NaN}'", "list<string>", "[1.50, NaN]"),
    ("timestamp", "'4713-01-01 00:00:00 BC'", "timestamp", "-210863520000000000"),
    ("date", "'5874897-12-31'", "date", "2145042905"),
    ("timestamptz", "'294246-12-31 23:59:59+00'", "timestamptz", "9223371244799000000"),
    ("timetz", "'23:59:59.5-07:30'", "string", "23:59:59.5-07:30"),
    ("interval", "'-1 month 3 days -04:05:06'", "string", "P-1M3DT-4H-5M-6S"),
    ("bit varying", "B'10101'", "string", "10101"),
    ("cidr", "'10.1.0.0/16'", "string", "10.1.0.0/16"),
    ("inet", "'::1'", "string", "::1/128"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", "string", "08:00:2b:01:02:03:04:05"),
    ("int4multirange", "'{[1,3),[5,7)}'", "string", "{[1,3),[5,7)}"),
    ("tstzrange", "'[2026-01-01 00:00:00+00,)'", "string", "[\"2026-01-01 00:00:00+00\",)"),
    ("tsquery", "'fat & cat'", "string", "'fat' & 'cat'"),
    ("box", "'((0,0),(1,1))'", "string", "(1,1),(0,0)"),
    ("box[]", "'{(1,1),(0,0);(2,2),(1,1)}'", "list<string>", "[(1,1),(0,0), (2,2),(1,1)]"),
    ("polygon", "'((0,0),(1,1),(2,0))'", "string", "((0,0),(1,1),(2,0))"),
    ("line", "'{1,-2,3}'", "string", "{1,-2,3}"),
    ("lseg", "'[(0,0),(1,1.5)]'", "string", "[(0,0),(1,1.5)]"),
    ("path", "'[(0,0),(1,1),(2,0)]'", "string", "[(0,0),(1,1),(2,0)]"),
    ("path", "'((0,0),(1,1),(2,0))'", "string", "((0,0),(1,1),(2,0))"),
    ("circle", "'<(0,0),2>'", "string", "<(0,0),2>"),
    ("point[]", "'{\"(1,2)\",NULL}'", "list<string>", "[(1,2), null]"),
    ("int8range", "'empty'", "string", "empty"),
    ("numrange", "'(1.5,2]'", "string", "(1.5,2]"),
    ("daterange", "'[2024-01-01,2024-01-31]'", "string", "[2024-01-01,2024-02-01)"),
    ("tsrange", "'(,2024-01-01 12:00]'", "string", "(,\"2024-01-01 12:00:00\"]"),
    ("int4range[]", "'{\"[1,2)\",empty}'", "list<string>", "[[1,2), empty]"),
    ("datemultirange", "'{[2024-01-01,2024-01-03)}'", "string", "{[2024-01-01,2024-01-03)}"),
    ("hstore", "'a=>1, \"b c\"=>NULL'", "string", "\"a\"=>\"1\", \"b c\"=>NULL"),
    ("hstore[]", "'{\"a=>1\",NULL}'", "list<string>", "[\"a\"=>\"1\", null]"),
    ("jsonpath", "'$.a[*]'", "string", "$.\"a\"[*]"),
    ("pg_lsn", "'16/B374D848'", "string", "16/B374D848"),
    ("pair[]", "ARRAY[ROW(1, 'x')::pair]", "list<string>", "[(1,x)]"),
    ("mood[][]", "'{{sad},{happy}}'", "string", "{{sad},{happy}}"),
    ("price[]", "'{1,2.5}'", "list<decimal(8,2)>", "[100, 250]"),
];

/// A table with a column of each case, and a row with the values.
fn everything() -> String {
    let define = CASES.iter().enumerate().map(|(index, (sql, ..))| format!("c{index} {sql}"));
    let values: Vec<_> = CASES.iter().map(|(_, value, ..)| *value).collect();
    format!(
        "CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);
         CREATE DOMAIN amount AS numeric(8, 2); CREATE DOMAIN price AS amount CHECK (VALUE > 0);
         CREATE TABLE everything (id int PRIMARY KEY, {}); INSERT INTO everything VALUES (1, {});",
        define.collect::<Vec<_>>().join(", "),
        values.join(", ")
    )
}

#[test]
fn the_log_has_the_same_values_as_a_query() {
    let server = Server::shared();
    let database = server.database("logged_types", &everything()).captured();
    let streams = database.selections(SyncMode::ChangeDataCapture);
    provision(&database.network, &database.ingestion(streams.clone())).unwrap();
    let mut lake = Lake::new(streams);
    lake.sync(&database).unwrap();
    let all: Vec<String> = (0..CASES.len()).map(|index| format!("c{index}")).collect();
    database.execute(&format!("INSERT INTO everything SELECT 2, {} FROM everything", all.join(", ")));
    lake.sync(&database).unwrap();
    let rows = lake.rows(0);
    let [read, logged] = rows.as_slice() else { panic!("{} rows", rows.len()) };
    for (index, (sql, value, ..)) in CASES.iter().enumerate() {
        let column = format!("c{index}");
        assert_eq!(read.get(&column), logged.get(&column), "{sql} {value}");
    }
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_told() {
    let server = Server::shared();
    server.execute(
        "postgres",
        "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    let database = server.existing("ascii");
    database.execute(
        "CREATE TABLE texts (id int PRIMARY KEY, t text);
         INSERT INTO texts VALUES (1, 'fine'), (2, convert_from('\\x61ff62', 'SQL_ASCII'));",
    );
    let batches = read(&mut database.open("task", database.selections(SyncMode::FullRefreshOverwrite))).remove(0);
    assert_eq!(shown(batches[0].column(1).as_ref(), 0), "fine");
    assert_eq!(shown(batches[0].column(1).as_ref(), 1), "a\u{fffd}b");
    assert!(database.network.log().contains("1 values of column `t`"), "{}", database.network.log());
}

#[test]
fn every_type_arrives_as_the_table_says() {
    let server = Server::shared();
    let define = CASES.iter().enumerate().map(|(index, (sql, ..))| format!("c{index} {sql}"));
    let values: Vec<_> = CASES.iter().map(|(_, value, ..)| *value).collect();
    let nulls = vec!["NULL"; CASES.len()].join(", ");
    let script = format!(
        "CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TYPE pair AS (a int, b text);
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
