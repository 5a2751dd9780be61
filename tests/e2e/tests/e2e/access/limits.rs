//! What one caller may ask: size, rate, requests under way.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;

use super::{STARTED_WITH, ask, closed, start, token};
use crate::world::{World, refused, until};

pub(super) fn rate(world: &World) {
    let host = closed(world, "access-rate", &["--requests-per-second", "2"]);
    let client = host.client();
    let (fast, calm) = (token(&client, "fast", "viewer", None), token(&client, "calm", "viewer", None));
    let limited = until("the limit is reached", Duration::from_secs(60), || {
        (0..20).map(|_| ask(&client, &fast, "GET", "/sink", None)).find(|answer| answer.status != 200)
    });
    let detail = refused(&limited, 429);
    assert!(detail.contains("token:fast") && detail.contains("2 times a second"), "{detail}");
    assert_eq!(limited.header("Retry-After"), Some("1"));
    assert_eq!(ask(&client, &calm, "GET", "/sink", None).status, 200, "callers do not share a limit");
    assert_eq!(client.send("GET", "/health", None, &[]).unwrap().status, 200);
    until("the limit is over", Duration::from_secs(30), || {
        (ask(&client, &fast, "GET", "/sink", None).status == 200).then_some(())
    });
    let guessing = until("a stranger is slowed down", Duration::from_secs(60), || {
        (0..20).map(|_| ask(&client, "a-guess", "GET", "/sink", None)).find(|answer| answer.status != 401)
    });
    refused(&guessing, 429);
    assert_eq!(ask(&client, STARTED_WITH, "GET", "/sink", None).status, 200, "a stranger costs a caller nothing");
}

pub(super) fn under_way(world: &World) {
    let host = closed(world, "access-seats", &["--requests-under-way", "1"]);
    let client = host.client();
    let busy = token(&client, "busy", "operator", None);
    // A source that takes connections and says nothing: its check is under way for many seconds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = json!({"host": "127.0.0.1", "port": silent.local_addr().unwrap().port(), "database": "d",
        "username": "u", "password": "p", "ssl_mode": {"mode": "disable"}});
    let source = json!({"name": "silent", "type": "postgres", "config": config}).to_string();
    let mut connection = TcpStream::connect(host.url().trim_start_matches("http://")).unwrap();
    write!(
        connection,
        "POST /datasource HTTP/1.1\r\nHost: asgard\r\nAuthorization: Bearer {busy}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{source}",
        source.len()
    )
    .unwrap();
    // Its seat is taken once the source is asked. Asked for before, a seat would not be free for it.
    let _held = silent.accept().unwrap();
    let answer = ask(&client, &busy, "GET", "/sink", None);
    assert!(refused(&answer, 429).contains("1 requests under way"));
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert_eq!(ask(&client, STARTED_WITH, "GET", "/sink", None).status, 200);
    drop(connection);
    until("its seat is free again", Duration::from_secs(30), || {
        (ask(&client, &busy, "GET", "/sink", None).status == 200).then_some(())
    });
    let abandoned = until("what was given up is in the trail", Duration::from_secs(30), || {
        let entries = ask(&client, STARTED_WITH, "GET", "/access/audit?who=token:busy", None).body;
        entries["entries"].as_array()?.first().cloned()
    });
    assert_eq!((&abandoned["outcome"], &abandoned["status"]), (&json!("abandoned"), &json!(null)), "{abandoned}");
}

pub(super) fn size(world: &World) {
    let host = closed(world, "access-size", &["--largest-body", "1"]);
    let client = host.client();
    let body = |bytes: usize| json!({"sql": format!("SELECT 1 AS one -- {}", "x".repeat(bytes))});
    assert_eq!(ask(&client, STARTED_WITH, "POST", "/lakehouse/query", Some(&body(500 << 10))).status, 200);
    let headers = [("Authorization", format!("Bearer {STARTED_WITH}"))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // The host answers before it has read all; a client that is still writing may only see the connection close.
    if let Ok(answer) = client.send("POST", "/lakehouse/query", Some(&body(2 << 20)), &headers) {
        assert!(refused(&answer, 413).contains("--largest-body"));
    }
}

pub(super) fn none(world: &World) {
    let host = start(world, "access-unlimited", &[]);
    let client = host.client();
    for _ in 0..300 {
        assert_eq!(client.send("GET", "/sink", None, &[]).unwrap().status, 200);
    }
}
