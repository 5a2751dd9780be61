//! Tasks through the API: limits of an environment, schedules with policies, and a task followed as it goes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, ingest, refused, refused_field, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_task_is_followed_to_its_end_and_after_a_lost_connection", followed),
        test(world, "events_of_a_task_come_in_pages", pages),
        test(world, "tasks_are_listed_shown_followed_and_cancelled_from_the_command_line", commands),
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
