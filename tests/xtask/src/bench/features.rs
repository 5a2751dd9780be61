//! Features beside Feast's own, on the same rows: joins of a million entity rows as of their times, beside Feast's file store and its
//! store on DuckDB; and fifty features of one entity as they are now, beside its feature server on SQLite. Answers that differ end it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::ports::free_port;
use serde_json::{Value, json};

use super::lab::{self, catalog, numbers, script};
use super::process::Costs;
use super::{Measurement, process, quantile};
use crate::build::{self, Profile};
use crate::live;
use crate::shell::{emptied, say};

/// Digits of the number of rows of features, and of entity rows: a million.
const DIGITS: u32 = 6;
/// Each has five rows of features.
const SENSORS: u64 = 10_u64.pow(DIGITS) / 5;
const JOINED: usize = 20;

/// Digits of the number of entities online.
const DIGITS_ONLINE: u32 = 4;
const ONLINE: usize = 50;

const WARM_UP: usize = 50;
const CALLS: usize = 2000;
const ROUNDS: usize = 5;

/// Feast's stores, by their names in its configuration.
const STORES: [(&str, &str); 2] = [("file", "Feast, file store"), ("duckdb", "Feast, DuckDB store")];

/// A store that needs longer than this is told to have needed longer.
const WITHIN: Duration = Duration::from_secs(1800);

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let built = build::everything(Profile::Release)?;
    let python = live::feast()?;
    let folder = emptied("bench-features")?;
    let host = Host::start_light(&built, &folder.join("host"), 0)?;
    let client = host.client();
    make_rows(&client)?;
    let repository = folder.join("feast");
    std::fs::create_dir_all(&repository)?;
    let feast = Feast { python: &python, folder: &repository };
    say("the same rows for Feast");
    let counts = [JOINED.to_string(), ONLINE.to_string()];
    feast
        .run("prepare", &[&catalog(&host)?.to_string_lossy(), &counts[0], &counts[1]])?
        .context("no rows for Feast")?;
    let mut measurements = historical(&host, &feast)?;
    measurements.extend(online(&host, &feast)?);
    host.stop()?;
    Ok(measurements)
}

/// Feast in a folder of its own.
struct Feast<'a> {
    python: &'a Path,
    folder: &'a Path,
}

impl Feast<'_> {
    /// A step of the script, with what it printed. None: it took too long.
    fn run(&self, step: &str, arguments: &[&str]) -> Result<Option<(Costs, String)>> {
        let mut command = Command::new(self.python);
        command.arg(script("feast_features.py")).arg(step).args(arguments).current_dir(self.folder);
        process::run(quiet(&mut command), self.folder, WITHIN)
    }

    /// Its feature server, once it answers.
    fn serve(&self) -> Result<(Child, String)> {
        let port = free_port()?.to_string();
        let mut command = Command::new(self.python.with_file_name("feast"));
        command.args(["serve", "--host", "127.0.0.1", "--port", &port, "--no-access-log"]).current_dir(self.folder);
        // Its workers keep a socket there.
        quiet(&mut command).env("HOME", self.folder).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = command.spawn().context("Feast's feature server does not start")?;
        let base = format!("http://127.0.0.1:{port}");
        if let Err(error) = super::serve::answers(&mut server, &base, "/health") {
            end(&mut server)?;
            return Err(error);
        }
        Ok((server, base))
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.envs([("FEAST_USAGE", "False"), ("DO_NOT_TRACK", "true"), ("PYTHONWARNINGS", "ignore"), ("TZ", "UTC")])
}

/// Asked to end, it ends its workers too.
fn end(server: &mut Child) -> Result<()> {
    Command::new("kill").args(["-TERM", &server.id().to_string()]).status()?;
    server.wait()?;
    Ok(())
}

/// Whole eighths, so that sums of them are the same in whatever order.
fn columns(count: usize) -> String {
    let column = |at| format!("CAST((n * {at} + {at}) % 10007 AS DOUBLE) / 8 AS {}", feature(at));
    (1..=count).map(column).collect::<Vec<_>>().join(", ")
}

