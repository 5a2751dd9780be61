//! Sources, sinks, ingestions: what is refused and why, and what a sync copies.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::host::Host;
use libtest_mimic::Trial;
use serde_json::json;

use crate::world::{World, ended_job, ingest, ingest_from, refused, refused_field, source_config, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_wrong_password_is_told_and_no_source_is_stored", wrong_password),
        test(world, "an_unknown_host_and_a_closed_port_are_told_apart", unreachable),
        test(world, "a_configuration_that_does_not_fit_names_its_field", misfit),
        test(world, "a_password_never_comes_back", secret),
        test(world, "a_password_may_be_a_variable_of_the_host", variable),
        test(world, "a_source_in_use_cannot_be_deleted", in_use),
        test(world, "two_streams_never_share_a_table", shared_table),
        test(world, "all_streams_are_discovered_with_types_and_keys", discovered),
        test(world, "a_second_sync_replaces_the_rows", replaced),
        test(world, "chosen_streams_only_are_copied", chosen),
        test(world, "a_table_that_vanished_fails_its_own_stream_and_no_other", vanished),
        test(world, "a_text_of_two_hundred_megabytes_arrives_whole_where_memory_is_granted", large_text),
        test(world, "a_million_rows_are_a_handful_of_files", files_of_a_million),
        test(world, "a_cancelled_sync_leaves_whole_rows_and_the_next_one_brings_all", cancelled),
        test(world, "a_schedule_is_checked_and_gives_the_next_sync", schedule),
        test(world, "a_schedule_of_every_second_syncs_by_itself", fires),
        test(world, "a_sink_that_cannot_be_written_is_refused", bad_sink),
    ]
}

fn large_text(world: &World) {
    let (client, factory) = (world.light(), world.factory());
    factory
        .execute(
            "CREATE SCHEMA large; CREATE TABLE large.letters (id int PRIMARY KEY, body text);
             INSERT INTO large.letters VALUES (1, 'short'), (2, repeat('0123456789', 20 * 1024 * 1024)), (3, 'after')",
        )
        .unwrap();
    // The limits that an environment has by default end such a sync with an error.
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("large");
    document["limits"]["memory_bytes"] = json!(1_u64 << 31);
    document["limits"]["http_body_bytes"] = json!(1_u64 << 28);
    let put = client.send("PUT", "/environments/large", Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let client = Client::new(format!("{}/environments/large", client.base()));
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["large"]);
    let ingestion = ingest_from(&client, &config, "large", json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(3)), "{job}");
    let query = json!({"sql": "SELECT id, length(body) AS letters, right(body, 3) AS tail FROM bronze.large_letters ORDER BY id",
        "dialect": "spark"});
    let answer = client.post("/lakehouse/query", &query).unwrap();
    let rows = json!([{"id": 1, "letters": 5, "tail": "ort"}, {"id": 2, "letters": 209_715_200, "tail": "789"},
        {"id": 3, "letters": 5, "tail": "ter"}]);
    assert_eq!(answer["rows"], rows);
    factory.execute("DROP SCHEMA large CASCADE").unwrap();
}

fn files_of_a_million(world: &World) {
    let (client, factory) = (world.light(), world.factory());
    factory
        .execute(
            "CREATE SCHEMA million;
             CREATE TABLE million.readings AS
                 SELECT id, id % 500 AS device, md5(id::text) AS digest FROM generate_series(1, 1000000) id;
             CREATE TABLE million.devices AS SELECT id FROM generate_series(1, 500) id",
        )
        .unwrap();
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["million"]);
    let ingestion = ingest_from(&client, &config, "million", json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(1_000_500)), "{job}");
    let table = client.get("/lakehouse/tables/bronze/million_readings").unwrap();
    assert_eq!(table["row_count"], 1_000_000, "{table}");
    assert!(table["data_files"].as_u64().is_some_and(|files| files <= 4), "{table}");
    factory.execute("DROP SCHEMA million CASCADE").unwrap();
}

