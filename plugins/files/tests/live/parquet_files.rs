//! Parquet as other programs write it.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int64Array, RecordBatch, StringArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field};
use asgard_contract::connector::SyncMode::{FullRefreshOverwrite, IncrementalAppend};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{Int96, Int96Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use crate::host::{Host, local};
use crate::lake::Lake;

fn written(columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn every_type() -> Vec<(&'static str, ArrayRef)> {
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    dictionary.append_value("red");
    dictionary.append_null();
    let mut list = ListBuilder::new(Int32Builder::new());
    list.append_value([Some(1), None]);
    list.append_null();
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    let point = StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef,
    )]);
    vec![
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("i8", Arc::new(Int8Array::from(vec![Some(-8), None]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("u64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
        ("f32", Arc::new(Float32Array::from(vec![Some(1.5), None]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(f64::NAN), None]))),
        ("d", Arc::new(Decimal128Array::from(vec![Some(1250), None]).with_precision_and_scale(10, 2).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![Some(19782), None]))),
        ("us", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_000_001), None]).with_timezone("UTC"))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(1_000_001_000), None]))),
        ("s", Arc::new(StringArray::from(vec![Some("ü"), None]))),
        ("x", Arc::new(BinaryArray::from(vec![Some(&b"\x00\xFF"[..]), None]))),
        ("color", Arc::new(dictionary.finish())),
        ("list", Arc::new(list.finish())),
        ("map", Arc::new(map.finish())),
        ("point", Arc::new(point)),
    ]
}

const TYPES: &str = "b:boolean, i8:int, i64:long, u64:decimal(20,0), f32:float, f64:double, d:decimal(10,2), day:date, us:timestamptz, \
    ns:timestamp, s:string, x:binary, color:string, list:list<int>, map:map<string,int>, point:struct<x:long>";

#[tokio::test]
async fn every_type_and_compression_is_read() {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3).unwrap());
    for (compression, version) in [
        (Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0),
        (Compression::SNAPPY, WriterVersion::PARQUET_1_0),
        (Compression::GZIP(parquet::basic::GzipLevel::default()), WriterVersion::PARQUET_1_0),
        (Compression::LZ4_RAW, WriterVersion::PARQUET_1_0),
        (Compression::BROTLI(parquet::basic::BrotliLevel::default()), WriterVersion::PARQUET_1_0),
        (zstd, WriterVersion::PARQUET_1_0),
        (zstd, WriterVersion::PARQUET_2_0),
    ] {
        let host = Host::new().await;
        let properties = WriterProperties::builder().set_compression(compression).set_writer_version(version).build();
        host.write("a.parquet", written(every_type(), properties));
        let configuration = local(json!({"name": "a", "files": ["a.parquet"], "file_columns": true}));
        assert_eq!(host.shown(&configuration).await, format!("{TYPES}, _file:string, _line:long"), "{compression}");
        let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
        for (column, value) in [
            ("b", "true"),
            ("i8", "-8"),
            ("i64", "-9223372036854775808"),
            ("u64", "18446744073709551615"),
            ("f64", "NaN"),
            ("d", "12.50"),
            ("day", "2024-02-29"),
            ("us", "1970-01-01T00:00:01.000001Z"),
            ("ns", "1970-01-01T00:00:01.000001"),
            ("s", "ü"),
            ("x", "00ff"),
            ("color", "red"),
            ("list", "[1, ]"),
            ("map", "{k: 1}"),
            ("point", "{x: 1}"),
        ] {
            assert_eq!(lake.column(column)[0], value, "{column} with {compression}");
        }
        assert_eq!((lake.column("s")[1], lake.column("list")[1], lake.column("_line")[1]), ("∅", "∅", "2"));
    }
}

