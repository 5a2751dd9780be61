//! What the host writes, read by Trino and Spark through `/iceberg`: every type, and what every operation leaves.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use asgard_journey::s3::S3;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::engine::{Engine, assert_same};
use crate::lake::Lake;
use crate::world::{World, test};

/// A test for each engine.
type Test = (&'static str, fn(&World, Engine));

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for engine in Engine::ALL {
        let tests: [Test; 12] = [
            ("reads_every_type_as_the_host_does", types),
            ("reads_values_at_the_ends_of_their_types", ends),
            ("reads_days_and_moments_of_far_years", far),
            ("reads_what_was_appended_merged_and_replaced", operations),
            ("reads_a_captured_table_without_the_deleted_rows", captured),
            ("reads_columns_that_were_added_renamed_widened_moved_and_dropped", evolved),
            ("reads_tables_by_their_hidden_partitions", partitioned),
            ("reads_a_table_whose_partitions_and_order_changed", repartitioned),
            ("reads_a_compacted_table", compacted),
            ("reads_what_expiry_orphan_removal_and_a_rollback_left", maintained),
            ("reads_a_table_as_it_was", as_of),
            ("reads_the_hosts_views", views),
        ];
        let named =
            |(name, body): Test| test(world, &format!("{}_{name}", engine.name()), move |world| body(world, engine));
        trials.extend(tests.into_iter().map(named));
    }
    trials.push(test(world, "trino_reads_the_times_that_spark_has_no_type_for", times));
    trials.push(test(world, "spark_reads_and_writes_tables_on_the_hosts_disk", disk));
    trials
}

/// What both engines read; whoever comes first makes it.
fn once(made: &'static OnceLock<()>, make: impl FnOnce()) {
    made.get_or_init(make);
}

const GOLD_TYPES: &str = "SELECT id, CASE WHEN id = 1 THEN true END AS yes, CASE WHEN id = 1 THEN CAST(-7 AS INTEGER) END AS i,
    CASE WHEN id = 1 THEN 9007199254740993 END AS l, CASE WHEN id = 1 THEN CAST(0.1 AS REAL) END AS r,
    CASE WHEN id = 1 THEN 2.5e0 END AS d, CASE WHEN id = 1 THEN CAST(-12345.67 AS DECIMAL(20, 2)) END AS n,
    CASE WHEN id = 1 THEN DATE '1969-12-31' END AS day_before, CASE WHEN id = 1 THEN TIMESTAMP '2024-02-29 23:59:59.123456' END AS local_time,
    CASE WHEN id = 1 THEN CAST(TIMESTAMP '1815-06-18 11:30:00.5 UTC' AS TIMESTAMP(6) WITH TIME ZONE) END AS moment,
    CASE WHEN id = 1 THEN 'žluťoučký 🐎' END AS words, CASE WHEN id = 1 THEN ARRAY[1, NULL, 3] END AS list,
    CASE WHEN id = 1 THEN X'00ff10' END AS bytes
    FROM (VALUES (1), (2)) AS t (id)";

const SILVER_TYPES: &str = "SELECT id, named_struct('a', id, 'b', 'x', 'c', array(named_struct('n', CAST(1.5 AS DECIMAL(6, 3))))) AS nested,
    array(array(1, 2), array()) AS lists, CASE WHEN id > 1 THEN unhex('00ff') END AS bytes, CAST(id AS SMALLINT) AS small,
    timestamp'2024-01-01 00:00:00.000001' AS moment, TIMESTAMP_NTZ '0001-01-01 00:00:00' AS long_ago, date'9999-12-31' AS last_day
    FROM source_data";