fn wrong_password(world: &World) {
    let client = world.light();
    let mut config = source_config(&world.source());
    config["password"] = json!("wrong");
    let answer = client
        .send(
            "POST",
            "/datasource",
            Some(&json!({"name": "wrong password", "type": "postgres", "config": config})),
            &[],
        )
        .unwrap();
    let detail = refused_field(&answer, "config.password");
    assert!(detail.contains("password"), "{detail}");
    let sources = client.get("/datasource").unwrap();
    assert!(!sources["sources"].as_array().unwrap().iter().any(|s| s["name"] == "wrong password"));
}

fn unreachable(world: &World) {
    let client = world.light();
    let mut config = source_config(&world.source());
    config["host"] = json!("no-such-host.invalid");
    let ask = |config: &serde_json::Value| {
        let body = json!({"name": "unreachable", "type": "postgres", "config": config});
        client.send("POST", "/datasource", Some(&body), &[]).unwrap()
    };
    let detail = refused(&ask(&config), 503);
    assert!(detail.contains("no-such-host.invalid"), "{detail}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    config["host"] = json!("127.0.0.1");
    config["port"] = json!(closed);
    let detail = refused(&ask(&config), 503);
    assert!(detail.contains("refused") && detail.contains(&closed.to_string()), "{detail}");
}

fn misfit(world: &World) {
    let client = world.light();
    let ask = |body: serde_json::Value| client.send("POST", "/datasource", Some(&body), &[]).unwrap();
    let mut config = source_config(&world.source());
    config["port"] = json!("many");
    refused_field(&ask(json!({"name": "misfit", "type": "postgres", "config": config})), "config.port");
    config.as_object_mut().unwrap().remove("host");
    config["port"] = json!(5432);
    let detail = refused(&ask(json!({"name": "misfit", "type": "postgres", "config": config})), 422);
    assert!(detail.contains("host"), "{detail}");
    refused_field(&ask(json!({"name": "misfit", "type": "oracle", "config": {}})), "type");
    refused_field(&ask(json!({"name": "misfit", "type": "postgres"})), "config");
    let mut config = source_config(&world.source());
    config["database"] = json!("no_such_database");
    let detail = refused(&ask(json!({"name": "misfit", "type": "postgres", "config": config})), 422);
    assert!(detail.contains("no_such_database"), "{detail}");
}

fn secret(world: &World) {
    let client = world.light();
    let source = world.source();
    let made = client
        .post("/datasource", &json!({"name": "masked", "type": "postgres", "config": source_config(&source)}))
        .unwrap();
    assert_eq!(made["config"]["password"], "**********");
    let path = format!("/datasource/{}", made["id"].as_str().unwrap());
    assert_eq!(client.get(&path).unwrap()["config"]["password"], "**********");
    // What was shown may be sent back: the password stays.
    let body = json!({"name": "masked and renamed", "config": made["config"]});
    let patched = client.send("PATCH", &path, Some(&body), &[]).unwrap();
    assert_eq!(patched.status, 200, "{}", patched.body);
    assert_eq!(client.post(&format!("{path}/check"), &json!({})).unwrap()["status"], "succeeded");
}

fn in_use(world: &World) {
    let client = world.light();
    let ingestion = ingest(
        &client,
        &world.source(),
        "used",
        json!({"schedule": {"scheduleType": "cron",
        "cronExpression": "0 0 12 * * ?"}}),
    )
    .unwrap();
    let shown = client.get(&format!("/ingestion/{ingestion}")).unwrap();
    let source = format!("/datasource/{}", shown["sourceId"].as_str().unwrap());
    let detail = refused(&client.send("DELETE", &source, None, &[]).unwrap(), 409);
    assert!(detail.contains("used ingestion"), "{detail}");
    assert_eq!(client.send("DELETE", &format!("/ingestion/{ingestion}"), None, &[]).unwrap().status, 204);
    assert_eq!(client.send("DELETE", &source, None, &[]).unwrap().status, 204);
    refused(&client.send("GET", &source, None, &[]).unwrap(), 404);
}

fn shared_table(world: &World) {
    let client = world.light();
    world
        .factory()
        .execute(
            "CREATE SCHEMA twin_a; CREATE SCHEMA twin_b; CREATE TABLE twin_a.t (i int); CREATE TABLE twin_b.t (i int);",
        )
        .unwrap();
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["twin_a", "twin_b"]);
    let made = client.post("/datasource", &json!({"name": "twins", "type": "postgres", "config": config})).unwrap();
    let sink = client.post("/sink", &json!({"name": "twins", "type": "local", "config": {"path": "twins"}})).unwrap();
    let body = json!({"name": "twins", "sourceId": made["id"], "destinationId": sink["id"]});
    let detail = refused(&client.send("POST", "/ingestion", Some(&body), &[]).unwrap(), 409);
    assert!(detail.contains("twin_a.t") && detail.contains("twin_b.t"), "{detail}");
}

