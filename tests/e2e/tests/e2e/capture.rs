//! Change data capture and TLS against a real server, through the API.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::source::FactorySource;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, ended_job, gold, refused, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "changes_reach_the_lakehouse_once_though_the_host_is_killed", captured),
        test(world, "a_source_that_cannot_be_captured_is_refused", refused_capture),
        test(world, "certificates_are_checked_as_the_mode_says", tls),
        test(world, "an_ingestion_whose_server_is_dead_is_deleted_and_what_stays_there_is_told", deleted),
    ]
}

const LOGICAL: &[(&str, &str)] = &[("wal_level", "logical")];

fn config(source: &FactorySource, changes: &Value) -> Value {
    let source = source.source();
    let mut config = json!({
        "host": source.host, "port": source.port, "database": source.database, "username": source.username,
        "password": source.password, "ssl_mode": {"mode": "disable"}, "schemas": ["captured"],
    });
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn make(client: &Client, name: &str, config: &Value) -> String {
    let source = client
        .post("/datasource", &json!({"name": format!("{name} source"), "type": "postgres", "config": config}))
        .unwrap();
    let sink = client
        .post("/sink", &json!({"name": format!("{name} sink"), "type": "local", "config": {"path": name}}))
        .unwrap();
    let body =
        json!({"name": name, "sourceId": source["id"], "destinationId": sink["id"], "prefix": format!("{name}_")});
    client.post("/ingestion", &body).unwrap()["connectionId"].as_str().unwrap().to_owned()
}

fn sync(client: &Client, ingestion: &str) {
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let job = ended_job(client, ingestion);
    assert_eq!(job["status"], "succeeded", "{job}");
}

/// Whether exactly one row comes of a question.
fn holds(client: &Client, name: &str, condition: &str) -> bool {
    gold(client, name, condition).unwrap()["row_count"] == 1
}

fn captured(world: &World) {
    let source = FactorySource::start_with(&world.folder("captured-postgres"), LOGICAL).unwrap();
    source
        .execute(
            "CREATE SCHEMA captured; CREATE TABLE captured.pages (id int PRIMARY KEY, views int, body text);
             ALTER TABLE captured.pages ALTER body SET STORAGE EXTERNAL;
             INSERT INTO captured.pages SELECT id, 0, repeat('page', 1000) FROM generate_series(1, 2000) id;",
        )
        .unwrap();
    let mut host = world.start_light(&world.folder("captured")).unwrap();
    let client = host.client();
    let ingestion = make(&client, "captured", &config(&source, &json!({"replication_method": {"method": "CDC"}})));
    let shown = client.get(&format!("/ingestion/{ingestion}")).unwrap();
    assert_eq!(shown["streams"][0]["syncMode"], "change_data_capture", "{shown}");
    for (round, pause) in [100, 300, 600, 900].into_iter().enumerate() {
        std::thread::sleep(Duration::from_millis(pause));
        host.crash_and_restart().unwrap();
        source
            .execute(&format!(
                "UPDATE captured.pages SET views = views + 1 WHERE id % 2 = 0; DELETE FROM captured.pages WHERE id = {round} + 1;
                 INSERT INTO captured.pages VALUES (3000 + {round}, 7, 'new'); UPDATE captured.pages SET id = id + 10000 WHERE id = 100 + {round};"
            ))
            .unwrap();
        let _ = client.post(&format!("/ingestion/{ingestion}/sync"), &json!({}));
    }
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["status"], "succeeded", "{job}");
    source
        .execute("ALTER TABLE captured.pages ADD note text; UPDATE captured.pages SET note = 'noted' WHERE id = 2000")
        .unwrap();
    sync(&client, &ingestion);
    let condition = "SELECT * FROM (SELECT COUNT(*) AS all_rows, COUNT(DISTINCT id) AS ids,
            SUM(CASE WHEN LENGTH(body) = 4000 THEN 1 ELSE 0 END) AS whole, SUM(CASE WHEN id > 10000 THEN 1 ELSE 0 END) AS moved,
            SUM(CASE WHEN note = 'noted' THEN 1 ELSE 0 END) AS noted, MAX(CASE WHEN id = 2000 THEN views END) AS views
        FROM iceberg.bronze.captured_pages) t
        WHERE all_rows = 2000 AND ids = 2000 AND whole = 1996 AND moved = 4 AND noted = 1 AND views = 4";
    assert!(holds(&client, "captured_right", condition));

    source.execute("TRUNCATE captured.pages; INSERT INTO captured.pages VALUES (1, 1, 'again', 'x')").unwrap();
    sync(&client, &ingestion);
    assert!(holds(&client, "captured_truncated", "SELECT id FROM iceberg.bronze.captured_pages WHERE body = 'again'"));

    source.execute("ALTER TABLE captured.pages ALTER views TYPE text").unwrap();
    source.execute("INSERT INTO captured.pages VALUES (2, 'two', 'b', 'y')").unwrap();
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert!(job["status"] == "failed" && job["error"].as_str().unwrap().contains("`views`"), "{job}");
    client.post(&format!("/ingestion/{ingestion}/reset"), &json!({})).unwrap();
    sync(&client, &ingestion);
    assert!(holds(&client, "captured_reset", "SELECT id FROM iceberg.bronze.captured_pages WHERE views = 'two'"));

    let deleted = client.send("DELETE", &format!("/ingestion/{ingestion}"), None, &[]).unwrap();
    assert!(deleted.status < 300, "{}", deleted.status);
    // Fails where there are slots.
    source.execute("SELECT 1 / (SELECT CASE count(*) WHEN 0 THEN 1 ELSE 0 END FROM pg_replication_slots)").unwrap();
    host.stop().unwrap();
}