fn types(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        lake.gold("types", GOLD_TYPES);
        lake.silver("types", "gold.types", SILVER_TYPES);
        let source = world.source();
        let script = "CREATE SCHEMA every_type;
            CREATE TABLE every_type.bronze_types (id int PRIMARY KEY, small smallint, big bigint, r real, d double precision, n numeric(30, 10),
                free numeric, yes boolean, words text, fixed char(5), u uuid, doc jsonb, bytes bytea, day date, local timestamp,
                moment timestamptz, tags text[], numbers int[]);
            INSERT INTO every_type.bronze_types VALUES (1, -1, 9007199254740993, 0.1, 1e300, -12345.0123456789, 1e40, true, 'ä', 'ab',
                '12151fd2-7586-11e9-8f9e-2a86e4085a59', '{\"a\": [1, null]}', '\\x00ff', '1582-10-15', '1970-01-01 00:00:00.000001',
                '2024-02-29 12:00:00+02', '{a,NULL,b}', '{1,2}');
            INSERT INTO every_type.bronze_types (id) VALUES (2);
            CREATE TABLE every_type.times (id int PRIMARY KEY, t time);
            INSERT INTO every_type.times VALUES (1, '23:59:59.999999'), (2, NULL);";
        source.execute(script).unwrap();
        lake.ingest("types", "bucket/types", world.s3(), &source.source(), &json!({"schemas": ["every_type"]}));
    });
    for table in ["gold.types", "silver.types", "bronze.bronze_types"] {
        let rows = engine.agrees(world, "iceberg", &lake, table);
        assert_eq!(rows.rows.len(), 2, "{table}");
    }
    // Numbers in JSON have digits to spare only up to 2^53; as text all of them are compared.
    let text = "SELECT CAST(n AS VARCHAR(60)) AS n FROM iceberg.bronze.bronze_types WHERE id = 1";
    let exact = if engine == Engine::Spark { text.replace("VARCHAR(60)", "STRING") } else { text.to_owned() };
    assert_eq!(engine.sql(world, &exact).rows, lake.query(text).rows);
}

fn times(world: &World) {
    types(world, Engine::Trino);
    let rows = Engine::Trino.agrees(world, "iceberg", &world.bucket(), "bronze.times");
    assert_eq!(rows.columns[1].1, "time");
    assert_eq!(rows.rows[0][1], "23:59:59.999999");
    let told = Engine::Spark.tries(world, "SELECT * FROM iceberg.bronze.times").unwrap_err();
    assert!(told.contains("Spark does not support time fields"), "{told}");
}

/// From files of Parquet in a folder that the environment grants; answers when the rows are there.
fn from_parquet(world: &World, lake: &Lake, name: &str, without: &[&str]) {
    let folder = world.host_data().join("environments/bucket/files").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let written = Command::new(std::env::var_os("ASGARD_TEST_PYTHON").unwrap())
        .arg(Path::new(&package).join("../interop/every_type.py"))
        .arg("write")
        .arg(folder.join("rows.parquet"))
        .args(without)
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    lake.ingest_files(name, &json!({"provider": "local", "folder": format!("files/{name}")}), world.s3());
}

/// Engines have days and moments of these years, their clients in Python and Java have not.
const FAR: [&str; 3] = ["day", "local", "moment"];

fn ends(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || from_parquet(world, &lake, "ends", &[&FAR[..], &["hour"]].concat()));
    let rows = engine.agrees(world, "iceberg", &lake, "bronze.ends");
    assert_eq!(rows.rows.len(), 5);
    let types: Vec<&str> = rows.columns.iter().map(|(_, of)| of.as_str()).collect();
    for of in ["uuid", "fixed[4]", "binary", "map<int,list<date>>", "list<list<string>>", "decimal(38,10)"] {
        assert!(types.contains(&of), "no column is {of}: {types:?}");
    }
    let odd: Vec<&Value> =
        rows.rows.iter().flatten().filter(|value| **value == "NaN" || **value == "-Infinity").collect();
    assert_eq!(odd.len(), 3, "{rows:?}");
}

fn far(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || from_parquet(world, &lake, "far", &["hour"]));
    let sql = match engine {
        Engine::Trino => {
            "SELECT id, date_diff('day', DATE '1970-01-01', day) AS day, to_unixtime(local) / 1e9 AS local
             FROM iceberg.bronze.far ORDER BY id"
        }
        Engine::Spark => {
            "SELECT id, CAST(unix_date(day) AS BIGINT) AS day, CAST(unix_micros(CAST(local AS TIMESTAMP)) AS DOUBLE) / 1e15 AS local,
                CAST(unix_micros(moment) AS DOUBLE) / 1e15 AS moment
             FROM iceberg.bronze.far ORDER BY id"
        }
    };
    let found = engine.sql(world, sql);
    assert_eq!(found.rows.len(), 5);
    for (row, day, seconds) in [(1, 2_145_042_541_i64, 9_223.371_331_199_999), (2, -2_440_588, -210.866_803_2)] {
        assert_eq!(found.rows[row][1], json!(day), "{found:?}");
        for value in &found.rows[row][2..] {
            assert!((value.as_f64().unwrap() - seconds).abs() < 1e-6, "{found:?}");
        }
    }
    if engine == Engine::Trino {
        // It has 52 bits of milliseconds for moments of a zone.
        let told = engine.tries(world, "SELECT moment FROM iceberg.bronze.far").unwrap_err();
        assert!(told.contains("Millis overflow"), "{told}");
    }
}

