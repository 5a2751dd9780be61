//! What the host refuses of other writers, in words that reach whoever wrote the statement.

use std::sync::Arc;

use libtest_mimic::Trial;
use serde_json::json;

use crate::engine::Engine;
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_table_that_the_host_could_not_read_is_refused_with_the_reason", tables),
        test(world, "a_commit_that_the_host_could_not_read_is_refused_and_leaves_the_table", commits),
    ]
}

fn refused(world: &World, engine: Engine, sql: &str, reason: &str) {
    let error = engine.tries(world, sql).expect_err("a refusal");
    assert!(error.contains(reason), "{sql}: {error}");
}

fn tables(world: &World) {
    let spark = |create: &str, reason: &str| {
        refused(world, Engine::Spark, &format!("CREATE TABLE iceberg.silver.no {create}"), reason)
    };
    spark("(id BIGINT) USING iceberg TBLPROPERTIES ('format-version' = '3')", "format-version");
    spark("(id BIGINT) USING iceberg TBLPROPERTIES ('write.format.default' = 'orc')", "only Parquet is read here");
    spark("(id BIGINT) USING iceberg LOCATION 's3://lake/elsewhere/no'", "outside of the environment's storage");
    spark(
        "(id BIGINT) USING iceberg TBLPROPERTIES ('write.data.path' = 's3://lake/elsewhere')",
        "outside of the environment's storage",
    );
    let trino = |create: &str, reason: &str| {
        refused(world, Engine::Trino, &format!("CREATE TABLE iceberg.silver.no {create}"), reason)
    };
    trino("(id BIGINT) WITH (format_version = 3)", "format");
    trino("(id BIGINT) WITH (format = 'ORC')", "only Parquet is read here");
    trino("(id BIGINT) WITH (location = 's3://lake/elsewhere/no')", "outside of the environment's storage");
    for engine in Engine::ALL {
        let names = engine.sql(world, "SHOW TABLES FROM iceberg.silver");
        assert!(!names.rows.iter().flatten().any(|name| *name == json!("no")), "{engine:?}: {names:?}");
    }
    refused(world, Engine::Spark, "DROP NAMESPACE iceberg.gold", "gold");
}

fn commits(world: &World) {
    let lake = world.bucket();
    Engine::Spark.sql(world, "CREATE TABLE iceberg.silver.kept USING iceberg AS SELECT 1 AS id, 'a' AS word");
    let before = lake.snapshots("silver.kept");
    let spark =
        |sql: &str, reason: &str| refused(world, Engine::Spark, &sql.replace("TABLE_", "iceberg.silver.kept"), reason);
    spark("ALTER TABLE TABLE_ SET TBLPROPERTIES ('format-version' = '3')", "format-version");
    spark("ALTER TABLE TABLE_ SET TBLPROPERTIES ('write.format.default' = 'avro')", "only Parquet is read here");
    spark("ALTER TABLE TABLE_ SET TBLPROPERTIES ('write.data.path' = 's3://lake/elsewhere')", "outside");
    spark("ALTER TABLE TABLE_ ADD COLUMN WORD STRING", "");
    Engine::Spark.sql(world, "INSERT INTO iceberg.silver.kept VALUES (2, 'b')");
    assert_eq!(lake.snapshots("silver.kept").len(), before.len() + 1);
    let rows = Engine::Spark.agrees(world, "iceberg", &lake, "silver.kept");
    assert_eq!(rows.rows.len(), 2);
}
