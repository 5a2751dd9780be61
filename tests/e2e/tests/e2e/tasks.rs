//! Tasks through the API: limits of an environment, schedules with policies, and a task followed as it goes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::silver::heavy;
use crate::world::{World, ended_job, ingest, ingest_from, refused, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_task_is_followed_to_its_end_and_after_a_lost_connection", followed),
        test(world, "events_of_a_task_come_in_pages", pages),
        test(world, "tasks_are_listed_shown_followed_and_cancelled_from_the_command_line", commands),
        test(world, "the_log_of_a_running_task_is_printed_as_it_comes_and_its_end_is_the_exit_code", logs_as_they_come),
        test(world, "a_running_task_is_cancelled_from_the_command_line", cancelled_by_command),
        test(world, "the_stream_of_a_running_task_has_its_log_and_its_progress", streamed),
        test(world, "the_log_of_a_task_comes_in_pages_with_each_line_once", log_pages),
        test(world, "a_schedule_has_a_time_zone_and_policies", scheduled),
        test(world, "a_task_that_takes_longer_than_its_environment_allows_fails_in_words", deadline),
    ]
}

/// A task that has ended.
fn task(world: &World, prefix: &str) -> (Client, String) {
    let client = world.light();
    let ingestion = ingest(&client, &world.source(), prefix, json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    (client, job["id"].as_str().or(job["jobId"].as_str()).expect("a job has an id").to_owned())
}

#[derive(Debug)]
struct Sent {
    name: String,
    id: String,
    data: Value,
}

/// Reads a stream to its end; answers with its status too.
fn stream(client: &Client, task: &str, last: Option<&str>) -> (u16, Vec<Sent>) {
    let address = client.base().strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    // HTTP/1.0: the body is not cut in chunks, and ends with the connection.
    write!(connection, "GET /tasks/{task}/stream HTTP/1.0\r\nHost: {address}\r\n{last}\r\n").unwrap();
    let mut answer = BufReader::new(connection);
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let events = body.split("\n\n").filter(|event| event.contains("data: ")).map(|event| {
        let field = |name: &str| {
            let found = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_default().to_owned()
        };
        Sent { name: field("event"), id: field("id"), data: serde_json::from_str(&field("data")).unwrap() }
    });
    (status, events.collect())
}

fn followed(world: &World) {
    let client = world.light();
    let ingestion = ingest(&client, &world.source(), "followed", json!({})).unwrap();
    let id = client.get("/tasks?kind=sync").unwrap()["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["subject"] == ingestion.as_str())
        .expect("a sync")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, events) = stream(&client, &id, None);
    assert_eq!(status, 200);
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("task", "end"), "{names:?}");
    let end = &events[events.len() - 1];
    assert_eq!((end.data["status"].as_str(), end.id.as_str()), (Some("succeeded"), "end"), "{end:?}");
    let reasons: Vec<&str> = events
        .iter()
        .filter(|event| event.name == "event")
        .map(|event| event.data["reason"].as_str().unwrap())
        .collect();
    assert_eq!((reasons[0], reasons[reasons.len() - 1]), ("Started", "Succeeded"), "{reasons:?}");

    // The connection was lost after the first event of the task.
    let seen = events.iter().position(|event| event.name == "event").unwrap();
    let (_, rest) = stream(&client, &id, Some(&events[seen].id));
    let told = |events: &[Sent]| -> Vec<Value> {
        events
            .iter()
            .filter(|event| matches!(event.name.as_str(), "event" | "log"))
            .map(|event| event.data.clone())
            .collect()
    };
    assert_eq!(told(&rest), told(&events[seen + 1..]));
    assert_eq!(stream(&client, &id, Some("end")).0, 204);
    let headers = [("Last-Event-ID", "yesterday")];
    refused_field(&client.send("GET", &format!("/tasks/{id}/stream"), None, &headers).unwrap(), "Last-Event-ID");
    refused(&client.send("GET", "/tasks/none/stream", None, &[]).unwrap(), 404);
}

fn pages(world: &World) {
    let (client, id) = task(world, "paged");
    let all = client.get(&format!("/tasks/{id}/events")).unwrap();
    let first = client.get(&format!("/tasks/{id}/events?limit=1")).unwrap();
    assert_eq!(first["events"], json!([all["events"][0]]));
    let rest = client.get(&format!("/tasks/{id}/events?after={}", first["next"])).unwrap();
    assert_eq!(rest["events"].as_array().unwrap().len() + 1, all["events"].as_array().unwrap().len());
    assert_eq!(rest["next"], all["next"]);
}