fn operations(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        for name in ["appended", "merged", "rewritten"] {
            let strategy = if name == "rewritten" { "delete+insert" } else { name.strip_suffix("ed").unwrap() };
            let strategy = if strategy == "merg" { "merge" } else { strategy };
            lake.incremental(name, strategy, "", "(1, 'one'), (2, NULL), (3, 'three')");
            lake.incremental(name, strategy, "", "(3, 'drei'), (4, 'vier')");
        }
        lake.gold("replaced", "SELECT 1 AS old, 'x' AS gone");
        lake.gold("replaced", "SELECT * FROM (VALUES (DATE '2024-01-01', 2.5e0), (NULL, NULL)) AS t (gone, fresh)");
        lake.gold("emptied", "SELECT 1 AS n");
        lake.gold("emptied", "SELECT 1 AS n WHERE false");
    });
    for (table, rows) in [("appended", 5), ("merged", 4), ("rewritten", 4), ("replaced", 2), ("emptied", 0)] {
        let found = engine.agrees(world, "iceberg", &lake, &format!("gold.{table}"));
        assert_eq!(found.rows.len(), rows, "{table}");
    }
}

fn captured(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        let source = world.source();
        let script = "CREATE SCHEMA captured; CREATE TABLE captured.pages (id int PRIMARY KEY, views int, body text);
            INSERT INTO captured.pages SELECT id, 0, 'page ' || id FROM generate_series(1, 1000) id";
        source.execute(script).unwrap();
        let config = json!({"schemas": ["captured"], "replication_method": {"method": "CDC"}});
        let ingestion = lake.ingest("captured", "bucket/captured", world.s3(), &source.source(), &config);
        let script =
            "DELETE FROM captured.pages WHERE id % 10 = 0; UPDATE captured.pages SET views = id WHERE id % 3 = 0;
            UPDATE captured.pages SET id = id + 5000 WHERE id = 7; INSERT INTO captured.pages VALUES (2000, 1, 'new');
            ALTER TABLE captured.pages ADD note text; UPDATE captured.pages SET note = 'noted' WHERE id = 11";
        source.execute(script).unwrap();
        lake.sync(&ingestion);
    });
    let rows = engine.agrees(world, "iceberg", &lake, "bronze.pages");
    assert_eq!(rows.rows.len(), 901);
}

fn evolved(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        let append = |columns: &str| {
            let config = "{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns') }}";
            lake.gold("evolved", &format!("{config} SELECT {columns}"));
        };
        append(
            "1 AS id, CAST(2 AS INTEGER) AS whole, CAST(0.5 AS REAL) AS part, CAST(1.25 AS DECIMAL(5, 2)) AS price, 'a' AS a, 'b' AS b",
        );
        let changes = json!([
            {"action": "rename_column", "name": "a", "to": "c"}, {"action": "rename_column", "name": "b", "to": "a"},
            {"action": "widen_column", "name": "whole", "type": "long"}, {"action": "widen_column", "name": "part", "type": "double"},
            {"action": "widen_column", "name": "price", "type": "decimal(12,2)"},
            {"action": "add_column", "name": "note", "type": "struct<by:string,at:timestamptz>"},
            {"action": "move_column", "name": "a", "after": null}]);
        lake.change("gold.evolved", &changes);
        append(
            "2 AS id, 9007199254740993 AS whole, 1e300 AS part, CAST(9999999999.99 AS DECIMAL(12, 2)) AS price, 'c2' AS c, 'a2' AS a",
        );
        lake.change("gold.evolved", &json!([{"action": "drop_column", "name": "c"}]));
        lake.change("gold.evolved", &json!([{"action": "add_column", "name": "c", "type": "date"}]));
        append("3 AS id, 3 AS whole, DATE '2024-02-29' AS c, 'later' AS extra");
    });
    let rows = engine.agrees(world, "iceberg", &lake, "gold.evolved");
    let names: Vec<&str> = rows.columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "id", "whole", "part", "price", "note", "c", "extra"]);
    // A column that was dropped and added again has nothing of before.
    let kept = engine.sql(world, "SELECT id FROM iceberg.gold.evolved WHERE c IS NOT NULL");
    assert_eq!(kept.rows, [[json!(3)]]);
}

