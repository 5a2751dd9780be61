//! Several writers at once: each commit that was told as done is there, whoever made it.

use std::sync::Arc;
use std::thread;

use libtest_mimic::Trial;
use serde_json::json;

use crate::engine::Engine;
use crate::lake::Lake;
use crate::world::{World, test};

/// Appends of each writer: enough for them to meet.
const APPENDS: usize = 8;

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "of_the_commits_of_the_host_spark_and_trino_at_once_none_is_lost", |world| {
            appended(world, "iceberg", &world.bucket());
        }),
        test(world, "of_commits_at_once_through_nessie_none_is_lost", |world| {
            appended(world, "nessie", &world.branch())
        }),
        test(world, "a_merge_beside_appends_sees_them_or_comes_before_them", merged),
    ]
}

/// Runs the three side by side; each answers with how many of its statements were done.
fn side_by_side(
    host: impl Fn() -> usize + Sync,
    spark: impl Fn() -> usize + Sync,
    trino: impl Fn() -> usize + Sync,
) -> [usize; 3] {
    thread::scope(|scope| {
        let writers = [scope.spawn(&host), scope.spawn(&spark), scope.spawn(&trino)];
        writers.map(|writer| writer.join().unwrap())
    })
}

fn appended(world: &World, catalog: &str, lake: &Lake) {
    lake.incremental("raced", "append", "", "(0, 'first')");
    // Both are up before anybody begins.
    world.spark();
    world.trino();
    let insert = |engine: Engine, base: usize| {
        let statement =
            |n: usize| format!("INSERT INTO {catalog}.gold.raced VALUES ({}, '{}')", base + n, engine.name());
        (0..APPENDS)
            .filter(|n| engine.tries(world, &statement(*n)).map_err(|error| eprintln!("{error}")).is_ok())
            .count()
    };
    let host = || {
        for n in 0..APPENDS {
            lake.incremental("raced", "append", "", &format!("({}, 'host')", 100 + n));
        }
        APPENDS
    };
    let done = side_by_side(host, || insert(Engine::Spark, 200), || insert(Engine::Trino, 300));
    // The host and Spark try again as often as it takes at this pace; Trino gives up earlier, and says so.
    assert_eq!(done[..2], [APPENDS, APPENDS]);
    for engine in Engine::ALL {
        let rows = engine.agrees(world, catalog, lake, "gold.raced");
        for (name, count) in ["host", "spark", "trino"].iter().zip(done) {
            assert_eq!(rows.rows.iter().filter(|row| row[1] == json!(name)).count(), count, "{name}");
        }
        assert_eq!(rows.rows.len(), 1 + done.iter().sum::<usize>());
    }
}

fn merged(world: &World) {
    let lake = world.bucket();
    lake.incremental("race_of_merges", "merge", "", "(1, 'host 0'), (2, 'spark 0')");
    world.spark();
    let spark = || {
        let merge = |n: usize| {
            format!(
                "MERGE INTO iceberg.gold.race_of_merges t USING (SELECT 2 AS id, 'spark {n}' AS v UNION ALL SELECT {n} + 200, 'spark') s
                    ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *"
            )
        };
        (1..=APPENDS).filter(|n| Engine::Spark.tries(world, &merge(*n)).is_ok()).count()
    };
    let host = || {
        for n in 1..=APPENDS {
            lake.incremental("race_of_merges", "merge", "", &format!("(1, 'host {n}'), ({n} + 100, 'host')"));
        }
        APPENDS
    };
    let [_, merges, _] = side_by_side(host, spark, || 0);
    let rows = Engine::Spark.agrees(world, "iceberg", &lake, "gold.race_of_merges");
    let with = |v: &str| rows.rows.iter().filter(|row| row[1] == json!(v)).count();
    assert_eq!((with("host"), with("spark")), (APPENDS, merges), "{rows:?}");
    assert_eq!(with(&format!("host {APPENDS}")), 1, "{rows:?}");
    assert_eq!(rows.rows.len(), 2 + APPENDS + merges, "{rows:?}");
}