fn feature(at: usize) -> String {
    format!("f{at:02}")
}

fn make_rows(client: &Client) -> Result<()> {
    say("making the rows");
    let moment = |seconds: &str| {
        format!("CAST(from_unixtime(CAST(1735689600 + {seconds} AS DOUBLE)) AS TIMESTAMP(6) WITH TIME ZONE)")
    };
    let of = |digits, selected: String| format!("SELECT {selected} FROM ({}) AS t (n)", numbers(digits));
    let seen = moment(&format!("(n / {SENSORS}) * 86400 + n % 86400"));
    // No row comes twice, and each is later than its sensor's first: Feast's file store leaves out what it has no features for, and
    // answers a row that comes twice once.
    let asked = moment("86400 + (n * 104729) % 345600");
    let tables = [
        ("readings", of(DIGITS, format!("n % {SENSORS} AS sensor, {seen} AS seen, {}", columns(JOINED)))),
        ("asked", of(DIGITS, format!("(n * 7919) % {SENSORS} AS sensor, {asked} AS event_timestamp"))),
        ("states", of(DIGITS_ONLINE, format!("n AS sensor, {} AS seen, {}", moment("n"), columns(ONLINE)))),
    ];
    for (name, sql) in tables {
        lab::gold(client, &json!({"name": name, "sql_query": sql}))?;
    }
    for (name, count, online) in [("readings", JOINED, false), ("states", ONLINE, true)] {
        let features: Vec<Value> = (1..=count).map(|at| json!({"name": feature(at), "dtype": "float64"})).collect();
        let view = json!({"name": name, "entities": ["sensor"], "features": features, "online": online, "ttl_seconds": 0,
            "source": {"table_name": name, "timestamp_field": "seen"}});
        let made = client.post("/feast/features", &view)?;
        ensure!(!online || made["status"] == "materialized", "`{name}` is not online: {made}");
    }
    Ok(())
}

/// Each leaves the joined rows in a file of Parquet.
fn historical(host: &Host, feast: &Feast<'_>) -> Result<Vec<Measurement>> {
    say("joining");
    let client = host.client();
    let rows = 10_u64.pow(DIGITS);
    let request = json!({"features": ["readings"], "entities": "gold.asked", "output_table": "joined"});
    let (made, ours) = process::of_host(host, || client.post("/feast/features/historical", &request))?;
    ensure!(made["row_count"] == rows, "{} rows were joined", made["row_count"]);
    let sums: Vec<String> = (1..=JOINED).map(|at| format!("SUM({})", feature(at))).collect();
    let sql = format!(
        "SELECT COUNT(*) AS found, {} AS total FROM iceberg.gold.joined WHERE f01 IS NOT NULL",
        sums.join(" + ")
    );
    let answer = client.post("/lakehouse/query", &json!({ "sql": sql }))?;
    let (found, total) = (&answer["rows"][0]["found"], answer["rows"][0]["total"].as_f64());

    let mut measurements = Vec::new();
    for (store, name) in STORES {
        say(name);
        let Some((costs, printed)) = feast.run("historical", &[store])? else {
            say(&format!("{name} was given up after {} s", WITHIN.as_secs()));
            let measurement = Measurement::new("historical", ours.seconds, Some(WITHIN.as_secs_f64()), name, "s");
            measurements.push(measurement.with_costs(ours, None).with_rows(rows));
            continue;
        };
        let theirs = last_line(&printed)?;
        let same = theirs["rows"] == rows && theirs["found"] == *found && theirs["total"].as_f64() == total;
        ensure!(same, "{name} joins other rows: {theirs}, ours {rows}, {found} of them found, {total:?} in all");
        // Without the start of the interpreter, which a service has behind it.
        let seconds = theirs["seconds"].as_f64().with_context(|| format!("no seconds: {theirs}"))?;
        let measurement = Measurement::new("historical", ours.seconds, Some(seconds), name, "s");
        measurements.push(measurement.with_costs(ours, Some(costs)).with_rows(rows));
    }
    Ok(measurements)
}