/// A slot that stays keeps the server's log, so it is left behind only where that is said.
fn deleted(world: &World) {
    let mut source = FactorySource::start_with(&world.folder("deleted-postgres"), LOGICAL).unwrap();
    source.execute("CREATE SCHEMA captured; CREATE TABLE captured.t (id int PRIMARY KEY)").unwrap();
    let host = world.start_light(&world.folder("deleted")).unwrap();
    let client = host.client();
    let captured = make(&client, "captured", &config(&source, &json!({"replication_method": {"method": "CDC"}})));
    let standard = make(&client, "standard", &config(&source, &json!({})));
    for ingestion in [&captured, &standard] {
        assert_eq!(ended_job(&client, ingestion)["status"], "succeeded");
    }
    source.kill().unwrap();
    let delete = |path: String| client.send("DELETE", &path, None, &[]).unwrap();
    assert_eq!(delete(format!("/ingestion/{standard}")).status, 204, "nothing is kept for it there");
    let detail = refused(&delete(format!("/ingestion/{captured}")), 409);
    assert!(detail.contains("?force=true") && detail.contains("replication slot"), "{detail}");
    assert_eq!(client.get(&format!("/ingestion/{captured}")).unwrap()["status"], "active", "it is as it was");
    assert_eq!(delete(format!("/ingestion/{captured}?force=true")).status, 204);
    refused(&delete(format!("/ingestion/{captured}")), 404);
    source.start_again().unwrap();
    let slots = source.rows("SELECT slot_name FROM pg_replication_slots").unwrap();
    assert_eq!(slots.len(), 1, "what was left behind: {slots:?}");
    host.stop().unwrap();
}

fn refused_capture(world: &World) {
    let source = &world.source();
    let client = world.light();
    let config = json!({
        "host": source.host, "port": source.port, "database": source.database, "username": source.username,
        "password": source.password, "ssl_mode": {"mode": "disable"}, "replication_method": {"method": "CDC"},
    });
    let body = json!({"name": "not logical", "type": "postgres", "config": config});
    let detail = refused(&client.send("POST", "/datasource", Some(&body), &[]).unwrap(), 422);
    assert!(detail.contains("wal_level") && detail.contains("logical"), "{detail}");
}