/// Rows for partitions by time, number and text, with nulls and times before 1970.
const PARTS: &str = "SELECT n AS id, CASE WHEN n % 7 > 0 THEN n % 4 END AS region, CASE WHEN n % 5 > 0 THEN concat('wörd', CAST(n AS VARCHAR)) END AS word,
    date_add('day', n * 400 - 4000, DATE '1970-01-01') AS day, date_add('hour', n * 7 - 80, TIMESTAMP '1970-01-01 00:30:00') AS moment,
    CAST(n * 37 - 500 AS DECIMAL(12, 2)) AS amount
    FROM (SELECT a.x + 6 * b.x AS n FROM (VALUES (0), (1), (2), (3), (4), (5)) AS a (x) CROSS JOIN (VALUES (0), (1), (2), (3)) AS b (x)) AS t";

fn layout(by: &str, sorted: &str) -> String {
    format!(
        "{{{{ config(materialized='incremental', incremental_strategy='append', partition_by=[{by}], sorted_by=['{sorted}']) }}}}"
    )
}

fn partitioned(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    let layouts = [
        ("by_value", "'region'"),
        ("by_bucket", "'bucket(id, 4)', 'bucket(word, 3)'"),
        ("by_prefix", "'truncate(word, 5)', 'truncate(amount, 100)'"),
        ("by_year", "'year(day)', 'hour(moment)'"),
        ("by_month", "'month(day)', 'day(moment)'"),
    ];
    once(&MADE, || {
        for (name, by) in layouts {
            lake.gold(name, &format!("{} {PARTS}", layout(by, "id DESC")));
        }
    });
    for (name, _) in layouts {
        let rows = engine.agrees(world, "iceberg", &lake, &format!("gold.{name}"));
        assert_eq!(rows.rows.len(), 24, "{name}");
        // Whoever writes a partition's value wrongly loses rows here, and nowhere else.
        for filter in [
            "region = 2",
            "region IS NULL",
            "id IN (3, 11, 17)",
            "word = 'wörd11'",
            "word IS NULL",
            "day < DATE '1969-06-01'",
            "day >= DATE '1970-01-01'",
            "moment < TIMESTAMP '1970-01-01 00:00:00'",
            "moment BETWEEN TIMESTAMP '1969-12-31 12:00:00' AND TIMESTAMP '1970-01-02 00:00:00'",
            "amount < -100 OR amount = 55",
        ] {
            let sql = |table: &str| format!("SELECT id FROM {table} WHERE {filter}");
            let ours = lake.query(&sql(&format!("gold.{name}"))).sorted();
            // Spark's literal is a moment of its session's zone, the column is without a zone.
            let theirs = match engine {
                Engine::Trino => sql(&format!("iceberg.gold.{name}")),
                Engine::Spark => sql(&format!("iceberg.gold.{name}")).replace("TIMESTAMP '", "TIMESTAMP_NTZ '"),
            };
            assert_same(&format!("{name} where {filter}"), &engine.sql(world, &theirs).sorted(), &ours);
            assert!(!ours.rows.is_empty(), "{filter}");
        }
    }
}

fn repartitioned(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        let append = |by: &str, sorted: &str| lake.gold("repartitioned", &format!("{} {PARTS}", layout(by, sorted)));
        append("'region'", "id");
        append("'bucket(id, 2)', 'year(day)'", "word DESC");
        lake.change(
            "gold.repartitioned",
            &json!([{"action": "set_partitioning", "by": ["truncate(word, 5)"]},
                {"action": "set_sort_order", "by": ["day", "id DESC NULLS LAST"]}]),
        );
        append("'truncate(word, 5)'", "day");
        append("", "id");
    });
    let rows = engine.agrees(world, "iceberg", &lake, "gold.repartitioned");
    assert_eq!(rows.rows.len(), 96);
    let counted =
        engine.sql(world, "SELECT count(*) AS n FROM iceberg.gold.repartitioned WHERE region = 2 AND word IS NOT NULL");
    assert_same(
        "the rows of a region",
        &counted,
        &lake.query("SELECT count(*) AS n FROM gold.repartitioned WHERE region = 2 AND word IS NOT NULL"),
    );
}

