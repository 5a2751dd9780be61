//! What Trino and Spark write through `/iceberg`, read by the host and by each other.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::engine::{Engine, assert_same};
use crate::lake::Lake;
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_host_reads_every_type_that_trino_writes", trino_types),
        test(world, "the_host_reads_every_type_that_spark_writes", spark_types),
        test(world, "the_host_reads_what_trino_merged_updated_and_deleted", trino_changes),
        test(world, "the_host_reads_what_spark_rewrote", |world| spark_changes(world, "copy-on-write")),
        test(world, "the_host_reads_around_what_spark_marked_as_deleted", |world| {
            spark_changes(world, "merge-on-read")
        }),
        test(world, "the_host_reads_columns_that_trino_changed", trino_columns),
        test(world, "the_host_reads_columns_that_spark_changed", spark_columns),
        test(world, "the_host_reads_trinos_partitions_of_every_transform", trino_partitions),
        test(world, "the_host_reads_sparks_partitions_of_every_transform", spark_partitions),
        test(world, "the_host_compacts_what_spark_marked_as_deleted_and_both_go_on", compacted),
        test(world, "spark_and_trino_maintain_the_hosts_tables", maintained),
        test(world, "tables_are_made_from_queries_replaced_renamed_and_dropped", lifecycle),
        test(world, "the_host_reads_a_view_that_trino_made", view),
        test(world, "the_host_merges_into_a_table_that_spark_changed", merged),
    ]
}

/// Asserts that the host and both engines have the same rows.
fn all_agree(world: &World, lake: &Lake, table: &str, rows: usize) {
    for engine in Engine::ALL {
        let found = engine.agrees(world, "iceberg", lake, table);
        assert_eq!(found.rows.len(), rows, "{table}: {found:?}");
    }
}

fn trino_types(world: &World) {
    let (lake, trino) = (world.bucket(), Engine::Trino);
    trino.sql(
        world,
        "CREATE TABLE iceberg.silver.trino_types (id BIGINT NOT NULL, yes BOOLEAN, i INTEGER, r REAL, d DOUBLE, n DECIMAL(38, 10), s VARCHAR,
            b VARBINARY, day DATE, t TIME(6), local TIMESTAMP(6), moment TIMESTAMP(6) WITH TIME ZONE, u UUID, list ARRAY(VARCHAR),
            pairs MAP(VARCHAR, INTEGER), numbered MAP(INTEGER, VARCHAR), nested ROW(x INTEGER, y ROW(z ARRAY(DATE))))",
    );
    trino.sql(
        world,
        "INSERT INTO iceberg.silver.trino_types VALUES
            (1, true, -1, REAL '0.1', 1e300, DECIMAL '12345.0123456789', 'ä🐎', X'00FF', DATE '1582-10-15', TIME '23:59:59.999999',
             TIMESTAMP '0001-01-01 00:00:00.000001', TIMESTAMP '2024-02-29 12:00:00.5 +02:00', UUID '12151fd2-7586-11e9-8f9e-2a86e4085a59',
             ARRAY['a', NULL], MAP(ARRAY['k', 'l'], ARRAY[1, NULL]), MAP(ARRAY[-1], ARRAY['minus']), ROW(1, ROW(ARRAY[DATE '2024-01-01']))),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (3, false, 2147483647, REAL '-0.0', 0e0, DECIMAL '-0.0000000001', '', X'', DATE '9999-12-31', TIME '00:00:00',
             TIMESTAMP '9999-12-31 23:59:59.999999', TIMESTAMP '1969-12-31 23:59:59.999999 UTC', UUID '00000000-0000-0000-0000-000000000000',
             ARRAY[], MAP(), MAP(), ROW(NULL, ROW(ARRAY[])))",
    );
    let rows = trino.agrees(world, "iceberg", &lake, "silver.trino_types");
    assert_eq!(rows.rows.len(), 3);
    let exact = "SELECT CAST(n AS VARCHAR) AS n FROM iceberg.silver.trino_types WHERE id = 1";
    assert_eq!(lake.query(exact).rows, trino.sql(world, exact).rows);
}

