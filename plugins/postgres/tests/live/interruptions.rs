//! Exactly once: however often host, source and network break, the tables are those of an undisturbed run.

use asgard_journey::proxy::Proxy;
use asgard_journey::random::Random;
use asgard_plugin_postgres::inspection::provision;
use asgard_sdk::connector::SyncMode;
use asgard_sdk::json;

use crate::lake::Lake;
use crate::server::{Database, Server};

/// Of each mode; three modes make more than two hundred.
const INTERRUPTIONS: u32 = 70;

const SEED: u64 = 0x05ee_d0a5_9a4d;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Interruption {
    /// The host is killed: what it had not committed is gone.
    Host,
    /// The server ends the connector's sessions.
    Source,
    /// The network breaks in the middle of a message.
    Network,
}

/// What happens in the source between two syncs. Deletions and changes of keys are seen by whoever reads all, or the log.
fn change(database: &Database<'_>, random: &mut Random, mode: SyncMode) {
    let mut statements = Vec::new();
    for _ in 0..random.below(6) {
        let (table, id) = (random.below(3), random.below(400));
        let statement = match random.below(if mode == SyncMode::IncrementalMerge { 2 } else { 5 }) {
            0 => format!(
                "INSERT INTO t{table} (id, body) SELECT n, repeat('new', 1000) FROM generate_series({0}, {0} + 20) n ON CONFLICT DO NOTHING",
                400 + random.below(1000)
            ),
            1 => {
                format!("UPDATE t{table} SET note = '{}', at = DEFAULT WHERE id % 50 = {}", random.below(1000), id % 50)
            }
            2 => format!("DELETE FROM t{table} WHERE id BETWEEN {id} AND {id} + 3"),
            3 => format!("UPDATE t{table} SET id = id + 5000 + {} WHERE id = {id}", random.below(1000) * 10_000),
            _ => format!("UPDATE t{table} SET body = repeat('{id}', 900) WHERE id BETWEEN {id} AND {id} + 5"),
        };
        statements.push(statement);
    }
    if mode == SyncMode::ChangeDataCapture && random.below(15) == 0 {
        statements.push("TRUNCATE t2".to_owned());
    }
    // Some of it in one transaction, some not.
    let together = random.below(2) == 0;
    for statement in &statements {
        if !together {
            database.execute(statement);
        }
    }
    if together {
        database.execute(&statements.join("; "));
    }
}

/// One try at a sync that is interrupted somewhere, or comes to its end before. True at the end.
fn attempt(
    lake: &mut Lake,
    database: &Database<'_>,
    task: &str,
    interruption: Interruption,
    random: &mut Random,
    proxy: &Proxy,
) -> bool {
    let events = random.below(14);
    if interruption == Interruption::Network {
        proxy.break_after(random.below(400_000) as i64);
    }
    let mut run = lake.open(database, task);
    let mut taken = 0;
    let ended = loop {
        if taken == events {
            match interruption {
                Interruption::Host => break false,
                Interruption::Source => database.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'asgard' AND datname = current_database()",
                ),
                Interruption::Network => {}
            }
        }
        taken += 1;
        match run.next_event() {
            Ok(event) => {
                if !lake.take(event, task) {
                    break true;
                }
            }
            Err(error) => {
                assert!(matches!(error, asgard_sdk::Error::Unavailable(_)), "{interruption:?}: {error:?}");
                break false;
            }
        }
    };
    proxy.mend();
    ended
}

fn is_the_same_as_undisturbed(mode: SyncMode, name: &str) {
    let server = Server::shared();
    let tables = (0..3).map(|table| {
        format!(
            "CREATE TABLE t{table} (id bigint PRIMARY KEY, note text, body text, at timestamptz DEFAULT clock_timestamp());
             ALTER TABLE t{table} ALTER body SET STORAGE EXTERNAL;
             INSERT INTO t{table} SELECT n, 'note', repeat('x', 3000) FROM generate_series(1, 400) n;"
        )
    });
    let database = server.database(name, &tables.collect::<String>());
    let proxy = Proxy::start(server.port()).unwrap();
    let method = if mode == SyncMode::ChangeDataCapture { "CDC" } else { "Standard" };
    let database = database.with(json::json!({"replication_method": {"method": method}}));
    let streams = database.selections(mode);
    provision(&database.network, &database.ingestion(streams.clone())).unwrap();
    let database = database.with(json::json!({"port": proxy.port()}));

    let mut random = Random(SEED);
    let mut lake = Lake::new(streams.clone());
    let mut task = lake.next_task();
    let mut counts = std::collections::BTreeMap::new();
    let mut syncs = 0;
    while counts.values().sum::<u32>() < INTERRUPTIONS {
        change(&database, &mut random, mode);
        let kinds = [Interruption::Host, Interruption::Source, Interruption::Network];
        let interruption = kinds[random.below(3) as usize];
        if attempt(&mut lake, &database, &task, interruption, &mut random, &proxy) {
            task = lake.next_task();
            syncs += 1;
        } else {
            *counts.entry(interruption).or_insert(0) += 1;
        }
    }
    // The task that was interrupted last is taken up again, and then there is another one.
    assert!(
        attempt(&mut lake, &database, &task, Interruption::Host, &mut Random(u64::MAX), &proxy) || {
            let mut run = lake.open(&database, &task);
            while lake.take(run.next_event().unwrap(), &task) {}
            true
        }
    );
    lake.sync(&database).unwrap();
    eprintln!("{name}: {counts:?}, {syncs} syncs came to their end on the way");

    let mut undisturbed = Lake::new(database.selections(SyncMode::FullRefreshOverwrite));
    undisturbed.sync(&database).unwrap();
    for table in 0..3 {
        assert_eq!(lake.rows(table).len(), undisturbed.rows(table).len(), "{name} t{table}");
        assert!(lake.rows(table) == undisturbed.rows(table), "{name} t{table} has other rows");
    }
    assert_eq!(counts.len(), 3, "{counts:?}");
}

#[test]
fn a_full_refresh_survives_all_interruptions() {
    is_the_same_as_undisturbed(SyncMode::FullRefreshOverwrite, "interrupted_refresh");
}

#[test]
fn an_incremental_merge_survives_all_interruptions() {
    is_the_same_as_undisturbed(SyncMode::IncrementalMerge, "interrupted_merge");
}

#[test]
fn change_data_capture_survives_all_interruptions() {
    is_the_same_as_undisturbed(SyncMode::ChangeDataCapture, "interrupted_capture");
}
