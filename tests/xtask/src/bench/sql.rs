//! Statements of SQL: the journey's silver and gold ones over a million work orders, and TPC-H at scale factor 1, beside DuckDB, Sail
//! and Spark on the files that our tables are made of.
//!
//! Each statement runs a few times and its least time counts: the journey's two with what they write, TPC-H's with its rows handed
//! over. Ours go through the API, the peers' through their Python clients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use asgard_journey::client::Client;
use asgard_journey::host::Host;
use asgard_journey::source::FactorySource;
use asgard_journey::steps::{GOLD_SQL, Journey, SILVER_SQL};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Measurement;
use super::lab::{gold, script};
use super::process::{self, Costs};
use crate::build::{self, Profile};
use crate::shell::{emptied, say};
use crate::{live, python};

const SCALE: u32 = 1;
const ROUNDS: usize = 3;

/// The journey has 15,000 work orders: so many times as many are near a million.
const TIMES: usize = 64;

const TABLES: [&str; 8] = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// A peer that needs longer than this has failed.
const WITHIN: Duration = Duration::from_secs(1800);

const DUCKDB: [&str; 2] = ["duckdb==1.5.5", "duckdb-extension-tpch==1.5.5"];
const SAIL: [&str; 2] = ["pysail==0.7.2", "pyspark-client==4.1.3"];

/// What peers are told to do.
#[derive(Serialize)]
struct Plan {
    rounds: usize,
    tables: BTreeMap<String, Vec<PathBuf>>,
    statements: Vec<Statement>,
}

#[derive(Serialize)]
struct Statement {
    name: String,
    sql: BTreeMap<&'static str, String>,
    write: bool,
}

/// What a peer did.
#[derive(Debug, Default, Deserialize)]
struct Done {
    seconds: BTreeMap<String, f64>,
    rows: BTreeMap<String, Option<u64>>,
    #[serde(default)]
    rss_mb: f64,
}

pub(super) fn measure() -> Result<Vec<Measurement>> {
    let duckdb = python::environment("bench-duckdb", &DUCKDB)?;
    let sail = python::environment("bench-sail", &SAIL)?;
    let spark = live::spark()?;
    let built = build::everything(Profile::Release)?;
    let folder = emptied("bench-sql")?;
    let generated = folder.join("tpch");
    std::fs::create_dir_all(&generated)?;
    say(&format!("generating TPC-H at scale factor {SCALE}"));
    let mut generate = Command::new(&duckdb);
    generate.arg(script("tpch.py")).arg(&generated).arg(SCALE.to_string());
    let (_, queries) = process::run(&mut generate, &folder, WITHIN)?.context("nothing was generated in time")?;
    let queries: Vec<String> = serde_json::from_str(&queries).context("the queries are no JSON")?;

    let host = Host::start_light(&built, &folder.join("host"), 0)?;
    let client = host.client();
    load(&host, &client, &generated)?;
    let plan = plan(&host, &client, &queries)?;
    let file = folder.join("plan.json");
    std::fs::write(&file, serde_json::to_vec(&plan)?)?;

    say("our statements");
    let (ours, costs) = process::of_host(&host, || own(&client, &plan))?;
    host.stop()?;
    let mut found = Vec::new();
    for (name, mut command) in [
        ("duckdb", peer(&duckdb, "duckdb", &folder, &file)),
        ("sail", peer(&sail, "sail", &folder, &file)),
        ("spark", spark.command(&script("sql_statements.py"), &folder, &["spark", &file.to_string_lossy()])?),
    ] {
        say(&format!("{name}'s statements"));
        let (_, printed) =
            process::run(&mut command, &folder, WITHIN)?.with_context(|| format!("{name} took too long"))?;
        let theirs: Done = serde_json::from_str(printed.lines().last().unwrap_or_default())
            .with_context(|| format!("{name} printed `{printed}`"))?;
        found.extend(compared(name, &ours, costs, &theirs)?);
    }
    Ok(found)
}

/// The journey's work orders, many times, and TPC-H's tables.
fn load(host: &Host, client: &Client, generated: &Path) -> Result<()> {
    say("loading the tables");
    let factory = FactorySource::start(&host.data().join("source"))?;
    let mut journey = Journey::new(client, &|_| {});
    journey.ingest(&factory.source())?;
    let numbers = (0..TIMES).map(|number| format!("({number})")).collect::<Vec<_>>().join(", ");
    let many = format!("SELECT o.* FROM bronze.work_orders o CROSS JOIN (VALUES {numbers}) AS t (n)");
    gold(client, &table("work_orders_many", &many))?;
    let mut environment = client.get("/environments/local")?["document"].clone();
    environment["silver"]["grants"]["files"] = json!([generated]);
    let applied = client.send("PUT", "/environments/local", Some(&environment), &[])?;
    ensure!(applied.status == 200, "{}", applied.body);
    for table in TABLES {
        let file = format!("file://{}/{table}.parquet", generated.display());
        silver(client, "SELECT * FROM source_data", &file, table)?;
    }
    Ok(())
}

