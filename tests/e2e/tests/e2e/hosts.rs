//! Two hosts on one PostgreSQL: they share what they remember and the work, and one does without the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asgard_journey::client::Client;
use asgard_journey::database::Database;
use asgard_journey::host::{Host, LIGHT};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, ingest_from, refused, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "what_one_host_is_told_the_other_knows", remembering),
        test(world, "of_two_hosts_that_change_one_revision_of_an_environment_one_is_refused", changed_at_once),
        test(world, "a_sync_of_a_killed_host_is_ended_by_the_other_with_every_row_once", killed),
        test(world, "a_paused_host_that_goes_on_after_its_lease_adds_nothing", paused),
        test(world, "a_gold_model_of_a_paused_host_is_ended_by_the_other_and_adds_its_rows_once", paused_gold),
        test(world, "a_statement_is_asked_about_by_the_host_that_runs_it", statement_stays),
        test(world, "a_host_that_is_stopped_hands_its_sync_to_the_other_at_once", stopped),
        test(world, "a_restart_of_the_database_is_survived_without_a_person", restarted),
        test(world, "a_database_that_can_only_be_read_is_told_until_it_can_be_written", database_read_only),
        test(world, "a_database_that_is_killed_is_told_and_found_again", database_killed),
    ]
}

/// Another host goes on within this time.
const TAKE_OVER: Duration = Duration::from_secs(15);

/// A sync of these takes a test's host several seconds.
const ROWS: u64 = 400_000;

struct Two {
    database: Database,
    hosts: [Host; 2],
}

impl Two {
    fn start(world: &World, name: &str) -> Self {
        let folder = world.folder(name);
        let database = Database::start(&folder.join("database")).unwrap();
        std::fs::write(folder.join("environment.toml"), LIGHT).unwrap();
        std::fs::write(folder.join("key"), "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=\n").unwrap();
        let hosts = ["one", "other"].map(|host| start(world, &database, &folder, host));
        Self { database, hosts }
    }

    fn clients(&self) -> [Client; 2] {
        self.hosts.each_ref().map(Host::client)
    }

    /// Starts a sync of many rows, and waits until it has written some; answers with its ingestion and the host that has it.
    fn long_sync(&self, world: &World) -> (String, usize) {
        let mut config = source_config(&world.source());
        config["schemas"] = json!(["many"]);
        let script = format!(
            "CREATE SCHEMA IF NOT EXISTS many; CREATE TABLE IF NOT EXISTS many.rows AS
                 SELECT n AS id, repeat(md5(n::text), 4) AS body FROM generate_series(1, {ROWS}) n"
        );
        world.factory().execute(&script).unwrap();
        let ingestion = ingest_from(&self.hosts[0].client(), &config, "many", json!({})).unwrap();
        let holder = until("a host syncs", Duration::from_secs(30), || {
            let owner = "SELECT lease_owner FROM tasks WHERE kind = 'sync' AND progress IS NOT NULL";
            let owner = self.database.value(owner).unwrap()?;
            self.hosts.iter().position(|host| owner.starts_with(&host.name().unwrap()))
        });
        (ingestion, holder)
    }

    /// Every row is there once, and the sync was one task that took as many leases as it had holders.
    fn all_rows_once(&self, client: &Client, ingestion: &str) {
        let job = ended_job(client, ingestion);
        assert_eq!(job["status"], "succeeded", "{job}");
        let query = json!({"dialect": "spark", "sql": "SELECT COUNT(*) AS rows, COUNT(DISTINCT id) AS ids FROM bronze.many_rows"});
        let found = client.post("/lakehouse/query", &query).unwrap();
        assert_eq!(found["rows"], json!([{"rows": ROWS, "ids": ROWS}]), "{found}");
        let syncs = self.database.value("SELECT COUNT(*) FROM tasks WHERE kind = 'sync'").unwrap();
        assert_eq!(syncs.as_deref(), Some("1"));
    }
}