fn commands(world: &World) {
    let (client, id) = task(world, "commanded");
    let asgard = |arguments: &[&str]| {
        let output = std::process::Command::new(&world.built().asgard)
            .arg("task")
            .args(arguments)
            .args(["--url", client.base()])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), told, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, listed, _) = asgard(&["list", "--kind", "sync", "--status", "succeeded", "--limit", "1000"]);
    assert_eq!(code, Some(0));
    assert!(listed.lines().any(|line| line.starts_with(&id) && line.contains("succeeded")), "{listed}");
    let (_, shown, _) = asgard(&["show", &id]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["id"], id.as_str());
    let (code, followed, _) = asgard(&["logs", "--follow", &id]);
    let (_, printed, _) = asgard(&["logs", &id]);
    assert_eq!((code, &followed), (Some(0), &printed), "the task has ended");
    let (_, cancelled, _) = asgard(&["cancel", &id]);
    assert_eq!(cancelled.trim(), format!("{id} is succeeded"), "an ended task stays as it is");
    let (code, _, error) = asgard(&["show", "none"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("there is no task `none`"), "{error}");
}

/// Starts a silver run; answers with its task's id.
fn silver(client: &Client, sql: &str) -> String {
    let run = client.post("/spark/transform", &json!({"sql": sql})).unwrap();
    until("the run has a task", Duration::from_secs(30), || {
        let tasks = client.get("/tasks?kind=silver&page_size=1000").ok()?;
        let task = tasks["tasks"].as_array()?.iter().find(|task| task["subject"] == run["run_id"])?;
        task["id"].as_str().map(str::to_owned)
    })
}

fn running(client: &Client, task: &str) {
    until("the task runs", Duration::from_secs(60), || {
        let status = client.get(&format!("/tasks/{task}")).ok()?["status"].clone();
        (status == "running").then_some(())
    });
}

