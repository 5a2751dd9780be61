//! CSV as people write it.

use std::io::Write as _;

use asgard_contract::connector::SyncMode::FullRefreshOverwrite;
use serde_json::json;

use crate::host::{Host, local};
use crate::lake::Lake;

#[tokio::test]
async fn types_are_inferred_and_shown_and_rows_have_them() {
    let host = Host::new().await;
    let text = "\u{FEFF}id,zip,price,big,day,at,zoned,ok,Größe,note\r\n\
        1,007,1.5,9223372036854775808,2024-02-29,2024-02-29 12:00:00,2024-02-29T12:00:00+02:00,true,ü,\"a\r\nb, \"\"c\"\"\"\r\n\
        2,100,2,1,,,,FALSE,,\r\n";
    host.write("a.csv", text);
    let configuration = local(json!({"name": "a", "files": ["a.csv"]}));
    assert_eq!(
        host.shown(&configuration).await,
        "id:long, zip:string, price:double, big:decimal(38,0), day:date, at:timestamp, zoned:timestamptz, ok:boolean, \
         Größe:string, note:string"
    );
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    for (column, values) in [
        ("zip", ["007", "100"]),
        ("price", ["1.5", "2.0"]),
        ("big", ["9223372036854775808", "1"]),
        ("day", ["2024-02-29", "∅"]),
        ("at", ["2024-02-29T12:00:00", "∅"]),
        ("zoned", ["2024-02-29T10:00:00Z", "∅"]),
        ("ok", ["true", "false"]),
        ("Größe", ["ü", "∅"]),
        ("note", ["a\r\nb, \"c\"", "∅"]),
    ] {
        assert_eq!(lake.column(column), values, "{column}");
    }
}