fn spark_types(world: &World) {
    let (lake, spark) = (world.bucket(), Engine::Spark);
    spark.sql(
        world,
        "CREATE TABLE iceberg.silver.spark_types (id BIGINT NOT NULL, yes BOOLEAN, small SMALLINT, i INT, r FLOAT, d DOUBLE, n DECIMAL(38, 10), s STRING,
            c VARCHAR(10), b BINARY, day DATE, local TIMESTAMP_NTZ, moment TIMESTAMP, list ARRAY<STRING>, pairs MAP<STRING, INT>,
            numbered MAP<INT, STRING>, nested STRUCT<x: INT, y: STRUCT<z: ARRAY<DATE>>>) USING iceberg",
    );
    spark.sql(
        world,
        "INSERT INTO iceberg.silver.spark_types VALUES
            (1, true, -1, -1, 0.1, 1e300, 12345.0123456789, 'ä🐎', 'c', X'00FF', DATE '1582-10-15', TIMESTAMP_NTZ '0001-01-01 00:00:00.000001',
             TIMESTAMP '2024-02-29 12:00:00.5+02:00', array('a', NULL), map('k', 1, 'l', NULL), map(-1, 'minus'),
             named_struct('x', 1, 'y', named_struct('z', array(DATE '2024-01-01')))),
            (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
            (3, false, 32767, 2147483647, -0.0, 0e0, -0.0000000001, '', '', X'', DATE '9999-12-31', TIMESTAMP_NTZ '9999-12-31 23:59:59.999999',
             TIMESTAMP '1969-12-31 23:59:59.999999Z', array(), map(), map(), named_struct('x', NULL, 'y', named_struct('z', array())))",
    );
    all_agree(world, &lake, "silver.spark_types", 3);
}

fn trino_changes(world: &World) {
    let (lake, trino) = (world.bucket(), Engine::Trino);
    trino.sql(
        world,
        "CREATE TABLE iceberg.silver.trino_changes WITH (partitioning = ARRAY['bucket(id, 2)']) AS
            SELECT CAST(n AS BIGINT) AS id, CAST('v' || CAST(n AS VARCHAR) AS VARCHAR) AS v FROM UNNEST(sequence(1, 100)) AS t (n)",
    );
    trino.sql(
        world,
        "MERGE INTO iceberg.silver.trino_changes t USING (VALUES (1, 'gone'), (2, 'two'), (200, 'new')) AS s (id, v) ON t.id = s.id
            WHEN MATCHED AND s.v = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)",
    );
    trino.sql(world, "UPDATE iceberg.silver.trino_changes SET v = NULL WHERE id % 10 = 3");
    trino.sql(world, "DELETE FROM iceberg.silver.trino_changes WHERE id > 90 AND id < 100");
    all_agree(world, &lake, "silver.trino_changes", 91);
    assert!(lake.table("silver.trino_changes")["delete_files"].as_u64().unwrap() > 0);
    let counted = lake.query("SELECT count(*) AS n FROM silver.trino_changes WHERE v IS NULL");
    assert_eq!(counted.rows, [[json!(9)]]);
}

