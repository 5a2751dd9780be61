//! `Idempotency-Key`: what is asked twice is done once.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "the_same_key_and_request_are_done_once_and_answered_alike", once),
        test(world, "two_requests_at_the_same_time_do_the_work_once", together),
        test(world, "a_request_that_died_with_its_host_is_neither_done_again_nor_under_way_for_ever", died),
    ]
}

fn once(world: &World) {
    let client = world.light();
    let body = json!({"name": "once", "type": "local", "config": {"path": "once"}});
    let key = [("Idempotency-Key", "e2e-once")];
    let first = client.send("POST", "/sink", Some(&body), &key).unwrap();
    let second = client.send("POST", "/sink", Some(&body), &key).unwrap();
    assert_eq!((first.status, second.status), (201, 201), "{} {}", first.body, second.body);
    assert_eq!(first.body, second.body);
    let other = json!({"name": "another", "type": "local", "config": {"path": "another"}});
    refused_field(&client.send("POST", "/sink", Some(&other), &key).unwrap(), "Idempotency-Key");
}

fn together(world: &World) {
    let client = Arc::new(world.light());
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let client = Arc::clone(&client);
            std::thread::spawn(move || {
                let body = json!({"name": "together", "type": "local", "config": {"path": "together"}});
                client.send("POST", "/sink", Some(&body), &[("Idempotency-Key", "e2e-together")]).unwrap()
            })
        })
        .collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
    assert!(!made.is_empty());
    assert!(made.iter().all(|answer| answer.body["id"] == made[0].body["id"]));
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)), "{answers:?}");
    let sinks = client.get("/sink?page_size=1000").unwrap();
    let count = sinks["destinations"].as_array().unwrap().iter().filter(|sink| sink["name"] == "together").count();
    assert_eq!(count, 1);
}

fn died(world: &World) {
    let mut host = world.start_light(&world.folder("died")).unwrap();
    let client = Arc::new(host.client());
    let numbers = "(VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) AS";
    let tables: Vec<String> = (0..10).map(|n| format!("{numbers} t{n} (x{n})")).collect();
    let slow = format!("SELECT COUNT(*) AS n FROM {} WHERE x0 * x9 > 3 * x5 + x1", tables.join(", "));
    let body = json!({"name": "died", "sql_query": slow});
    let key = [("Idempotency-Key", "e2e-died")];
    let sent = std::thread::spawn({
        let (client, body) = (Arc::clone(&client), body.clone());
        move || client.send("POST", "/dbt/transform", Some(&body), &key).is_err()
    });
    until("the request is under way", Duration::from_secs(20), || {
        let found = client.get("/tasks?status=running").ok()?;
        found.to_string().contains("gold").then_some(())
    });
    host.crash_and_restart().unwrap();
    assert!(sent.join().unwrap(), "the request has no answer");
    let detail = refused(&client.send("POST", "/dbt/transform", Some(&body), &key).unwrap(), 409);
    assert!(detail.contains("the host ended"), "{detail}");
    host.stop().unwrap();
}