fn compacted(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        for id in 1..=6 {
            let rows = format!("({id}, 'v{id}'), ({id} + 10, NULL)");
            lake.incremental("compacted", "append", ", partition_by=['truncate(v, 1)'], sorted_by=['id DESC']", &rows);
        }
        let done = lake.compact("gold.compacted");
        assert_eq!((&done["files_before"], &done["files_after"]), (&json!(12), &json!(2)), "{done}");
    });
    let rows = engine.agrees(world, "iceberg", &lake, "gold.compacted");
    assert_eq!(rows.rows.len(), 12);
    let files = match engine {
        Engine::Trino => "SELECT count(*) AS n FROM iceberg.gold.\"compacted$files\"",
        Engine::Spark => "SELECT count(*) AS n FROM iceberg.gold.compacted.files",
    };
    assert_eq!(engine.sql(world, files).single().unwrap(), &json!(2));
}

fn maintained(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    let table = "gold.kept";
    let add = |id: u32| lake.incremental("kept", "append", "", &format!("({id}, 'v{id}')"));
    once(&MADE, || {
        (1..=6).for_each(add);
        history(&lake, &["age", table, S3::ACCESS_KEY, S3::SECRET_KEY]);
        add(7);
        let done = lake.maintain(
            table,
            &json!({"compact": true, "expire_snapshots": {"older_than_hours": 120, "retain_last": 1},
                "remove_orphans": {"older_than_hours": 72, "dry_run": false}}),
        );
        assert_eq!(lake.snapshots(table).len(), 2, "{done}");
        add(8);
        // Its newest snapshot but one is the compaction's, of seven rows.
        let before = &lake.snapshots(table)[1];
        history(&lake, &["rollback", table, before, S3::ACCESS_KEY, S3::SECRET_KEY]);
        add(9);
    });
    let rows = engine.agrees(world, "iceberg", &lake, table);
    let ids: Vec<i64> = rows.rows.iter().map(|row| row[0].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5, 6, 7, 9]);
}

/// What a client makes of a table's history.
fn history(lake: &Lake, arguments: &[&str]) {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    let done = Command::new(std::env::var_os("ASGARD_TEST_PYTHON").unwrap())
        .arg(Path::new(&package).join("../interop/history.py"))
        .arg(lake.0.base())
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn as_of(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        lake.incremental("as_it_was", "merge", "", "(1, 'one')");
        lake.incremental("as_it_was", "merge", "", "(1, 'uno'), (2, 'dos')");
        lake.change(
            "gold.as_it_was",
            &json!([{"action": "rename_column", "name": "v", "to": "word"},
            {"action": "add_column", "name": "v", "type": "long"}]),
        );
        lake.gold(
            "as_it_was",
            "{{ config(materialized='incremental', unique_key=['id'], incremental_strategy='merge') }} SELECT 3 AS id, 'tres' AS word, 33 AS v",
        );
    });
    let snapshots = lake.snapshots("gold.as_it_was");
    assert_eq!(snapshots.len(), 3);
    for snapshot in &snapshots {
        let theirs = engine.sql(world, &engine.as_of("iceberg.gold.as_it_was", snapshot)).sorted();
        let ours = lake.query(&Engine::Trino.as_of("gold.as_it_was", snapshot));
        assert_same(&format!("the table as of {snapshot}"), &theirs, &engine.has(ours));
    }
}

fn views(world: &World, engine: Engine) {
    static MADE: OnceLock<()> = OnceLock::new();
    let lake = world.bucket();
    once(&MADE, || {
        lake.gold("looked_through", "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (id, word)");
        lake.gold(
            "view_of",
            "{{ config(materialized='view') }} SELECT id, upper(word) AS word FROM iceberg.gold.looked_through WHERE id > 1",
        );
    });
    let rows = engine.agrees(world, "iceberg", &lake, "gold.view_of");
    assert_eq!(rows.rows, [[json!(2), json!("B")]]);
}

fn disk(world: &World) {
    let lake: Lake = world.disk();
    lake.gold("types", GOLD_TYPES);
    assert!(lake.table("gold.types")["location"].as_str().unwrap().starts_with("file://"));
    Engine::Spark.agrees(world, "disk", &lake, "gold.types");
    Engine::Spark.sql(
        world,
        "CREATE TABLE disk.silver.from_spark (id BIGINT, word STRING) USING iceberg PARTITIONED BY (bucket(2, id))",
    );
    Engine::Spark.sql(world, "INSERT INTO disk.silver.from_spark VALUES (1, 'one'), (2, NULL), (3, 'three')");
    Engine::Spark.sql(world, "DELETE FROM disk.silver.from_spark WHERE id = 3");
    let rows = Engine::Spark.agrees(world, "disk", &lake, "silver.from_spark");
    assert_eq!(rows.rows.len(), 2);
}
