//! Change data capture: changes a second that one sync carries over, beside `pg_recvlogical` that throws the same changes away;
//! and how old the newest row is that can be read, while changes come at half that rate.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::lab::Lab;
use super::{Measurement, process, quantile};
use crate::shell::say;

const ROWS: u64 = 100_000;

/// Rounds over all rows: most changes are updates, as in most tables.
const ROUNDS: u64 = 10;

/// Changes a second that a busy application makes.
const EVERYDAY: f64 = 1000.0;

/// How long the lag is watched.
const WATCHED: Duration = Duration::from_secs(30);

/// A writer at a steady rate commits so often.
const TICK: Duration = Duration::from_millis(100);

const WITHIN: Duration = Duration::from_secs(900);

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let lab = Lab::start("bench-cdc", &[("wal_level", "logical"), ("max_wal_size", "4GB")])?;
    lab.execute(&format!(
        "CREATE SCHEMA bench; CREATE TABLE bench.accounts (id bigint PRIMARY KEY, owner text, balance bigint, changed timestamptz);
         INSERT INTO bench.accounts SELECT id, 'owner ' || id, 0, clock_timestamp() FROM generate_series(1, {ROWS}) id"
    ))?;
    let ingestion = lab.ingest("CDC")?;
    let copied = lab.ended(&ingestion)?;
    ensure!(copied == ROWS, "{copied} rows were copied");
    lab.execute("CREATE PUBLICATION peer FOR TABLE bench.accounts")?;
    // By itself: a slot is not made in a transaction that has written.
    lab.execute("SELECT pg_create_logical_replication_slot('peer', 'pgoutput')")?;

    let changes = ROWS * ROUNDS;
    say(&format!("making {changes} changes"));
    for round in 0..ROUNDS {
        lab.execute(&format!(
            "UPDATE bench.accounts SET balance = balance + {round}, changed = clock_timestamp();
             DELETE FROM bench.accounts WHERE id % 1000 = {round}"
        ))?;
    }
    say("carrying them over");
    let (_, ours) = process::of_host(&lab.host, || lab.sync(&ingestion))?;

    say("pg_recvlogical");
    let end = lab.runtime.block_on(async {
        let client = lab.server()?.connect(lab.server()?.database()).await?;
        anyhow::Ok(client.query_one("SELECT pg_current_wal_lsn()::text", &[]).await?.get::<_, String>(0))
    })?;
    let uri = lab.uri()?;
    let mut peer = Command::new("pg_recvlogical");
    peer.args(["--dbname", &uri, "--slot", "peer", "--start", "--no-loop", "--endpos", &end, "--file", "/dev/null"]);
    peer.args(["--option", "proto_version=1", "--option", "publication_names=peer"]);
    let folder = lab.peer_folder("peer")?;
    let (theirs, _) = process::run(&mut peer, &folder, WITHIN)?.context("pg_recvlogical did not come to the end")?;
    lab.execute("SELECT pg_drop_replication_slot('peer')")?;

    let rate = changes as f64 / ours.seconds;
    let carried = Measurement::new(
        "cdc_rate",
        rate,
        Some(changes as f64 / theirs.seconds),
        "pg_recvlogical to /dev/null",
        "changes/s",
    );
    let mut measurements = vec![carried.with_costs(ours, Some(theirs)).with_rows(changes)];
    for (rate, [p50, max]) in [
        (rate / 2.0, ["cdc_lag_p50 at half of that", "cdc_lag_max at half of that"]),
        (EVERYDAY, ["cdc_lag_p50 at 1,000/s", "cdc_lag_max at 1,000/s"]),
    ] {
        let (mut lags, written) = lags(&lab, &ingestion, rate)?;
        lags.sort_by(f64::total_cmp);
        let lag = |name, share| Measurement::new(name, quantile(&lags, share), None, "", "s").at(written);
        measurements.extend([lag(p50, 0.5), lag(max, 1.0)]);
    }
    Ok(measurements)
}

/// Syncs one after the other while changes come at a rate; after each, how old its newest change was. Beside them, the changes a
/// second that the source really made: a busy one makes fewer.
fn lags(lab: &Lab, ingestion: &str, rate: f64) -> Result<(Vec<f64>, f64)> {
    let per_tick = (rate * TICK.as_secs_f64()).max(1.0) as u64;
    say(&format!("changes at {rate:.0} a second, syncs one after the other"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let start = Instant::now();
            let mut ticks = 0;
            while !done.load(Ordering::Relaxed) {
                let from = ticks * per_tick % ROWS;
                lab.execute(&format!(
                    "UPDATE bench.accounts SET balance = balance + 1, changed = clock_timestamp()
                     WHERE id > {from} AND id <= {from} + {per_tick}"
                ))?;
                ticks += 1;
                std::thread::sleep((TICK * u32::try_from(ticks)?).saturating_sub(start.elapsed()));
            }
            anyhow::Ok((ticks * per_tick) as f64 / start.elapsed().as_secs_f64())
        });
        let watched = watch(lab, ingestion);
        done.store(true, Ordering::Relaxed);
        let written = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?;
        Ok((watched?, written?))
    })
}

fn watch(lab: &Lab, ingestion: &str) -> Result<Vec<f64>> {
    let (start, mut lags) = (Instant::now(), Vec::new());
    while start.elapsed() < WATCHED {
        lab.sync(ingestion)?;
        let newest = lab.client.send(
            "POST",
            "/lakehouse/query",
            Some(&serde_json::json!({"sql": "SELECT CAST(to_unixtime(MAX(changed)) AS DOUBLE) AS newest FROM iceberg.bronze.accounts"})),
            &[],
        )?;
        let newest =
            newest.body["rows"][0]["newest"].as_f64().with_context(|| format!("no newest row: {}", newest.body))?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
        lags.push(now - newest);
    }
    Ok(lags)
}