fn discovered(world: &World) {
    let client = world.light();
    let made = client
        .post(
            "/datasource",
            &json!({"name": "discovered", "type": "postgres", "config": source_config(&world.source())}),
        )
        .unwrap();
    let streams = client.get(&format!("/datasource/{}/streams", made["id"].as_str().unwrap())).unwrap();
    let names: Vec<String> = streams["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| format!("{}.{}", s["namespace"].as_str().unwrap(), s["name"].as_str().unwrap()))
        .collect();
    for name in
        ["inventory.materials", "production.machine_logs", "production.quality_checks", "production.work_orders"]
    {
        assert!(names.iter().any(|found| found == name), "{name} is not among {names:?}");
    }
    assert!(streams["streams"][0]["columns"][0]["type"].is_string());
}

fn replaced(world: &World) {
    let client = world.light();
    world
        .factory()
        .execute("CREATE SCHEMA again; CREATE TABLE again.t (id int primary key, v text); INSERT INTO again.t VALUES (1, 'a'), (2, 'b');")
        .unwrap();
    let source = world.source();
    let mut config = source_config(&source);
    config["schemas"] = json!(["again"]);
    let made = client.post("/datasource", &json!({"name": "again", "type": "postgres", "config": config})).unwrap();
    let sink = client.post("/sink", &json!({"name": "again", "type": "local", "config": {"path": "again"}})).unwrap();
    let body = json!({"name": "again", "sourceId": made["id"], "destinationId": sink["id"], "prefix": "again_"});
    let ingestion = client.post("/ingestion", &body).unwrap()["connectionId"].as_str().unwrap().to_owned();
    assert_eq!(ended_job(&client, &ingestion)["recordsCopied"], 2);
    world.factory().execute("DELETE FROM again.t; INSERT INTO again.t VALUES (3, 'c');").unwrap();
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["recordsCopied"], 1);
    let model = crate::world::gold(&client, "again_rows", "SELECT id, v FROM iceberg.bronze.again_t").unwrap();
    assert_eq!(model["row_count"], 1);
    assert_eq!(client.get(&format!("/ingestion/{ingestion}/jobs")).unwrap()["total"], 2);
}

fn chosen(world: &World) {
    let client = world.light();
    let streams = json!({"streams": [{"namespace": "inventory", "name": "materials"}]});
    let ingestion = ingest(&client, &world.source(), "chosen", streams).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["recordsCopied"], 2323, "{job}");
    assert_eq!(job["streams"].as_array().unwrap().len(), 1);
    let missing = json!({"streams": [{"name": "no_such_table"}]});
    let error = ingest(&client, &world.source(), "chosen_badly", missing).unwrap_err().to_string();
    assert!(error.contains("422") && error.contains("no_such_table"), "{error}");
}