fn tls(world: &World) {
    let source = FactorySource::start_with(&world.folder("tls-postgres"), LOGICAL).unwrap();
    let certificate = |name: &str| {
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let client = world.light();
    let check = |name: &str, host: &str, ssl_mode: &Value| {
        let config = config(&source, &json!({"host": host, "ssl_mode": ssl_mode, "schemas": []}));
        client
            .send("POST", "/datasource", Some(&json!({"name": name, "type": "postgres", "config": config})), &[])
            .unwrap()
    };
    assert_eq!(check("plain", "127.0.0.1", &json!({"mode": "disable"})).status, 201);
    assert!(refused(&check("no tls", "127.0.0.1", &json!({"mode": "require"})), 422).contains("has no TLS"));

    let (own, key) = certificate("localhost");
    let (other, _) = certificate("localhost");
    source.enable_tls(&own, &key).unwrap();
    for (name, host, ssl_mode, status) in [
        ("disable", "localhost", json!({"mode": "disable"}), 201),
        ("require", "localhost", json!({"mode": "require"}), 201),
        ("ca", "127.0.0.1", json!({"mode": "verify-ca", "ca_certificate": own}), 201),
        ("full", "localhost", json!({"mode": "verify-full", "ca_certificate": own}), 201),
        ("full by address", "127.0.0.1", json!({"mode": "verify-full", "ca_certificate": own}), 503),
        ("ca of others", "localhost", json!({"mode": "verify-ca", "ca_certificate": other}), 503),
        ("full by the system", "localhost", json!({"mode": "verify-full"}), 503),
    ] {
        let answer = check(name, host, &ssl_mode);
        assert_eq!(answer.status, status, "{name}");
    }

    // A server of a private authority shows its own certificate only.
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "a private authority");
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let trusted = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    source.enable_tls(&leaf.pem(), &key.serialize_pem()).unwrap();
    // The server reads its certificate when it next looks at its settings.
    until("the certificate is the new one", Duration::from_secs(60), || {
        let answer = check("issued", "localhost", &json!({"mode": "verify-full", "ca_certificate": trusted}));
        (answer.status == 201).then_some(())
    });
    for (name, host, ssl_mode, status) in [
        ("issued ca", "localhost", json!({"mode": "verify-ca", "ca_certificate": trusted}), 201),
        ("issued ca by address", "127.0.0.1", json!({"mode": "verify-ca", "ca_certificate": trusted}), 201),
        ("issued full by address", "127.0.0.1", json!({"mode": "verify-full", "ca_certificate": trusted}), 503),
        ("issued by others", "localhost", json!({"mode": "verify-ca", "ca_certificate": own}), 503),
        ("issued by the system", "localhost", json!({"mode": "verify-ca"}), 503),
        ("issued unchecked", "localhost", json!({"mode": "require"}), 201),
    ] {
        let answer = check(name, host, &ssl_mode);
        assert_eq!(answer.status, status, "{name}");
    }

    // Rows go over it too, and changes. The view tells of the session that reads it.
    source
        .execute(
            "CREATE SCHEMA sessions; CREATE VIEW sessions.reading AS SELECT id, repeat('row', 100) AS body,
                (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted FROM generate_series(1, 50000) id;
             CREATE SCHEMA captured; CREATE TABLE captured.changing (id int PRIMARY KEY, body text);
             INSERT INTO captured.changing SELECT id, repeat('row', 100) FROM generate_series(1, 5000) id;",
        )
        .unwrap();
    let secure = json!({"host": "localhost", "ssl_mode": {"mode": "verify-full", "ca_certificate": trusted}});
    let mut standard = config(&source, &secure);
    standard["schemas"] = json!(["sessions"]);
    sync(&client, &make(&client, "encrypted", &standard));
    let all = "SELECT * FROM (SELECT COUNT(*) AS all_rows, SUM(CASE WHEN encrypted THEN LENGTH(body) END) AS bytes
        FROM iceberg.bronze.encrypted_reading) t WHERE all_rows = 50000 AND bytes = 15000000";
    assert!(holds(&client, "encrypted_right", all));
    let mut capturing = config(&source, &secure);
    capturing["replication_method"] = json!({"method": "CDC"});
    let capturing = make(&client, "concealed", &capturing);
    sync(&client, &capturing);
    source
        .execute("UPDATE captured.changing SET body = 'changed' WHERE id <= 3000; DELETE FROM captured.changing WHERE id > 4000")
        .unwrap();
    sync(&client, &capturing);
    let changed =
        "SELECT * FROM (SELECT COUNT(*) AS all_rows, SUM(CASE WHEN body = 'changed' THEN 1 ELSE 0 END) AS changed
        FROM iceberg.bronze.concealed_changing) t WHERE all_rows = 4000 AND changed = 3000";
    assert!(holds(&client, "concealed_right", changed));
}