fn spark_changes(world: &World, mode: &str) {
    let (lake, spark) = (world.bucket(), Engine::Spark);
    let table = format!("silver.spark_{}", mode.replace('-', "_"));
    let sql = |sql: &str| spark.sql(world, &sql.replace("TABLE_", &format!("iceberg.{table}")));
    sql(&format!(
        "CREATE TABLE TABLE_ (id BIGINT, v STRING) USING iceberg PARTITIONED BY (truncate(2, v)) TBLPROPERTIES
            ('write.delete.mode' = '{mode}', 'write.update.mode' = '{mode}', 'write.merge.mode' = '{mode}')"
    ));
    sql("INSERT INTO TABLE_ SELECT id, concat('v', CAST(id AS STRING)) FROM range(1, 101)");
    sql("MERGE INTO TABLE_ t USING (SELECT * FROM VALUES (1L, 'gone'), (2L, 'two'), (200L, 'new') AS s (id, v)) s ON t.id = s.id
            WHEN MATCHED AND s.v = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *");
    sql("UPDATE TABLE_ SET v = NULL WHERE id % 10 = 3");
    sql("DELETE FROM TABLE_ WHERE id > 90 AND id < 100");
    all_agree(world, &lake, &table, 91);
    let marks = lake.table(&table)["delete_files"].as_u64().unwrap();
    assert_eq!(marks > 0, mode == "merge-on-read", "{marks} delete files");
}

/// What both change of columns, in their words, and what has to come of it.
fn columns(world: &World, engine: Engine, table: &str, changes: &[&str]) {
    let lake = world.bucket();
    for change in changes {
        engine.sql(world, &change.replace("TABLE_", &format!("iceberg.{table}")));
    }
    all_agree(world, &lake, table, 2);
    let rows = lake.query(&format!("SELECT * FROM {table} ORDER BY id"));
    let columns: Vec<(&str, &str)> = rows.columns.iter().map(|(name, of)| (name.as_str(), of.as_str())).collect();
    let expected = [
        ("id", "long"),
        ("b", "string"),
        ("price", "decimal(12,2)"),
        ("nested", "struct<y:double,z:string>"),
        ("a", "date"),
    ];
    assert_eq!(columns, expected);
    assert_eq!(rows.rows[0], [json!(1), json!("one"), json!("1.5"), json!({"y": 0.5, "z": null}), json!(null)]);
    assert_eq!(rows.rows[1][2..4], [json!("1234567890.25"), json!({"y": 1e300, "z": "zett"})]);
}

fn trino_columns(world: &World) {
    columns(
        world,
        Engine::Trino,
        "silver.trino_columns",
        &[
            "CREATE TABLE TABLE_ (id INTEGER, a VARCHAR, gone BIGINT, price DECIMAL(5, 2), nested ROW(x REAL))",
            "INSERT INTO TABLE_ VALUES (1, 'one', 9, 1.50, ROW(REAL '0.5'))",
            "ALTER TABLE TABLE_ ALTER COLUMN id SET DATA TYPE BIGINT",
            "ALTER TABLE TABLE_ RENAME COLUMN a TO b",
            "ALTER TABLE TABLE_ DROP COLUMN gone",
            "ALTER TABLE TABLE_ ALTER COLUMN price SET DATA TYPE DECIMAL(12, 2)",
            "ALTER TABLE TABLE_ RENAME COLUMN nested.x TO y",
            "ALTER TABLE TABLE_ ALTER COLUMN nested.y SET DATA TYPE DOUBLE",
            "ALTER TABLE TABLE_ ADD COLUMN nested.z VARCHAR",
            "ALTER TABLE TABLE_ ADD COLUMN a DATE",
            "INSERT INTO TABLE_ VALUES (9007199254740993, 'two', 1234567890.25, ROW(1e300, 'zett'), DATE '2024-02-29')",
        ],
    );
}

fn spark_columns(world: &World) {
    columns(
        world,
        Engine::Spark,
        "silver.spark_columns",
        &[
            "CREATE TABLE TABLE_ (id INT, a STRING, gone BIGINT, price DECIMAL(5, 2), nested STRUCT<x: FLOAT>) USING iceberg",
            "INSERT INTO TABLE_ VALUES (1, 'one', 9, 1.50, named_struct('x', 0.5))",
            "ALTER TABLE TABLE_ ALTER COLUMN id TYPE BIGINT",
            "ALTER TABLE TABLE_ RENAME COLUMN a TO b",
            "ALTER TABLE TABLE_ DROP COLUMN gone",
            "ALTER TABLE TABLE_ ALTER COLUMN price TYPE DECIMAL(12, 2)",
            "ALTER TABLE TABLE_ RENAME COLUMN nested.x TO y",
            "ALTER TABLE TABLE_ ALTER COLUMN nested.y TYPE DOUBLE",
            "ALTER TABLE TABLE_ ADD COLUMN nested.z STRING",
            "ALTER TABLE TABLE_ ADD COLUMN a DATE AFTER b",
            "ALTER TABLE TABLE_ ALTER COLUMN a AFTER nested",
            "INSERT INTO TABLE_ VALUES (9007199254740993, 'two', 1234567890.25, named_struct('y', 1e300, 'z', 'zett'), DATE '2024-02-29')",
        ],
    );
}

/// Rows for every transform, in each engine's words for series and times.
fn partitions(world: &World, engine: Engine, create: &str, insert: &str, change: &str) {
    let lake = world.bucket();
    let table = format!("silver.{}_partitions", engine.name());
    let sql = |sql: &str| engine.sql(world, &sql.replace("TABLE_", &format!("iceberg.{table}")));
    sql(create);
    sql(insert);
    sql(change);
    sql(insert);
    all_agree(world, &lake, &table, 96);
    for filter in [
        "region = 2",
        "region IS NULL",
        "id IN (3, 11)",
        "word = 'wörd11'",
        "day < DATE '1969-06-01'",
        "amount = 55",
        "hour_of < TIMESTAMP '1970-01-01 00:00:00'",
    ] {
        let ours = lake.query(&format!("SELECT id FROM {table} WHERE {filter}")).sorted();
        let filter =
            if engine == Engine::Spark { filter.replace("TIMESTAMP '", "TIMESTAMP_NTZ '") } else { filter.to_owned() };
        let theirs = sql(&format!("SELECT id FROM TABLE_ WHERE {filter}")).sorted();
        assert_same(&format!("{table} where {filter}"), &ours, &theirs);
        assert!(!ours.rows.is_empty(), "{filter}");
    }
}

fn trino_partitions(world: &World) {
    partitions(
        world,
        Engine::Trino,
        "CREATE TABLE TABLE_ (id BIGINT, region INTEGER, word VARCHAR, day DATE, month_of DATE, hour_of TIMESTAMP(6), year_of TIMESTAMP(6) WITH TIME ZONE,
            amount DECIMAL(12, 2)) WITH (partitioning = ARRAY['region', 'bucket(id, 3)', 'truncate(word, 5)', 'day(day)', 'month(month_of)',
            'hour(hour_of)', 'year(year_of)', 'truncate(amount, 100)'], sorted_by = ARRAY['id DESC'])",
        "INSERT INTO TABLE_ SELECT n, IF(n % 7 > 0, CAST(n % 4 AS INTEGER)), IF(n % 5 > 0, 'wörd' || CAST(n AS VARCHAR)),
            date_add('day', n * 400 - 4000, DATE '1970-01-01'), date_add('day', n * 20 - 300, DATE '1970-01-01'),
            date_add('hour', n * 7 - 80, TIMESTAMP '1970-01-01 00:30:00.000000'), date_add('day', n * 300 - 4000, TIMESTAMP '1970-01-01 00:30:00.000000 UTC'),
            CAST(n * 37 - 500 AS DECIMAL(12, 2)) FROM UNNEST(sequence(0, 47)) AS t (n)",
        "ALTER TABLE TABLE_ SET PROPERTIES partitioning = ARRAY['bucket(word, 2)', 'region']",
    );
}