fn vanished(world: &World) {
    let client = world.light();
    world
        .factory()
        .execute("CREATE SCHEMA gone; CREATE TABLE gone.kept (i int); INSERT INTO gone.kept VALUES (1); CREATE TABLE gone.lost (i int);")
        .unwrap();
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["gone"]);
    let made = client.post("/datasource", &json!({"name": "gone", "type": "postgres", "config": config})).unwrap();
    let sink = client.post("/sink", &json!({"name": "gone", "type": "local", "config": {"path": "gone"}})).unwrap();
    let body = json!({"name": "gone", "sourceId": made["id"], "destinationId": sink["id"], "prefix": "gone_"});
    let ingestion = client.post("/ingestion", &body).unwrap()["connectionId"].as_str().unwrap().to_owned();
    assert_eq!(ended_job(&client, &ingestion)["status"], "succeeded");
    world.factory().execute("DROP TABLE gone.lost; INSERT INTO gone.kept VALUES (2);").unwrap();
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["status"], "failed", "{job}");
    assert!(job["error"].as_str().unwrap().contains("lost"), "{job}");
    let kept = job["streams"].as_array().unwrap().iter().find(|s| s["name"] == "gone.kept").unwrap();
    assert_eq!((kept["status"].as_str(), kept["records"].as_u64()), (Some("succeeded"), Some(2)), "{job}");
    let logs = client.get(&format!("/ingestion/{ingestion}/jobs/{}/logs", job["id"].as_str().unwrap())).unwrap();
    assert!(logs["lines"].is_array());
}

fn schedule(world: &World) {
    let client = world.light();
    let cron = json!({"schedule": {"scheduleType": "cron", "cronExpression": "0 0 12 * * ?"},
        "streams": [{"namespace": "inventory", "name": "materials"}]});
    let ingestion = ingest(&client, &world.source(), "scheduled", cron).unwrap();
    let status = client.get(&format!("/ingestion/{ingestion}/status")).unwrap();
    assert!(status["nextSync"].as_str().unwrap().contains("T12:00:00"), "{status}");
    assert!(status["job"].is_null(), "a scheduled ingestion waits for its time: {status}");
    let bad = json!({"schedule": {"scheduleType": "cron", "cronExpression": "every noon"}});
    let error = ingest(&client, &world.source(), "scheduled_badly", bad).unwrap_err().to_string();
    assert!(error.contains("422") && error.contains("cronExpression"), "{error}");
}

fn bad_sink(world: &World) {
    let client = world.light();
    let ask = |config: serde_json::Value| {
        client.send("POST", "/sink", Some(&json!({"name": "bad", "type": "local", "config": config})), &[]).unwrap()
    };
    for path in ["/proc/nowhere", "../x", "a/../../x", "~/x", ""] {
        refused_field(&ask(json!({"path": path})), "config.path");
    }
    refused(&ask(json!({})), 422);
    let body = json!({"name": "bad", "type": "tape", "config": {}});
    refused_field(&client.send("POST", "/sink", Some(&body), &[]).unwrap(), "type");
}

/// Rows of a sync that takes several seconds.
const MANY: u64 = 500_000;

