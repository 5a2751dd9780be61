//! Disks that fill up or can only be read, and a database that somebody else holds: told in clear words, nothing lost, and nobody
//! needed once it has passed.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, ingest, refused, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_sync_waits_while_the_disk_of_its_tables_is_full", full_tables),
        test(world, "a_sync_waits_while_the_disk_of_its_tables_can_only_be_read", read_only_tables),
        test(world, "a_gold_model_waits_while_the_disk_of_its_table_is_full", full_gold),
        test(world, "a_full_disk_of_the_database_is_told_and_loses_nothing", full_database),
        test(world, "a_database_that_somebody_holds_is_waited_for", held_database),
        test(world, "a_host_whose_data_can_only_be_read_says_so", read_only_data),
    ]
}

/// Rows of the factory's tables.
const ROWS: u64 = 45_823;

/// A disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    fn new(folder: PathBuf, size: &str) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "none", folder.to_str().unwrap()]);
        Self(folder)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Until nothing more fits.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        while file.write_all(&[b'x'; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn may(&self, how: &str) {
        run("mount", &["-o", &format!("remount,{how}"), self.0.to_str().unwrap()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?} (as root on Linux): {said}");
}

/// A disk of its own for the tables of sinks in a host's data folder.
fn of_tables(data: &Path, size: &str) -> Disk {
    Disk::new(data.join("environments/local/sinks"), size)
}

/// The task of the sync that is under way, once it says one of these.
fn says(client: &Client, any: &[&str]) -> Value {
    until(&format!("a sync says {any:?}"), Duration::from_secs(60), || {
        let task = client.get("/tasks?kind=sync").ok()?["tasks"].get(0)?.clone();
        let events = client.get(&format!("/tasks/{}/events", task["id"].as_str()?)).ok()?.to_string();
        any.iter().any(|text| events.contains(text)).then_some(task)
    })
}

fn full_tables(world: &World) {
    let data = world.folder("disk-full");
    let disk = of_tables(&data, "16m");
    let host = world.start_light(&data).unwrap();
    let why = ["No space left on device", "disk is full"];
    waits_and_goes_on(world, &host.client(), "diskfull", &why, || disk.fill(), || disk.free());
}

fn read_only_tables(world: &World) {
    let data = world.folder("disk-read-only");
    let disk = of_tables(&data, "64m");
    let host = world.start_light(&data).unwrap();
    waits_and_goes_on(
        world,
        &host.client(),
        "diskro",
        &["Read-only file system"],
        || disk.may("ro"),
        || disk.may("rw"),
    );
}

/// A sync that cannot write says why, and copies each row once when it can.
fn waits_and_goes_on(
    world: &World,
    client: &Client,
    prefix: &str,
    why: &[&str],
    spoil: impl FnOnce(),
    mend: impl FnOnce(),
) {
    let ingestion = ingest(client, &world.source(), prefix, json!({})).unwrap();
    assert_eq!(ended_job(client, &ingestion)["status"], "succeeded");
    spoil();
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let task = says(client, why);
    assert_ne!(task["status"], "failed", "{task}");
    mend();
    let job = ended_job(client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(ROWS)), "{job}");
    let sql = format!("SELECT COUNT(*) AS orders FROM bronze.{prefix}_work_orders");
    let found = client.post("/lakehouse/query", &json!({"dialect": "spark", "sql": sql})).unwrap();
    let at_source = world.factory().rows("SELECT COUNT(*) FROM production.work_orders").unwrap();
    assert_eq!(found["rows"][0]["orders"].to_string(), at_source[0][0].clone().unwrap(), "{found}");
}

/// The disk is full when the statement comes to its end, and has room again soon after: well before anybody would give up.
fn full_gold(world: &World) {
    let data = world.folder("disk-full-gold");
    let disk = Disk::new(data.join("environments/local/lakehouse"), "32m");
    let host = world.start_light(&data).unwrap();
    let client = host.client();
    gold(&client, "before", "SELECT 1 AS one, 2 AS two").unwrap();
    disk.fill();
    let asking = std::thread::spawn({
        let client = host.client();
        let model =
            json!({"name": "waits", "sql_query": "SELECT n, n * 2 AS two FROM UNNEST(SEQUENCE(1, 10000)) AS t (n)"});
        move || client.send("POST", "/dbt/transform", Some(&model), &[])
    });
    let task = until("the model waits for room", Duration::from_secs(60), || {
        let tasks = client.get("/tasks?kind=gold").ok()?["tasks"].as_array()?.clone();
        let task = tasks.into_iter().find(|task| task["status"] == "running")?;
        let events = client.get(&format!("/tasks/{}/events", task["id"].as_str()?)).ok()?.to_string();
        let twice = events.matches("Retrying").count() > 1;
        (twice && (events.contains("No space left on device") || events.contains("disk is full"))).then_some(task)
    });
    disk.free();
    let path = format!("/tasks/{}", task["id"].as_str().unwrap());
    // The longest pause between two tries is half a minute.
    let ended = until("the model ends", Duration::from_secs(90), || {
        let task = client.get(&path).ok()?;
        task["finished_at"].is_string().then_some(task)
    });
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let _ = asking.join();
    let sql = "SELECT COUNT(*) AS rows_there, COUNT(DISTINCT n) AS numbers FROM gold.waits";
    let found = client.post("/lakehouse/query", &json!({"dialect": "trino", "sql": sql})).unwrap();
    assert_eq!(found["rows"], json!([{"rows_there": 10_000, "numbers": 10_000}]), "{found}");
}

fn full_database(world: &World) {
    let disk = Disk::new(world.folder("data-full"), "512m");
    let host = world.start_light(&disk.0).unwrap();
    let client = host.client();
    let ingestion = ingest(&client, &world.source(), "datafull", json!({})).unwrap();
    assert_eq!(ended_job(&client, &ingestion)["status"], "succeeded");
    disk.fill();
    let put = |name: &str| {
        let body = json!({"value": "x".repeat(1000)});
        client.send("PUT", &format!("/secrets/{name}"), Some(&body), &[]).unwrap()
    };
    let kept = || {
        let names = client.get("/secrets").unwrap()["secrets"].clone();
        names.as_array().unwrap().iter().filter(|name| name.as_str().unwrap().starts_with("fits")).count()
    };
    // Some fit into room that the database has already.
    let mut made = 0;
    let answer = until("a request does not fit", Duration::from_secs(60), || {
        let answer = put(&format!("fits-{made}"));
        made += usize::from(answer.status < 300);
        (answer.status >= 300).then_some(answer)
    });
    assert!(refused(&answer, 503).contains("has no room: free some space on the disk of the data folder"));
    assert_eq!(kept(), made);
    disk.free();
    until("a request fits again", Duration::from_secs(30), || (put("fits-again").status < 300).then_some(()));
    assert_eq!(kept(), made + 1);
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    assert_eq!(ended_job(&client, &ingestion)["status"], "succeeded");
}

/// Holds the database for so many seconds, from the first line of output on.
const HOLD: &str = "
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
time.sleep(float(sys.argv[2]))
connection.execute('ROLLBACK')
";

fn held_database(world: &World) {
    let data = world.folder("held");
    let host = world.start_light(&data).unwrap();
    let client = host.client();
    let ingestion = ingest(&client, &world.source(), "held", json!({})).unwrap();
    let mut holder = holding(world, &data, 12);
    let body = json!({"name": "meanwhile", "type": "local", "config": {"path": "x"}});
    let answer = client.send("POST", "/sink", Some(&body), &[]).unwrap();
    if answer.status != 201 {
        assert!(refused(&answer, 503).contains("is locked by another process"), "{}", answer.body);
        let wait = answer.header("Retry-After").expect("when to come again");
        assert!(wait.parse::<u64>().unwrap() > 0);
    }
    assert!(holder.wait().unwrap().success());
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(ROWS)), "{job}");
}

fn holding(world: &World, data: &Path, seconds: u64) -> std::process::Child {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(world.python())
        .args(["-c", HOLD, data.join("asgard.db").to_str().unwrap(), &seconds.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    child
}

fn read_only_data(world: &World) {
    let disk = Disk::new(world.folder("data-read-only"), "64m");
    disk.may("ro");
    let output = Command::new(&world.built().asgard)
        .args(["serve", "--listen", "127.0.0.1:0", "--data", disk.0.join("data").to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Read-only file system"), "{said}");
    assert!(said.contains(disk.0.to_str().unwrap()), "{said}");
}