fn last_line(printed: &str) -> Result<Value> {
    let line = printed.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("Feast printed `{line}`"))
}

fn online(host: &Host, feast: &Feast<'_>) -> Result<Vec<Measurement>> {
    say("filling Feast's online store");
    feast.run("materialise", &[])?.context("Feast did not fill its online store in time")?;
    let (mut server, base) = feast.serve()?;
    say("reading online");
    let measured = side_by_side(host, &server, &base);
    end(&mut server)?;
    measured
}

fn side_by_side(host: &Host, server: &Child, base: &str) -> Result<Vec<Measurement>> {
    let features: Vec<String> = (1..=ONLINE).map(|at| format!("states:{}", feature(at))).collect();
    let (ours, theirs) = (format!("{}/feast/features/online", host.url()), format!("{base}/get-online-features"));
    let ask_us = |sensor: usize| json!({"features": ["states"], "entities": [{"sensor": sensor}]});
    let ask_feast = |sensor: usize| json!({"features": features, "entities": {"sensor": [sensor]}});
    let client = Client::new("");
    for sensor in [0, 1, 4711] {
        let (found, expected) = (client.post(&ours, &ask_us(sensor))?, client.post(&theirs, &ask_feast(sensor))?);
        same(&found, &expected)?;
    }
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    let (mut our_costs, mut their_costs): (Option<Costs>, Option<Costs>) = (None, None);
    // Turn and turn about, so that a noisy moment of the machine meets both.
    for _ in 0..ROUNDS {
        let (times, costs) = process::of_host(host, || times(&client, &ours, ask_us))?;
        our_times.extend(times);
        our_costs = Some(our_costs.map_or(costs, |before| before.and(costs)));
        let (times, costs) = process::of_server(server, || self::times(&client, &theirs, ask_feast))?;
        their_times.extend(times);
        their_costs = Some(their_costs.map_or(costs, |before| before.and(costs)));
    }
    our_times.sort_by(f64::total_cmp);
    their_times.sort_by(f64::total_cmp);
    let our_costs = our_costs.context("nothing was read")?;
    let measurement = |name, share| {
        let peer = Some(quantile(&their_times, share));
        let measurement =
            Measurement::new(name, quantile(&our_times, share), peer, "Feast, feature server on SQLite", "ms");
        measurement.with_costs(our_costs, their_costs)
    };
    Ok(vec![measurement("online_p50", 0.5), measurement("online_p99", 0.99)])
}

/// One round: what each call took, in milliseconds. Another entity each time.
fn times(client: &Client, url: &str, body: impl Fn(usize) -> Value) -> Result<Vec<f64>> {
    let entities = 10_usize.pow(DIGITS_ONLINE);
    for call in 0..WARM_UP {
        client.post(url, &body(call % entities))?;
    }
    (0..CALLS / ROUNDS)
        .map(|call| {
            let body = body(call * 7919 % entities);
            let start = Instant::now();
            client.post(url, &body)?;
            Ok(start.elapsed().as_secs_f64() * 1000.0)
        })
        .collect()
}

/// Times of different answers say nothing.
fn same(found: &Value, expected: &Value) -> Result<()> {
    let names = expected["metadata"]["feature_names"].as_array().context("Feast's answer names no features")?;
    for (at, name) in names.iter().enumerate() {
        let (theirs, name) = (&expected["results"][at]["values"][0], name.as_str().unwrap_or_default());
        let ours = &found["rows"][0][name];
        let equal = name == "sensor" || (ours.is_number() && ours.as_f64() == theirs.as_f64());
        ensure!(equal, "`{name}` is {ours}, and Feast's {theirs}");
    }
    ensure!(names.len() > ONLINE, "Feast answers with {} columns", names.len());
    Ok(())
}