fn silver(client: &Client, sql: &str, source: &str, table: &str) -> Result<()> {
    let run = client.post("/spark/transform", &json!({"sql": sql, "source_path": source, "table": table}))?;
    let id = run["run_id"].as_str().context("no run")?;
    loop {
        let status = client.look(&format!("/spark/transform/{id}/status"))?;
        match status["state"].as_str() {
            Some("COMPLETED") => return Ok(()),
            Some("FAILED" | "CANCELLED") => anyhow::bail!("{table}: {}", status["error_message"]),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn table(name: &str, sql: &str) -> Value {
    json!({"name": name, "sql_query": sql, "materialization": "table"})
}

/// The journey's two statements with what they read, as each engine has the words, and TPC-H.
fn plan(host: &Host, client: &Client, queries: &[String]) -> Result<Plan> {
    // Gold reads what silver wrote.
    silver(client, SILVER_SQL, "gold.work_orders_many", "work_orders")?;
    let mut tables = BTreeMap::new();
    tables.insert("source_data".to_owned(), files(host, client, "gold", "work_orders_many")?);
    tables.insert("work_orders".to_owned(), files(host, client, "silver", "work_orders")?);
    for table in TABLES {
        tables.insert(table.to_owned(), files(host, client, "silver", table)?);
    }
    let of_all = |text: &str| ["duckdb", "sail", "spark"].map(|engine| (engine, text.to_owned()));
    let mut silver_sql = BTreeMap::from(of_all(SILVER_SQL));
    silver_sql.insert("duckdb", SILVER_SQL.replace("unix_seconds(", "epoch(").replace("CURRENT_TIMESTAMP()", "now()"));
    let mut gold_sql = BTreeMap::from(of_all(&GOLD_SQL.replace("iceberg.silver.", "")));
    for engine in ["sail", "spark"] {
        gold_sql.entry(engine).and_modify(|sql| *sql = sql.replace("DATE_DIFF('day'", "DATEDIFF(DAY"));
    }
    let mut statements = vec![
        Statement { name: "silver".to_owned(), sql: silver_sql, write: true },
        Statement { name: "gold".to_owned(), sql: gold_sql, write: true },
    ];
    for (index, sql) in queries.iter().enumerate() {
        let sql = BTreeMap::from(of_all(sql.trim().trim_end_matches(';')));
        statements.push(Statement { name: format!("tpch_{:02}", index + 1), sql, write: false });
    }
    Ok(Plan { rounds: ROUNDS, tables, statements })
}

/// Of a table that was written once: what lies in its folder is what it has.
fn files(host: &Host, client: &Client, namespace: &str, name: &str) -> Result<Vec<PathBuf>> {
    let details = client.get(&format!("/lakehouse/tables/{namespace}/{name}"))?;
    let location = details["location"].as_str().context("a table without a place")?;
    let folder = PathBuf::from(location.trim_start_matches("file://")).join("data");
    let folder = if folder.is_absolute() { folder } else { host.data().join(folder) };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    files.sort();
    ensure!(!files.is_empty(), "{} has no files", folder.display());
    Ok(files)
}

fn own(client: &Client, plan: &Plan) -> Result<Done> {
    let views: Vec<String> =
        TABLES.iter().map(|table| format!("CREATE TEMPORARY VIEW {table} AS SELECT * FROM silver.{table};")).collect();
    let views = views.join("\n");
    let mut done = Done::default();
    for statement in &plan.statements {
        for _ in 0..plan.rounds {
            let start = Instant::now();
            let rows = match statement.name.as_str() {
                "silver" => silver(client, SILVER_SQL, "gold.work_orders_many", "work_orders_again").map(|()| None)?,
                "gold" => gold(client, &table("operator_efficiency", GOLD_SQL)).map(|_| None)?,
                name => {
                    let sql = format!("{views}\n{}", statement.sql["spark"]);
                    let body = json!({"dialect": "spark", "sql": sql, "max_rows": 10_000});
                    let answer: Value = client
                        .post("/lakehouse/query", &body)
                        .with_context(|| format!("{name}: {}", statement.sql["spark"]))?;
                    // More are counted by peers alone.
                    (answer["truncated"] == false).then(|| answer["row_count"].as_u64()).flatten()
                }
            };
            let took = start.elapsed().as_secs_f64();
            let least = done.seconds.entry(statement.name.clone()).or_insert(took);
            *least = least.min(took);
            done.rows.insert(statement.name.clone(), rows);
        }
    }
    Ok(done)
}

fn peer(python: &Path, engine: &str, folder: &Path, plan: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(script("sql_statements.py")).arg(folder).arg(engine).arg(plan);
    command
}

/// The journey's two, and the sum of TPC-H's; every query of it goes to standard error.
fn compared(peer: &'static str, ours: &Done, costs: Costs, theirs: &Done) -> Result<Vec<Measurement>> {
    let of = |done: &Done, name: &str| done.seconds.get(name).copied().with_context(|| format!("{name} was not run"));
    let mut sums = (0.0, 0.0);
    for name in ours.seconds.keys().filter(|name| name.starts_with("tpch")) {
        let (our, their) = (of(ours, name)?, of(theirs, name)?);
        if let (Some(Some(our)), Some(Some(their))) = (ours.rows.get(name), theirs.rows.get(name)) {
            ensure!(our == their, "{name}: {our} rows here, {their} by {peer}");
        }
        say(&format!("{name} {our:.3} s   {peer}: {their:.3} s   ratio {:.2}", our / their));
        sums = (sums.0 + our, sums.1 + their);
    }
    let measured = |name, seconds: f64, peers: f64| {
        let mut measurement = Measurement::new(name, seconds, Some(peers), peer, "s").with_rss(costs.rss_mb);
        measurement.peer_rss_mb = Some(theirs.rss_mb);
        measurement
    };
    Ok(vec![
        measured("sql_silver", of(ours, "silver")?, of(theirs, "silver")?),
        measured("sql_gold", of(ours, "gold")?, of(theirs, "gold")?),
        measured("sql_tpch", sums.0, sums.1),
    ])
}