fn spark_partitions(world: &World) {
    partitions(
        world,
        Engine::Spark,
        "CREATE TABLE TABLE_ (id BIGINT, region INT, word STRING, day DATE, month_of DATE, hour_of TIMESTAMP_NTZ, year_of TIMESTAMP, amount DECIMAL(12, 2))
            USING iceberg PARTITIONED BY (region, bucket(3, id), truncate(5, word), days(day), months(month_of), hours(hour_of), years(year_of),
            truncate(100, amount))",
        "INSERT INTO TABLE_ SELECT id, IF(id % 7 > 0, CAST(id % 4 AS INT), NULL), IF(id % 5 > 0, concat('wörd', CAST(id AS STRING)), NULL),
            date_add(DATE '1970-01-01', CAST(id * 400 - 4000 AS INT)), date_add(DATE '1970-01-01', CAST(id * 20 - 300 AS INT)),
            TIMESTAMP_NTZ '1970-01-01 00:30:00' + make_interval(0, 0, 0, 0, CAST(id * 7 - 80 AS INT)),
            TIMESTAMP '1970-01-01 00:30:00' + make_interval(0, 0, 0, CAST(id * 300 - 4000 AS INT)), CAST(id * 37 - 500 AS DECIMAL(12, 2)) FROM range(0, 48)",
        "ALTER TABLE TABLE_ REPLACE PARTITION FIELD truncate(5, word) WITH bucket(2, word)",
    );
}

