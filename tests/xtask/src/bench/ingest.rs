//! PostgreSQL to Iceberg: three million rows of twelve columns through the `postgres` connector, beside `psql` that throws the
//! same rows away, and beside what Python users take for the same. `PyAirbyte` is none of them: its source-postgres is a container
//! image, which no package registry has.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::lab::{Lab, script};
use super::{Measurement, process};
use crate::python;
use crate::shell::say;

const ROWS: u64 = 3_000_000;

/// Longer than the slowest of them by far.
const WITHIN: Duration = Duration::from_secs(1800);

const CONNECTORX: [&str; 2] = ["connectorx==0.4.6", "pyarrow==26.0.1"];

const DLT: [&str; 3] = ["dlt[sql-database,filesystem]==1.31.0", "psycopg2-binary==2.9.13", "pyarrow==26.0.1"];

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let connectorx = python::environment("bench-connectorx", &CONNECTORX)?;
    let dlt = python::environment("bench-dlt", &DLT)?;
    let lab = Lab::start("bench-ingest", &[("max_wal_size", "4GB")])?;
    say(&format!("making {ROWS} rows"));
    lab.execute(&table(ROWS))?;
    // Each by itself: neither runs within a script's transaction.
    lab.execute("VACUUM ANALYZE bench.orders")?;
    lab.execute("CHECKPOINT")?;

    say("reading them into the lakehouse");
    let (copied, ours) = process::of_host(&lab.host, || lab.ended(&lab.ingest("Standard")?))?;
    ensure!(copied == ROWS, "{copied} rows were copied");

    let uri = lab.uri()?;
    let mut psql = Command::new("psql");
    psql.args(["--quiet", "--no-psqlrc", &uri, "--command", r"\copy bench.orders to /dev/null"]);
    let python = |interpreter, name: &str| {
        let mut command = Command::new(interpreter);
        command.arg(script(name)).arg(&uri);
        command
    };
    let peers = [
        ("psql copy to /dev/null", psql),
        ("ConnectorX and pyarrow", python(connectorx, "connectorx_rows.py")),
        ("dlt", python(dlt, "dlt_rows.py")),
    ];
    let mut measurements = Vec::new();
    for (name, mut command) in peers {
        say(name);
        let folder = lab.peer_folder("peer")?;
        let ended = process::run(command.current_dir(&folder), &folder, WITHIN)?;
        let (theirs, _) = ended.with_context(|| format!("{name} took longer than {} s", WITHIN.as_secs()))?;
        std::fs::remove_dir_all(folder)?;
        let measurement = Measurement::new("ingest", ours.seconds, Some(theirs.seconds), name, "s");
        measurements.push(measurement.with_costs(ours, Some(theirs)).with_rows(ROWS));
    }
    Ok(measurements)
}

/// A table of a dozen columns of the usual types.
fn table(rows: u64) -> String {
    format!(
        "CREATE SCHEMA bench;
         CREATE TABLE bench.orders AS SELECT
            id::bigint AS id, (id % 1000)::int AS customer, (id % 7)::smallint AS kind,
            (id * 0.37)::double precision AS weight, ((id % 100000) / 100.0)::numeric(12, 2) AS price,
            'order ' || id AS label, md5(id::text) AS digest, repeat('x', (id % 20)::int) AS note, id % 2 = 0 AS done,
            date '2020-01-01' + (id % 2000)::int AS day, timestamp '2020-01-01' + id * interval '1 second' AS made,
            timestamptz '2020-01-01 00:00+00' + id * interval '1 second' AS changed
         FROM generate_series(1, {rows}) id;
         ALTER TABLE bench.orders ADD PRIMARY KEY (id)"
    )
}
