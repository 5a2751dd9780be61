//! One client, whatever stands behind the API: the data half of the journey in environments like those of `deploy/environments`, with
//! roles swapped between two runs.

use std::sync::Arc;

use asgard_journey::steps::Journey;
use asgard_live::rows::Answer;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::dbt_trino::{self, Mode};
use crate::engine::assert_same;
use crate::lake::Lake;
use crate::spark_plugin;
use crate::world::{World, borrowed, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "one_client_finds_the_same_rows_in_local_staging_and_production_and_after_swaps", journey)]
}

/// The journey's tables, and the column of each that tells when it was made.
const TABLES: [(&str, &str); 5] = [
    ("bronze.materials", ""),
    ("bronze.quality_checks", ""),
    ("bronze.work_orders", ""),
    ("silver.work_orders", "processed_at"),
    ("gold.operator_efficiency", "feature_timestamp"),
];

/// The client: it knows an address, and nothing of what is behind it. `path` is where its sink keeps tables.
fn ingest(lake: &Lake, world: &World, path: &str) {
    let config = json!({"schemas": ["production", "inventory"]});
    lake.ingest("factory", path, world.s3(), &world.source().source(), &config);
}

/// The same client: silver and gold, each made or made anew. Answers with all tables.
fn transform(lake: &Lake) -> Vec<Answer> {
    let mut journey = Journey::new(&lake.0, &|line| eprintln!("{line}"));
    journey.clean().unwrap();
    journey.aggregate().unwrap();
    TABLES.iter().map(|(table, moment)| rows(lake, table, moment)).collect()
}

fn rows(lake: &Lake, table: &str, moment: &str) -> Answer {
    let mut all = lake.pages(table);
    if let Some(at) = all.columns.iter().position(|(name, _)| name == moment) {
        for row in &mut all.rows {
            row[at] = Value::Null;
        }
    }
    all.sorted()
}

fn assert_all_same(what: &str, found: &[Answer], expected: &[Answer]) {
    for (((table, _), found), expected) in TABLES.iter().zip(found).zip(expected) {
        assert_same(&format!("{table} {what}"), found, expected);
    }
}

/// Which plugin ran the newest silver run and the newest gold model.
fn plugins(lake: &Lake) -> [String; 2] {
    ["silver", "gold"].map(|role| lake.newest_by(role))
}

fn journey(world: &World) {
    let process = world.host_process();
    let embedded = |role: &str| json!({"plugin": "sql", "grants": {"lakehouse": {"read": ["bronze", "silver", "gold"], "write": [role]}}});

    let local = Lake(world.environment_with("stack-local", &[], &json!({})).unwrap());
    ingest(&local, world, "stack-local");
    let expected = transform(&local);
    let counts: Vec<usize> = expected.iter().map(|answer| answer.rows.len()).collect();
    assert_eq!(counts, [2323, 3500, 15_000, 14_850, 142]);

    // Branches of their own: the catalog's `main` is other tests'.
    let staging = world.own_branch("staging", &json!({})).unwrap();
    ingest(&staging, world, "warehouse/stack-staging");
    assert_all_same("in staging", &transform(&staging), &expected);

    let trino = world.bare_trino();
    trino.attach("production", &borrowed(&world.trino_on_branch("production"))).unwrap();
    let mut gold = dbt_trino::binding(world, Mode::Dbt, trino.url());
    gold["gold"]["configuration"]["catalog"] = json!("production");
    let silver = spark_plugin::standalone(world);
    let mut stack = gold.clone();
    stack["silver"] = silver["silver"].clone();
    let production = world.own_branch("production", &stack).unwrap();
    ingest(&production, world, "warehouse/stack-production");
    assert_all_same("in production", &transform(&production), &expected);
    assert_eq!(plugins(&production), ["spark", "dbt-trino"]);

    for (changes, [of_silver, of_gold]) in [
        (json!({"silver": embedded("silver")}), ["sql", "dbt-trino"]),
        (json!({"silver": silver["silver"], "gold": embedded("gold")}), ["spark", "sql"]),
    ] {
        world.rebind("production", &changes).unwrap();
        let what = format!("by {of_silver} and {of_gold}");
        assert_all_same(&what, &transform(&production), &expected);
        assert_eq!(plugins(&production), [of_silver, of_gold], "{what}");
    }
    assert_eq!(world.host_process(), process, "the host stayed up");
}