fn compacted(world: &World) {
    let (lake, spark) = (world.bucket(), Engine::Spark);
    let sql = |sql: &str| spark.sql(world, &sql.replace("TABLE_", "iceberg.silver.marked"));
    sql(
        "CREATE TABLE TABLE_ (id BIGINT, v STRING) USING iceberg TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')",
    );
    for round in 0..3 {
        sql(&format!("INSERT INTO TABLE_ SELECT id + {round} * 100, 'v' FROM range(0, 100)"));
        sql(&format!("DELETE FROM TABLE_ WHERE id % 100 = {round} + 10"));
    }
    let done = lake.compact("silver.marked");
    assert!(done["delete_files_removed"].as_u64().unwrap() > 0, "{done}");
    let table = lake.table("silver.marked");
    assert_eq!((&table["data_files"], &table["delete_files"]), (&json!(1), &json!(0)), "{table}");
    all_agree(world, &lake, "silver.marked", 294);
    sql("DELETE FROM TABLE_ WHERE id = 0");
    Engine::Trino.sql(world, "DELETE FROM iceberg.silver.marked WHERE id = 1");
    all_agree(world, &lake, "silver.marked", 292);
}

fn maintained(world: &World) {
    let lake = world.bucket();
    for round in 0..4 {
        for table in ["by_spark", "by_trino"] {
            lake.incremental(table, "append", ", partition_by=['v']", &format!("({round}, 'a'), ({round} + 10, 'b')"));
        }
    }
    Engine::Spark.sql(
        world,
        "CALL iceberg.system.rewrite_data_files(table => 'gold.by_spark', options => map('rewrite-all', 'true'))",
    );
    Engine::Spark.sql(world, "CALL iceberg.system.rewrite_manifests('gold.by_spark')");
    let expire =
        "CALL iceberg.system.expire_snapshots(table => 'gold.by_spark', older_than => now(), retain_last => 1)";
    Engine::Spark.sql(world, expire);
    Engine::Trino.sql(world, "ALTER TABLE iceberg.gold.by_trino EXECUTE optimize");
    Engine::Trino.sql(world, "ANALYZE iceberg.gold.by_trino");
    for table in ["gold.by_spark", "gold.by_trino"] {
        assert_eq!(lake.table(table)["data_files"], 2, "{table}");
        all_agree(world, &lake, table, 8);
    }
    assert_eq!(lake.snapshots("gold.by_spark").len(), 1);
    for table in ["by_spark", "by_trino"] {
        lake.incremental(table, "append", ", partition_by=['v']", "(100, 'c')");
        all_agree(world, &lake, &format!("gold.{table}"), 9);
    }
}