#[tokio::test]
async fn old_timestamps_of_years_beyond_nanoseconds_are_read() {
    let schema = Arc::new(parse_message_type("message m { REQUIRED INT96 at; }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let mut value = Int96::new();
    // Noon of the first of January 3000: nanoseconds of the day, then the Julian day.
    let nanoseconds: u64 = 43_200_000_000_000;
    value.set_data((nanoseconds & 0xFFFF_FFFF) as u32, (nanoseconds >> 32) as u32, 2_816_788);
    column.typed::<Int96Type>().write_batch(&[value], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    let host = Host::new().await;
    host.write("a.parquet", writer.into_inner().unwrap());
    let configuration = local(json!({"name": "a", "files": ["a.parquet"]}));
    assert_eq!(host.shown(&configuration).await, "at:timestamp");
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    assert_eq!(lake.column("at"), ["3000-01-01T12:00:00"]);
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_told() {
    let whole = written(every_type(), WriterProperties::default());
    for bytes in [&whole[..whole.len() - 20], &whole[..10], b"not parquet at all"] {
        let host = Host::new().await;
        host.write("a.parquet", bytes);
        let told = host.shown(&local(json!({"name": "a", "files": ["a.parquet"]}))).await;
        assert!(told.contains("a.parquet` ") || told.contains("a.parquet`: it is no whole Parquet file"), "{told}");
        assert!(told.contains("truncated"), "{told}");
    }
    // A whole footer over pages that are none.
    let mut damaged = whole.clone();
    damaged[4..100].fill(0xAA);
    let host = Host::new().await;
    host.write("a.parquet", damaged);
    let mut lake = Lake::new(&host, &local(json!({"name": "a", "files": ["a.parquet"]})), FullRefreshOverwrite).await;
    lake.sync(&host).await.unwrap();
    assert!(lake.told().contains("row group 0"), "{}", lake.told());
}

fn ints(name: &'static str, values: Vec<i64>) -> Vec<u8> {
    written(vec![(name, Arc::new(Int64Array::from(values)))], WriterProperties::default())
}

#[tokio::test]
async fn files_of_other_columns_and_widths_are_united() {
    let host = Host::new().await;
    host.write("1.parquet", ints("a", vec![1]));
    host.write(
        "2.parquet",
        written(
            vec![("a", Arc::new(Int8Array::from(vec![2]))), ("b", Arc::new(StringArray::from(vec!["x"])))],
            WriterProperties::default(),
        ),
    );
    let configuration = local(json!({"name": "a", "files": ["*.parquet"]}));
    assert_eq!(host.shown(&configuration).await, "a:long, b:string");
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    assert_eq!((lake.column("a"), lake.column("b")), (vec!["1", "2"], vec!["∅", "x"]));

    host.write("3.parquet", written(vec![("a", Arc::new(StringArray::from(vec!["x"])))], WriterProperties::default()));
    let told = host.shown(&configuration).await;
    assert!(told.contains("column `a` is long in") && told.contains("3.parquet"), "{told}");
}

#[tokio::test]
async fn a_later_file_adds_its_columns_and_one_of_another_type_fails() {
    let host = Host::new().await;
    Host::touch(&host.write("1.parquet", ints("a", vec![1])), 1);
    let configuration = local(json!({"name": "a", "files": ["*.parquet"]}));
    let mut lake = Lake::filled(&host, &configuration, IncrementalAppend).await;
    Host::touch(&host.write("2.parquet", ints("b", vec![2])), 2);
    lake.sync(&host).await.unwrap();
    assert_eq!((lake.column("a"), lake.column("b")), (vec!["1", "∅"], vec!["∅", "2"]));
    Host::touch(
        &host.write(
            "3.parquet",
            written(vec![("a", Arc::new(StringArray::from(vec!["x"])))], WriterProperties::default()),
        ),
        3,
    );
    lake.sync(&host).await.unwrap();
    assert!(lake.told().contains("3.parquet`: column `a` is string here and long in the stream"), "{}", lake.told());
}

#[tokio::test]
async fn many_row_groups_go_on_where_they_were_committed() {
    let host = Host::new().await;
    let values: Vec<i64> = (0..900_000).collect();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100_000)).build();
    host.write("a.parquet", written(vec![("a", Arc::new(Int64Array::from(values)))], properties));
    let mut lake = Lake::new(&host, &local(json!({"name": "a", "files": ["*.parquet"]})), IncrementalAppend).await;
    let task = lake.next_task();
    let mut sync = lake.open(&host, &task).await;
    while lake.checkpoints < 2 {
        assert!(lake.take(sync.next().await.unwrap(), &task));
    }
    let committed = lake.rows.len();
    assert!(committed > 0 && committed < 900_000, "{committed}");
    for _ in 0..3 {
        lake.take(sync.next().await.unwrap(), &task);
    }
    drop(sync);
    let mut sync = lake.open(&host, &task).await;
    while lake.take(sync.next().await.unwrap(), &task) {}
    let mut found: Vec<i64> = lake.column("a").iter().map(|text| text.parse().unwrap()).collect();
    found.sort_unstable();
    assert!(found.into_iter().eq(0..900_000));
}