/// `asgard task logs -f`, under way.
fn follow(world: &World, client: &Client, task: &str) -> Child {
    Command::new(&world.built().asgard)
        .args(["task", "logs", "-f", task, "--url", client.base()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Takes several seconds, and less than a minute.
fn slow() -> String {
    let all = heavy("SUM(LENGTH(CONCAT(a.name, b.name, c.name, d.name)))");
    let three = "(SELECT name FROM v WHERE name IN ('material 1', 'material 2', 'material 3'))";
    all.replace("CROSS JOIN v d", &format!("CROSS JOIN {three} d"))
}

fn logs_as_they_come(world: &World) {
    let client = world.light();
    let id = silver(&client, &slow());
    let mut following = follow(world, &client, &id);
    let mut output = BufReader::new(following.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("submitted") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "no line says that the statement was submitted");
    }
    assert!(line.contains(" INFO "), "{line}");
    let task = client.get(&format!("/tasks/{id}")).unwrap();
    assert_eq!(task["status"], "running", "the line came while the task ran: {task}");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(following.wait().unwrap().code(), Some(0), "{rest}");
    assert_eq!(client.get(&format!("/tasks/{id}")).unwrap()["status"], "succeeded");
    let log = client.get(&format!("/tasks/{id}/logs?limit=1000")).unwrap();
    let last = log["lines"].as_array().unwrap().last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(rest.contains(&last), "the last line is `{last}`: {rest}");

    let fails =
        "CREATE TEMPORARY VIEW v AS SELECT * FROM VALUES (1), (2) AS t (k); SELECT 1 / (k - 1) AS broken FROM v";
    let id = silver(&client, fails);
    let output = follow(world, &client, &id).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the task failed"), "{said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains(" ERROR "), "{output:?}");
}

fn cancelled_by_command(world: &World) {
    let client = world.light();
    let id = silver(&client, &heavy("COUNT(DISTINCT CONCAT(a.name, b.name, c.name, d.name))"));
    running(&client, &id);
    let following = follow(world, &client, &id);
    let output =
        Command::new(&world.built().asgard).args(["task", "cancel", &id, "--url", client.base()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with(&format!("{id} is ")), "{said}");
    until("the task is cancelled", Duration::from_secs(30), || {
        let task = client.get(&format!("/tasks/{id}")).ok()?;
        (task["status"] == "cancelled").then_some(())
    });
    let output = following.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("the task cancelled"), "{said}");
}

fn streamed(world: &World) {
    let (client, factory) = (world.light(), world.factory());
    factory
        .execute(
            "CREATE SCHEMA told; CREATE TABLE told.few AS SELECT n AS id FROM generate_series(1, 10) n;
             CREATE TABLE told.rows AS SELECT n AS id, repeat(md5(n::text), 4) AS body FROM generate_series(1, 400000) n",
        )
        .unwrap();
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["told"]);
    let ingestion = ingest_from(&client, &config, "told", json!({})).unwrap();
    let job = client.get(&format!("/ingestion/{ingestion}/status")).unwrap()["job"].clone();
    let (status, events) = stream(&client, job["id"].as_str().unwrap(), None);
    assert_eq!(status, 200);
    let end = events.last().unwrap();
    assert_eq!((end.name.as_str(), &end.data["status"]), ("end", &json!("succeeded")), "{end:?}");
    let lines = events.iter().filter(|event| event.name == "log").count();
    assert!(lines >= 2, "{lines} lines, one of each table at least");
    let mut progress: Vec<&Value> =
        events.iter().filter(|event| event.name == "task").map(|event| &event.data["progress"]).collect();
    progress.dedup();
    assert!(progress.len() >= 2, "{progress:?}");
    let counts = |now: &&Value| now["message"].as_str().is_some_and(|text| text.contains("records"));
    assert!(progress.iter().any(counts), "{progress:?}");
    factory.execute("DROP SCHEMA told CASCADE").unwrap();
}

fn log_pages(world: &World) {
    let (client, id) = task(world, "logpaged");
    let all = client.get(&format!("/tasks/{id}/logs?limit=1000")).unwrap()["lines"].as_array().unwrap().clone();
    assert!(all.len() >= 4, "a line for each table: {all:?}");
    let (mut pages, mut after) = (Vec::new(), 0);
    loop {
        let page = client.get(&format!("/tasks/{id}/logs?limit=2&after={after}")).unwrap();
        let lines = page["lines"].as_array().unwrap();
        assert!(lines.len() <= 2, "{page}");
        if lines.is_empty() {
            assert_eq!(page["next"], after, "nothing new: the same place");
            break;
        }
        pages.extend(lines.iter().cloned());
        after = page["next"].as_i64().unwrap();
    }
    assert_eq!(pages, all);
    refused_field(&client.send("GET", &format!("/tasks/{id}/logs?after=-1"), None, &[]).unwrap(), "after");
    refused_field(&client.send("GET", &format!("/tasks/{id}/logs?limit=0"), None, &[]).unwrap(), "limit");
}

fn scheduled(world: &World) {
    let client = world.light();
    let schedule = json!({"scheduleType": "cron", "cronExpression": "0 0 12 * * ?", "timeZone": "Asia/Tokyo",
        "catchUp": "all", "overlap": "queue"});
    let ingestion = ingest(&client, &world.source(), "timetabled", json!({"schedule": schedule})).unwrap();
    let path = format!("/ingestion/{ingestion}");
    assert_eq!(client.get(&path).unwrap()["schedule"], schedule);
    let next = client.get(&format!("{path}/status")).unwrap()["nextSync"].to_string();
    assert!(next.contains("T03:00:00"), "noon in Tokyo is 03:00 UTC: {next}");
    let patch = |field: &str, value: &str| {
        let mut schedule = schedule.clone();
        schedule[field] = json!(value);
        client.send("PATCH", &path, Some(&json!({"schedule": schedule})), &[]).unwrap()
    };
    assert!(refused_field(&patch("timeZone", "Tokyo"), "schedule.timeZone").contains("Europe/Berlin"));
    assert!(refused_field(&patch("overlap", "skip"), "schedule.catchUp").contains("queue"));
    assert_eq!(patch("overlap", "allow").status, 422);
}

fn deadline(world: &World) {
    let host = world.start_light(&world.folder("deadline")).unwrap();
    let client = host.client();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["limits"]["task_seconds"] = json!(1);
    document["limits"]["concurrency"] = json!({"tasks": 4, "roles": {"gold": 1}, "plugins": {"sql": 2}});
    let changed = client.send("PUT", "/environments/local", Some(&document), &[]).unwrap();
    assert_eq!(changed.status, 200, "{}", changed.body);
    let numbers = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS";
    let tables: Vec<String> = (0..10).map(|n| format!("{numbers} t{n} (x{n})")).collect();
    let slow = format!("SELECT COUNT(*) AS n FROM {} WHERE x0 * x9 > 3 * x5 + x1", tables.join(", "));
    let model = client.send("POST", "/dbt/transform", Some(&json!({"name": "slow", "sql_query": slow})), &[]).unwrap();
    let told = model.body.to_string();
    assert!(told.contains("longer than 1 s") && told.contains("limits.task_seconds"), "{} {told}", model.status);
    host.stop().unwrap();
}