fn lifecycle(world: &World) {
    let lake = world.bucket();
    for engine in Engine::ALL {
        let name = format!("{}_made", engine.name());
        let using = if engine == Engine::Spark { "USING iceberg " } else { "" };
        let sql = |sql: &str| engine.sql(world, &sql.replace("TABLE_", &format!("iceberg.silver.{name}")));
        sql(&format!("CREATE TABLE TABLE_ {using}AS SELECT 1 AS id, 'x' AS word"));
        all_agree(world, &lake, &format!("silver.{name}"), 1);
        sql(&format!("CREATE OR REPLACE TABLE TABLE_ {using}AS SELECT DATE '2024-01-01' AS day UNION ALL SELECT NULL"));
        all_agree(world, &lake, &format!("silver.{name}"), 2);
        sql(&format!(
            "ALTER TABLE TABLE_ RENAME TO {}silver.{name}_2",
            if engine == Engine::Spark { "" } else { "iceberg." }
        ));
        all_agree(world, &lake, &format!("silver.{name}_2"), 2);
        engine.sql(world, &format!("CREATE TABLE iceberg.silver.{name} {using}AS SELECT 3 AS n"));
        all_agree(world, &lake, &format!("silver.{name}"), 1);
        for dropped in [name.clone(), format!("{name}_2")] {
            engine.sql(world, &format!("DROP TABLE iceberg.silver.{dropped}"));
            let gone = lake.ask(&json!({"sql": format!("SELECT * FROM silver.{dropped}")}));
            assert_eq!(gone.status, 422, "{}", gone.body);
        }
        let schema = format!("{}_schema", engine.name());
        engine.sql(world, &format!("CREATE SCHEMA iceberg.{schema}"));
        engine.sql(world, &format!("CREATE TABLE iceberg.{schema}.t {using}AS SELECT 1 AS n"));
        all_agree(world, &lake, &format!("{schema}.t"), 1);
        engine.sql(world, &format!("DROP TABLE iceberg.{schema}.t"));
        engine.sql(world, &format!("DROP SCHEMA iceberg.{schema}"));
    }
}

fn view(world: &World) {
    let lake = world.bucket();
    Engine::Trino
        .sql(world, "CREATE TABLE iceberg.silver.viewed AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (id, word)");
    Engine::Trino
        .sql(world, "CREATE VIEW iceberg.silver.seen AS SELECT id, upper(word) AS word FROM iceberg.silver.viewed");
    let theirs = Engine::Trino.sql(world, "SELECT * FROM iceberg.silver.seen").sorted();
    assert_same("the view", &lake.query("SELECT * FROM silver.seen").sorted(), &theirs);
    Engine::Trino
        .sql(world, "CREATE OR REPLACE VIEW iceberg.silver.seen AS SELECT count(*) AS n FROM iceberg.silver.viewed");
    assert_eq!(lake.query("SELECT * FROM silver.seen").rows, [[json!(2)]]);
    Engine::Trino.sql(world, "DROP VIEW iceberg.silver.seen");
}

fn merged(world: &World) {
    let lake = world.bucket();
    lake.incremental("shared", "merge", "", "(1, 'one'), (2, 'two'), (3, 'three')");
    let spark = |sql: &str| Engine::Spark.sql(world, sql);
    spark(
        "ALTER TABLE iceberg.gold.shared SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')",
    );
    spark("DELETE FROM iceberg.gold.shared WHERE id = 1");
    spark("UPDATE iceberg.gold.shared SET v = 'zwei' WHERE id = 2");
    spark("ALTER TABLE iceberg.gold.shared ADD PARTITION FIELD bucket(2, id)");
    spark("INSERT INTO iceberg.gold.shared VALUES (4, 'four')");
    lake.incremental("shared", "merge", "", "(1, 'uno'), (2, 'dos'), (5, 'cinco')");
    all_agree(world, &lake, "gold.shared", 5);
    let rows = lake.query("SELECT v FROM gold.shared ORDER BY id");
    assert_eq!(rows.rows, [[json!("uno")], [json!("dos")], [json!("three")], [json!("four")], [json!("cinco")]]);
}