fn start(world: &World, database: &Database, folder: &Path, name: &str) -> Host {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let arguments = [
        "--database-url".to_owned(),
        database.url(),
        "--shared".to_owned(),
        path("shared"),
        "--secret-key-file".to_owned(),
        path("key"),
        "--first-environment".to_owned(),
        path("environment.toml"),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Host::start_with(world.built(), &folder.join(name), 0, &arguments).unwrap()
}

fn remembering(world: &World) {
    let two = Two::start(world, "hosts-remembering");
    let [one, other] = two.clients();
    let body = json!({"name": "shared", "type": "local", "config": {"path": "shared"}});
    let key = [("Idempotency-Key", "two-hosts")];
    let made = one.send("POST", "/sink", Some(&body), &key).unwrap();
    let again = other.send("POST", "/sink", Some(&body), &key).unwrap();
    assert_eq!((made.status, again.status), (201, 201), "{} {}", made.body, again.body);
    assert_eq!(made.body, again.body);
    assert_eq!(other.get(&format!("/sink/{}", made.body["id"].as_str().unwrap())).unwrap()["name"], "shared");

    one.send("PUT", "/secrets/erp", Some(&json!({"value": "hunter2"})), &[]).unwrap();
    assert_eq!(other.get("/secrets").unwrap()["secrets"], json!(["erp"]));

    let mut document = one.get("/environments/local").unwrap()["document"].clone();
    document["description"] = json!("changed on one host");
    let changed = one.send("PUT", "/environments/local", Some(&document), &[]).unwrap();
    assert_eq!(changed.status, 200, "{}", changed.body);
    until("the other host follows", Duration::from_secs(5), || {
        let seen = other.get("/environments/local").ok()?;
        (seen["description"] == "changed on one host" && seen["revision"] == changed.body["revision"]).then_some(())
    });

    let model = json!({"name": "made_by_one", "sql_query": "SELECT 1 AS one, 2 AS two"});
    assert_eq!(one.post("/dbt/transform", &model).unwrap()["status"], "completed");
    let model = json!({"name": "read_by_other", "sql_query": "SELECT two FROM {{ ref('made_by_one') }}"});
    assert_eq!(other.post("/dbt/transform", &model).unwrap()["row_count"], 1);
}

fn changed_at_once(world: &World) {
    let two = Two::start(world, "hosts-changed-at-once");
    let local = two.hosts[0].client().get("/environments/local").unwrap();
    let first = local["revision"].as_i64().unwrap();
    for revision in first..first + 5 {
        let path = format!("/environments/local?expected_revision={revision}");
        let statuses = std::thread::scope(|scope| {
            let changes = [0, 1].map(|host| {
                let (client, path, mut document) = (two.hosts[host].client(), &path, local["document"].clone());
                document["description"] = json!(format!("{revision}, by host {host}"));
                scope.spawn(move || client.send("PUT", path, Some(&document), &[]).unwrap().status)
            });
            let mut statuses = changes.map(|change| change.join().unwrap());
            statuses.sort_unstable();
            statuses
        });
        assert_eq!(statuses, [200, 409], "from revision {revision}");
    }
}

fn killed(world: &World) {
    let mut two = Two::start(world, "hosts-killed");
    let (ingestion, holder) = two.long_sync(world);
    two.hosts[holder].crash().unwrap();
    taken_over(&two, holder, Instant::now());
    two.all_rows_once(&two.hosts[1 - holder].client(), &ingestion);
    // What is over comes back as itself, and takes nothing away.
    two.hosts[holder].restart().unwrap();
    two.all_rows_once(&two.hosts[holder].client(), &ingestion);
}

fn taken_over(two: &Two, from: usize, since: Instant) {
    let by = two.hosts[1 - from].name().unwrap();
    until("the other host takes over", TAKE_OVER + Duration::from_secs(5), || {
        let taken = format!(
            "SELECT id FROM tasks WHERE kind = 'sync' AND lease_token > 1
                 AND (lease_owner LIKE '{by}/%' OR finished_at IS NOT NULL)"
        );
        two.database.value(&taken).unwrap()
    });
    assert!(since.elapsed() < TAKE_OVER, "it took {:?}", since.elapsed());
}

fn paused(world: &World) {
    let two = Two::start(world, "hosts-paused");
    let (ingestion, holder) = two.long_sync(world);
    two.hosts[holder].pause().unwrap();
    taken_over(&two, holder, Instant::now());
    let other = two.hosts[1 - holder].client();
    // In the middle of the other's work, where a stale write would hurt most.
    two.hosts[holder].resume().unwrap();
    let resumed = two.hosts[holder].client();
    until("the resumed host answers", Duration::from_secs(20), || resumed.get("/ready").ok());
    two.all_rows_once(&other, &ingestion);
    let task = other.get("/tasks?kind=sync").unwrap()["tasks"][0].clone();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(resumed.get("/tasks?kind=sync").unwrap()["tasks"][0], task, "an ended task stays as it is");
    two.all_rows_once(&resumed, &ingestion);
}

/// A lease runs out within this time.
const LEASE: Duration = Duration::from_secs(11);

fn paused_gold(world: &World) {
    let two = Two::start(world, "hosts-paused-gold");
    let [asked, other] = two.clients();
    let model = |sql: &str| json!({"name": "grown", "materialization": "incremental", "sql_query": sql});
    let first = asked.post("/dbt/transform", &model("SELECT CAST(0 AS BIGINT) AS n")).unwrap();
    assert_eq!(first["status"], "completed", "{first}");
    let numbers = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS";
    let tables: Vec<String> = (0..9).map(|n| format!("{numbers} t{n} (x{n})")).collect();
    let slow = model(&format!("SELECT COUNT(*) AS n FROM {} WHERE x0 * x8 > 3 * x5 + x1", tables.join(", ")));
    // Answers when the host is resumed.
    let asking = std::thread::spawn({
        let client = two.hosts[0].client();
        move || client.send("POST", "/dbt/transform", Some(&slow), &[])
    });
    let task = until("the model runs", Duration::from_secs(30), || {
        let task = other.get("/tasks?kind=gold&status=running").ok()?["tasks"].get(0)?.clone();
        task["id"].as_str().map(str::to_owned)
    });
    two.hosts[0].pause().unwrap();
    let since = Instant::now();
    let by = two.hosts[1].name().unwrap();
    until("the other host takes over", TAKE_OVER + Duration::from_secs(5), || {
        let taken = format!(
            "SELECT id FROM tasks WHERE id = '{task}' AND (lease_owner LIKE '{by}/%' OR finished_at IS NOT NULL)"
        );
        two.database.value(&taken).unwrap()
    });
    std::thread::sleep(LEASE.saturating_sub(since.elapsed()));
    two.hosts[0].resume().unwrap();
    let ended = until("the model ends", Duration::from_secs(300), || {
        let task = other.get(&format!("/tasks/{task}")).ok()?;
        task["finished_at"].is_string().then_some(task)
    });
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let _ = asking.join();
    // Time for what the resumed host still had in hand.
    std::thread::sleep(Duration::from_secs(5));
    for client in [&asked, &other] {
        let sql = "SELECT COUNT(*) AS rows_there, COUNT(DISTINCT n) AS counts FROM gold.grown";
        let found = client.post("/lakehouse/query", &json!({"dialect": "trino", "sql": sql})).unwrap();
        assert_eq!(found["rows"], json!([{"rows_there": 2, "counts": 2}]), "{found}");
        assert_eq!(client.get(&format!("/tasks/{task}")).unwrap(), ended, "an ended task stays as it is");
    }
}

/// Takes seconds, with a poll every second or sooner.
fn slow_statement() -> String {
    let numbers = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS";
    let tables: Vec<String> = (0..8).map(|n| format!("{numbers} t{n} (x{n})")).collect();
    format!("SELECT COUNT(*) AS n FROM {} WHERE x0 * x7 > 3 * x5 + x1", tables.join(", "))
}

/// Both hosts are idle and would take every step; a host that does not run a statement would have to begin it anew.
fn statement_stays(world: &World) {
    let two = Two::start(world, "hosts-statement");
    let asked = two.hosts.each_ref().map(|host| {
        let (client, name) = (host.client(), format!("slow_{}", host.name().unwrap().replace('-', "_")));
        let model = json!({"name": name, "sql_query": slow_statement()});
        std::thread::spawn(move || client.send("POST", "/dbt/transform", Some(&model), &[]))
    });
    let one = two.hosts[0].client();
    for asked in asked {
        let _ = asked.join();
    }
    let tasks = until("both models end", Duration::from_secs(300), || {
        let tasks = one.get("/tasks?kind=gold").ok()?["tasks"].as_array()?.clone();
        (tasks.len() == 2 && tasks.iter().all(|task| task["finished_at"].is_string())).then_some(tasks)
    });
    for task in tasks {
        assert_eq!(task["status"], "succeeded", "{task}");
        let id = task["id"].as_str().unwrap();
        let leases = two.database.value(&format!("SELECT lease_token FROM tasks WHERE id = '{id}'")).unwrap().unwrap();
        assert!(leases.parse::<u32>().unwrap() > 5, "it was asked about a few times: {leases} leases");
        let events = one.get(&format!("/tasks/{id}/events")).unwrap().to_string();
        assert!(!events.contains("Resubmitted"), "{events}");
    }
}

fn stopped(world: &World) {
    let mut two = Two::start(world, "hosts-stopped");
    let (ingestion, holder) = two.long_sync(world);
    two.hosts[holder].terminate().unwrap();
    let begun = Instant::now();
    taken_over(&two, holder, begun);
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    two.all_rows_once(&two.hosts[1 - holder].client(), &ingestion);
}

fn restarted(world: &World) {
    let mut two = Two::start(world, "hosts-restarted");
    let (ingestion, _) = two.long_sync(world);
    two.database.restart().unwrap();
    let [one, other] = two.clients();
    for client in [&one, &other] {
        until("the host is ready again", Duration::from_secs(20), || client.get("/ready").ok());
    }
    two.all_rows_once(&one, &ingestion);
    let tasks: Value = other.get("/tasks?kind=sync").unwrap();
    assert_eq!(tasks["tasks"][0]["status"], "succeeded", "{tasks}");
}

fn database_killed(world: &World) {
    let mut two = Two::start(world, "hosts-database-killed");
    let [one, other] = two.clients();
    let sink = |name: &str| json!({"name": name, "type": "local", "config": {"path": name}});
    one.post("/sink", &sink("before")).unwrap();
    // The tests' server writes its log a moment after it answers.
    std::thread::sleep(Duration::from_secs(2));
    two.database.kill().unwrap();
    for client in [&one, &other] {
        let answer = client.send("POST", "/sink", Some(&sink("meanwhile")), &[]).unwrap();
        let detail = refused(&answer, 503);
        let away = ["cannot be reached", "the server is away", "is restarting"];
        assert!(detail.contains("the database") && away.iter().any(|text| detail.contains(text)), "{detail}");
    }
    two.database.start_again().unwrap();
    for client in [&one, &other] {
        until("the host is ready again", Duration::from_secs(30), || client.get("/ready").ok());
    }
    one.post("/sink", &sink("after")).unwrap();
    let names = other.get("/sink").unwrap().to_string();
    assert!(names.contains("before") && names.contains("after") && !names.contains("meanwhile"), "{names}");
    assert_eq!(gold(&other, "after", "SELECT 1 AS one, 2 AS two").unwrap()["row_count"], 1);
}

fn database_read_only(world: &World) {
    let two = Two::start(world, "hosts-database-read-only");
    let [one, other] = two.clients();
    // As a server that has become a standby: what is written is refused, what is read is not. Each statement is sent alone, since
    // the first may be in no transaction of several.
    let may_write = |allowed: bool| {
        let setting = if allowed { "off" } else { "on" };
        two.database.execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {setting}")).unwrap();
        two.database.execute("SELECT pg_reload_conf()").unwrap();
    };
    let number = std::cell::Cell::new(0);
    let ask = |client: &Client| {
        number.set(number.get() + 1);
        let name = format!("sink {}", number.get());
        let body = json!({"name": name, "type": "local", "config": {"path": format!("sink-{}", number.get())}});
        client.send("POST", "/sink", Some(&body), &[]).unwrap()
    };
    may_write(false);
    for client in [&one, &other] {
        let answer = until("a request that writes is refused", Duration::from_secs(20), || {
            let answer = ask(client);
            (answer.status >= 300).then_some(answer)
        });
        assert!(refused(&answer, 503).contains("is read-only: name the primary server"), "{}", answer.body);
        assert!(client.get("/sink").unwrap().is_object(), "what is only read is answered");
    }
    may_write(true);
    for client in [&one, &other] {
        until("a request that writes is done again", Duration::from_secs(30), || {
            (ask(client).status == 201).then_some(())
        });
    }
    assert_eq!(gold(&other, "after", "SELECT 1 AS one, 2 AS two").unwrap()["row_count"], 1);
}