#[tokio::test]
async fn what_is_no_table_is_told_with_its_place() {
    for (text, expected) in [
        (&b"a,b\n1,2\n3\n"[..], "line 3 has 1 fields, and the header has 2"),
        (b"a,b\n1,\xFF\n", "line 2, column `b`"),
        (b"a,b\n1,x\0y\n", "line 2, column `b`: a NUL character"),
        (b"\xFF\xFEa\0,\0b\0\n\0", "UTF-16"),
        (b"", "they are empty"),
        (b"\x1F\x8B\x08\x00\x00\x00\x00\x00", "compressed with gzip"),
        (b"PAR1xxxx", "Parquet"),
    ] {
        let host = Host::new().await;
        host.write("a.csv", text);
        let told = host.shown(&local(json!({"name": "a", "files": ["a.csv"]}))).await;
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn a_header_alone_gives_columns_and_no_rows() {
    let host = Host::new().await;
    host.write("a.csv", "a,a,\n");
    let configuration = local(json!({"name": "a", "files": ["a.csv"]}));
    assert_eq!(host.shown(&configuration).await, "a:string, a_2:string, column_3:string");
    assert!(Lake::filled(&host, &configuration, FullRefreshOverwrite).await.rows.is_empty());
}

/// Rows that are all alike but for one that comes after the sample.
fn long_file(last: &str) -> String {
    let mut text = "id,code\n".to_owned();
    for id in 1..=20_000 {
        text.push_str(&format!("{id},{id}\n"));
    }
    text + last
}

#[tokio::test]
async fn a_value_beyond_the_sample_that_does_not_fit_fails_the_stream_with_its_place() {
    for (last, value) in [
        ("20001,abc\n", "`abc`"),
        ("20001,007\n", "`007`"),
        ("20001,1.5\n", "`1.5`"),
        ("20001,99999999999999999999\n", "`9999"),
    ] {
        let host = Host::new().await;
        host.write("a.csv", long_file(last));
        let configuration = local(json!({"name": "a", "files": ["a.csv"]}));
        assert_eq!(host.shown(&configuration).await, "id:long, code:long");
        let mut lake = Lake::new(&host, &configuration, FullRefreshOverwrite).await;
        lake.sync(&host).await.unwrap();
        let told = lake.told();
        assert!(told.contains("a.csv`: line 20002: column `code`") && told.contains(value), "{told}");
        assert!(told.contains("`columns`") && lake.rows.is_empty(), "{told}");

        let typed = local(json!({"name": "a", "files": ["a.csv"], "columns": {"code": "string"}}));
        assert_eq!(host.shown(&typed).await, "id:long, code:string");
        assert_eq!(Lake::filled(&host, &typed, FullRefreshOverwrite).await.rows.len(), 20_001);
    }
}

#[tokio::test]
async fn given_types_are_read_as_they_are_meant() {
    let host = Host::new().await;
    host.write("a.csv", "price,code,at\n 12.50,007,12:30\n3,1,01:02:03.5\n");
    let types = json!({"price": "decimal(10,2)", "code": "int", "at": "time"});
    let configuration = local(json!({"name": "a", "files": ["a.csv"], "columns": types}));
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    assert_eq!(lake.column("price"), ["12.50", "3.00"]);
    assert_eq!(lake.column("code"), ["7", "1"]);
    assert_eq!(lake.column("at"), ["12:30:00", "01:02:03.500"]);
}

#[tokio::test]
async fn files_with_other_columns_are_united_by_name() {
    let host = Host::new().await;
    host.write("1.csv", "a,b\n1,x\n");
    host.write("2.csv", "c,a\ntrue,2.5\n");
    let configuration = local(json!({"name": "a", "files": ["*.csv"], "file_columns": true}));
    assert_eq!(host.shown(&configuration).await, "a:double, b:string, c:boolean, _file:string, _line:long");
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    assert_eq!(lake.column("a"), ["1.0", "2.5"]);
    assert_eq!(lake.column("b"), ["x", "∅"]);
    assert_eq!(lake.column("c"), ["∅", "true"]);
    assert_eq!(lake.column("_line"), ["2", "2"]);
    assert!(lake.column("_file")[1].ends_with("/data/2.csv"), "{:?}", lake.column("_file"));
}

#[tokio::test]
async fn a_column_that_comes_later_is_added_with_its_type() {
    let host = Host::new().await;
    let configuration = local(json!({"name": "a", "files": ["*.csv"]}));
    Host::touch(&host.write("1.csv", "a\n1\n"), 1);
    let mut lake = Lake::filled(&host, &configuration, asgard_contract::connector::SyncMode::IncrementalAppend).await;
    Host::touch(&host.write("2.csv", "a,day,n\n2,2024-02-29,1\n3,,2.5\n"), 2);
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.failure, None);
    let columns: Vec<String> =
        lake.ingestion.streams[0].columns.iter().map(|c| format!("{}:{}", c.name, c.data_type)).collect();
    assert_eq!(columns, ["a:long", "day:date", "n:double"]);
    assert_eq!(lake.column("day"), ["∅", "2024-02-29", "∅"]);
    assert_eq!(lake.column("n"), ["∅", "1.0", "2.5"]);
}

#[tokio::test]
async fn other_forms_and_compressed_files_are_read() {
    let text = "a;b\n1,5;x\n2,5;NA\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let format = json!({"type": "csv", "null_values": ["", "NA"]});
    for (name, bytes) in [
        ("a.csv", text.as_bytes().to_vec()),
        // Two members one after the other are one text.
        ("a.csv.gz", [gzip.clone(), gzip[..0].to_vec()].concat()),
        ("a.csv.zst", zstd.clone()),
    ] {
        let host = Host::new().await;
        host.write(name, bytes);
        let lake =
            Lake::filled(&host, &local(json!({"name": "a", "files": [name], "format": format})), FullRefreshOverwrite)
                .await;
        assert_eq!(lake.column("a"), ["1,5", "2,5"], "{name}");
        assert_eq!(lake.column("b"), ["x", "∅"], "{name}");
    }
    let host = Host::new().await;
    host.write("a.csv.gz", &gzip[..gzip.len() - 10]);
    let told = host.shown(&local(json!({"name": "a", "files": ["a.csv.gz"], "format": format}))).await;
    assert!(told.contains("a.csv.gz"), "{told}");
    let host = Host::new().await;
    host.write("a.csv.zst", &zstd[..zstd.len() - 6]);
    let told = host.shown(&local(json!({"name": "a", "files": ["a.csv.zst"], "format": format}))).await;
    assert!(told.contains("zstd"), "{told}");
}