fn cancelled(world: &World) {
    let (client, factory) = (world.light(), world.factory());
    factory
        .execute(
            "CREATE SCHEMA cut; CREATE TABLE cut.rows (id bigint PRIMARY KEY, body text);
             INSERT INTO cut.rows SELECT n, 'first' FROM generate_series(1, 10) n",
        )
        .unwrap();
    let mut config = source_config(&world.source());
    config["schemas"] = json!(["cut"]);
    let ingestion = ingest_from(&client, &config, "cut", json!({})).unwrap();
    assert_eq!(ended_job(&client, &ingestion)["status"], "succeeded");
    factory
        .execute(&format!("INSERT INTO cut.rows SELECT n, repeat(md5(n::text), 4) FROM generate_series(11, {MANY}) n"))
        .unwrap();

    let job = client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let id = job["id"].as_str().unwrap().to_owned();
    until("the sync has copied rows", Duration::from_secs(60), || {
        let task = client.get(&format!("/tasks/{id}")).ok()?;
        (task["status"] == "running" && task["progress"]["message"].as_str()?.contains("records")).then_some(())
    });
    let answer = client.post(&format!("/ingestion/{ingestion}/cancel"), &json!({})).unwrap();
    assert_eq!(answer["job"]["id"], id.as_str(), "{answer}");
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["id"], &job["status"]), (&json!(id), &json!("cancelled")), "{job}");
    assert_eq!(client.get(&format!("/tasks/{id}")).unwrap()["status"], "cancelled");
    let again = client.post(&format!("/ingestion/{ingestion}/cancel"), &json!({})).unwrap();
    assert!(again["job"].is_null(), "nothing is under way: {again}");

    let counts = || {
        let sql = "SELECT COUNT(*) AS n, COUNT(DISTINCT id) AS ids FROM bronze.cut_rows";
        let found = client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "spark"})).unwrap();
        let count = |name: &str| found["rows"][0][name].as_u64().unwrap();
        (count("n"), count("ids"))
    };
    let (n, ids) = counts();
    assert!(n == ids && n < MANY, "{n} rows with {ids} ids after the cancelled sync");
    client.post(&format!("/ingestion/{ingestion}/sync"), &json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(MANY)), "{job}");
    assert_eq!(counts(), (MANY, MANY));
    factory.execute("DROP SCHEMA cut CASCADE").unwrap();
}

fn fires(world: &World) {
    let client = world.light();
    let schedule = json!({"schedule": {"scheduleType": "cron", "cronExpression": "* * * * * ?"},
        "streams": [{"namespace": "inventory", "name": "materials"}]});
    let ingestion = ingest(&client, &world.source(), "ticking", schedule).unwrap();
    let path = format!("/ingestion/{ingestion}");
    until("two syncs have succeeded by themselves", Duration::from_secs(60), || {
        let jobs = client.get(&format!("{path}/jobs")).ok()?;
        let succeeded = jobs["jobs"].as_array()?.iter().filter(|job| job["status"] == "succeeded").count();
        (succeeded >= 2).then_some(())
    });
    let manual = json!({"schedule": {"scheduleType": "manual"}});
    assert_eq!(client.send("PATCH", &path, Some(&manual), &[]).unwrap().status, 200);
    let job = ended_job(&client, &ingestion);
    assert_eq!((&job["status"], &job["recordsCopied"]), (&json!("succeeded"), &json!(2323)), "{job}");
    assert!(client.get(&format!("{path}/status")).unwrap()["nextSync"].is_null());
}

fn variable(world: &World) {
    let source = world.source();
    let variables = [("FACTORY_PASSWORD", source.password.as_str())];
    let host = Host::start_light_with(world.built(), &world.folder("variable"), 0, &variables).unwrap();
    let client = host.client();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["secrets"] = json!({"factory": {"from": "env", "name": "FACTORY_PASSWORD"},
        "absent": {"from": "env", "name": "NO_SUCH_PASSWORD"}});
    let put = client.send("PUT", "/environments/local", Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    let mut config = source_config(&source);
    config["password"] = json!("secret://absent");
    let body = json!({"name": "absent", "type": "postgres", "config": config});
    let answer = client.send("POST", "/datasource", Some(&body), &[]).unwrap();
    assert!(answer.status >= 400 && answer.body.to_string().contains("NO_SUCH_PASSWORD"), "{}", answer.body);

    config["password"] = json!("secret://factory");
    config["schemas"] = json!(["inventory"]);
    let ingestion = ingest_from(&client, &config, "variable", json!({})).unwrap();
    let job = ended_job(&client, &ingestion);
    assert_eq!(job["status"], "succeeded", "{job}");
    assert!(job["recordsCopied"].as_u64().is_some_and(|records| records >= 2323), "{job}");
    let shown = client.get("/datasource").unwrap().to_string();
    assert!(!shown.contains(&source.password), "{shown}");
    host.stop().unwrap();
}
