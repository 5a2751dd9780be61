//! Pipelines: steps in their order, each once; repeated from where they failed; for each date of a range.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::features::SHELF;
use crate::swaps::register;
use crate::world::{World, ended_job, fixture, ingest, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_pipeline_runs_its_steps_in_their_order_and_shows_them_where_they_belong", runs),
        test(world, "a_run_is_repeated_from_the_step_that_failed", repeated),
        test(world, "a_backfill_runs_the_dates_one_after_the_other", backfilled),
        test(world, "no_step_of_a_run_is_done_twice_though_the_host_is_killed", killed),
        test(world, "a_run_that_is_cancelled_cancels_its_steps", cancelled),
        test(world, "a_run_that_is_cancelled_cancels_a_step_that_it_had_not_written_down", unwritten),
        test(world, "a_pipeline_with_a_schedule_of_every_second_runs_by_itself", fires),
        test(world, "what_is_no_pipeline_is_refused_with_its_place", refusals),
    ]
}

/// A run may train a model, on a busy machine.
const ENDED_WITHIN: Duration = Duration::from_secs(360);

/// Waits for a run to end; answers with it.
pub(crate) fn ended(client: &Client, pipeline: &str, run: &Value) -> Value {
    let path = format!("/pipelines/{pipeline}/runs/{}", run["id"].as_str().unwrap());
    until("the run ends", ENDED_WITHIN, || {
        let run = client.get(&path).ok()?;
        matches!(run["status"].as_str(), Some("succeeded" | "failed" | "cancelled")).then_some(run)
    })
}

pub(crate) fn start(client: &Client, pipeline: &str, body: Value) -> Value {
    client.post(&format!("/pipelines/{pipeline}/runs"), &body).unwrap()
}

pub(crate) fn put(client: &Client, name: &str, steps: Value) -> Value {
    let body = json!({"parameters": {"word": "hello"}, "steps": steps});
    let answer = client.send("PUT", &format!("/pipelines/{name}"), Some(&body), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// A model that adds a row with each run.
pub(crate) fn adds(table: &str, sql: &str) -> Value {
    json!({"name": table, "sql_query": sql, "materialization": "incremental"})
}

pub(crate) fn statuses(run: &Value) -> Value {
    run["steps"].as_object().unwrap().iter().map(|(id, step)| (id.clone(), step["status"].clone())).collect()
}

fn rows(client: &Client, sql: &str) -> Value {
    client.post("/lakehouse/query", &json!({"sql": sql, "dialect": "trino"})).unwrap()["rows"].clone()
}

fn runs(world: &World) {
    let client = world.light();
    let streams = json!({"streams": [{"namespace": "inventory", "name": "materials"}]});
    let ingestion = ingest(&client, &world.source(), "piped", streams).unwrap();
    ended_job(&client, &ingestion);
    let made = client
        .post(
            "/pipelines",
            &json!({"name": "piped", "description": "from the factory", "parameters": {"word": "hello"}, "steps": [
            {"id": "count", "kind": "gold", "needs": ["clean"], "with": adds("piped_counts",
                "SELECT DATE '${date}' AS day, '${word}' AS word, count(*) AS n FROM {{ ref('piped_materials') }}")},
            {"id": "clean", "kind": "silver", "needs": ["load"], "with": {"sql": "SELECT * FROM source_data",
                "source_path": "bronze.piped_materials", "table": "piped_materials"}},
            {"id": "load", "kind": "ingestion", "with": {"ingestion": "piped ingestion"}},
        ]}),
        )
        .unwrap();
    assert_eq!((&made["name"], &made["steps"][0]["id"]), (&json!("piped"), &json!("count")), "{made}");
    let body = json!({"date": "2026-03-01", "parameters": {"word": "bye"}});
    let run = ended(&client, "piped", &start(&client, "piped", body));
    assert_eq!(run["status"], "succeeded", "{run}");
    let expected = json!([{"day": "2026-03-01", "word": "bye", "n": 2323}]);
    assert_eq!(rows(&client, "SELECT * FROM gold.piped_counts"), expected);

    let steps = &run["steps"];
    let time = |step: &str, at: &str| steps[step][at].as_str().unwrap().to_owned();
    assert!(time("load", "finished_at") <= time("clean", "started_at"), "{run}");
    assert!(time("clean", "finished_at") <= time("count", "started_at"), "{run}");
    assert!(steps["clean"]["plugin"].as_str().unwrap().contains("sha256:"), "{run}");
    let lineage = client.get("/lineage/tables/gold/piped_counts").unwrap();
    let back: Vec<(&str, &Value)> = lineage["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["table"].as_str().unwrap(), &node["made_by"]["id"]))
        .collect();
    let expected =
        [("gold.piped_counts", "count"), ("silver.piped_materials", "clean"), ("bronze.piped_materials", "load")];
    assert_eq!(back, expected.map(|(table, step)| (table, &steps[step]["task"])), "{lineage}");
    let jobs = client.get(&format!("/ingestion/{ingestion}/jobs")).unwrap();
    assert_eq!(jobs["jobs"][0]["id"], steps["load"]["task"], "the sync shows among the ingestion's jobs: {jobs}");
    let status =
        client.get(&format!("/spark/transform/{}/status", steps["clean"]["subject"].as_str().unwrap())).unwrap();
    assert_eq!(status["state"], "COMPLETED", "{status}");
    assert_eq!(client.get("/pipelines/piped/runs").unwrap()["total"], 1);
    assert_eq!(client.send("DELETE", "/pipelines/piped", None, &[]).unwrap().status, 204);
    refused(&client.send("GET", "/pipelines/piped", None, &[]).unwrap(), 404);
}

fn repeated(world: &World) {
    let client = world.light();
    let steps = |source: &str| {
        json!([
            {"id": "first", "kind": "gold", "with": adds("repeated_first", "SELECT 1 AS one, 'first' AS step")},
            {"id": "second", "kind": "gold", "needs": ["first"], "with": adds("repeated_second", &format!("SELECT * FROM {source}"))},
            {"id": "third", "kind": "gold", "needs": ["second"], "with": adds("repeated_third", "SELECT 3 AS three, 'third' AS step")},
            {"id": "apart", "kind": "gold", "with": adds("repeated_apart", "SELECT 4 AS four, 'apart' AS step")},
        ])
    };
    put(&client, "repeated", steps("gold.repeated_nowhere"));
    let run = ended(&client, "repeated", &start(&client, "repeated", json!({})));
    assert_eq!(run["status"], "failed", "{run}");
    let expected = json!({"first": "succeeded", "second": "failed", "third": "skipped", "apart": "succeeded"});
    assert_eq!(statuses(&run), expected);
    assert!(
        run["error"].as_str().unwrap().contains("step `second`")
            && run["error"].as_str().unwrap().contains("repeated_nowhere")
    );

    put(&client, "repeated", steps("gold.repeated_first"));
    let again =
        client.post(&format!("/pipelines/repeated/runs/{}/rerun", run["id"].as_str().unwrap()), &json!({})).unwrap();
    assert_eq!(again["repeats"], run["id"]);
    let again = ended(&client, "repeated", &again);
    assert_eq!(again["status"], "succeeded", "{again}");
    for (table, rows_there) in [("first", 1), ("second", 1), ("third", 1), ("apart", 1)] {
        let found = rows(&client, &format!("SELECT count(*) AS n FROM gold.repeated_{table}"));
        assert_eq!(found, json!([{"n": rows_there}]), "{table}");
    }
    assert_eq!(again["steps"]["first"]["task"], run["steps"]["first"]["task"], "it was not run again");
    let path = format!("/pipelines/repeated/runs/{}/rerun", again["id"].as_str().unwrap());
    let refusal = refused(&client.send("POST", &path, Some(&json!({})), &[]).unwrap(), 409);
    assert!(refusal.contains("start a new one"), "{refusal}");
}

fn backfilled(world: &World) {
    let client = world.light();
    let step = adds("backfilled_days", "SELECT DATE '${date}' AS day, DATE '${next_date}' AS next_day, now() AS at");
    put(&client, "backfilled", json!([{"id": "day", "kind": "gold", "with": step}]));
    let body = json!({"from": "2024-02-28", "until": "2024-03-01"});
    let made = client.post("/pipelines/backfilled/backfill", &body).unwrap();
    assert_eq!(made["total"], 3, "{made}");
    for run in made["runs"].as_array().unwrap() {
        assert_eq!(ended(&client, "backfilled", run)["status"], "succeeded");
    }
    let found = rows(&client, "SELECT day, next_day FROM gold.backfilled_days ORDER BY at");
    let day = |day: &str, next: &str| json!({"day": day, "next_day": next});
    let days = [("2024-02-28", "2024-02-29"), ("2024-02-29", "2024-03-01"), ("2024-03-01", "2024-03-02")];
    assert_eq!(found, Value::from(days.map(|(a, b)| day(a, b)).to_vec()));
    for (from, until, field) in [("2024-03-01", "2024-02-28", "until"), ("2020-01-01", "2024-01-01", "until")] {
        let body = json!({"from": from, "until": until});
        refused_field(&client.send("POST", "/pipelines/backfilled/backfill", Some(&body), &[]).unwrap(), field);
    }
}

fn killed(world: &World) {
    let mut host = world.start_light(&world.folder("killed-run")).unwrap();
    let client = host.client();
    let names = ["a", "b", "c", "d", "e"];
    let step = |(at, name): (usize, &&str)| {
        let needs: Vec<&str> = names[..at].iter().rev().take(1).copied().collect();
        json!({"id": name, "kind": "gold", "needs": needs, "with": adds(&format!("killed_{name}"), "SELECT 1 AS one, 'row' AS row")})
    };
    put(&client, "killed", names.iter().enumerate().map(step).collect());
    let run = start(&client, "killed", json!({}));
    for pause in [300, 500, 700, 900] {
        std::thread::sleep(Duration::from_millis(pause));
        host.crash_and_restart().unwrap();
    }
    let run = ended(&client, "killed", &run);
    assert_eq!(run["status"], "succeeded", "{run}");
    for name in names {
        let found = rows(&client, &format!("SELECT count(*) AS n FROM gold.killed_{name}"));
        assert_eq!(found, json!([{"n": 1}]), "{name}: {run}");
    }
    assert_eq!(client.get("/tasks?kind=gold").unwrap()["total"], names.len(), "each step has one task");
}

fn cancelled(world: &World) {
    let client = world.light();
    let heavy = crate::silver::heavy("COUNT(DISTINCT CONCAT(a.name, b.name, c.name, d.name))");
    put(
        &client,
        "cancelled",
        json!([
            {"id": "endless", "kind": "silver", "with": {"sql": heavy}},
            {"id": "after", "kind": "gold", "needs": ["endless"], "with": adds("cancelled_after", "SELECT 1 AS one, 'after' AS w")},
        ]),
    );
    let run = start(&client, "cancelled", json!({}));
    let path = format!("/pipelines/cancelled/runs/{}", run["id"].as_str().unwrap());
    let task = until("the step runs", Duration::from_secs(60), || {
        let run = client.get(&path).ok()?;
        run["steps"]["endless"]["task"].as_str().map(str::to_owned)
    });
    let second = start(&client, "cancelled", json!({}));
    client.post(&format!("{path}/cancel"), &json!({})).unwrap();
    assert_eq!(ended(&client, "cancelled", &run)["status"], "cancelled");
    let child = client.get(&format!("/tasks/{task}")).unwrap();
    assert_eq!(child["status"], "cancelled", "{child}");
    assert_eq!(
        statuses(&client.get(&path).unwrap())["endless"],
        "cancelled",
        "a run that has ended has no step that runs"
    );
    let waiting = client.get(&format!("/pipelines/cancelled/runs/{}", second["id"].as_str().unwrap())).unwrap();
    assert!(matches!(waiting["status"].as_str(), Some("pending" | "running")), "{waiting}");
    assert_eq!(client.send("DELETE", "/pipelines/cancelled", None, &[]).unwrap().status, 204);
    until("its runs are cancelled with it", Duration::from_secs(60), || {
        let task = client.get(&format!("/tasks/{}", second["id"].as_str().unwrap())).ok()?;
        (task["status"] == "cancelled").then_some(())
    });
}

/// The look that begins a step is held up by the next one, and broken off by the cancel: what it did is not in the run.
fn unwritten(world: &World) {
    let light = world.light();
    register(&light, SHELF, &fixture(world, "shelf"));
    let mut document = light.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!("unwritten");
    document["features"] = json!({"plugin": "shelf", "configuration": {"register_ms": 60_000}});
    let answer = light.send("PUT", "/environments/unwritten", Some(&document), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let client = Client::new(format!("{}/environments/unwritten", light.base()));
    let heavy = crate::silver::heavy("COUNT(DISTINCT CONCAT(a.name, b.name, c.name, d.name))");
    let view = json!({"name": "unwritten", "entities": ["a"], "features": [{"name": "b", "dtype": "int64"}],
        "source": {"table_name": "unwritten"}, "ttl_seconds": 0, "online": true});
    put(
        &client,
        "unwritten",
        json!([
            {"id": "endless", "kind": "silver", "with": {"sql": heavy}},
            {"id": "view", "kind": "features", "with": view},
        ]),
    );
    let run = start(&client, "unwritten", json!({}));
    let path = format!("/pipelines/unwritten/runs/{}", run["id"].as_str().unwrap());
    let task = until("the step runs", Duration::from_secs(30), || {
        let tasks = client.get("/tasks?kind=silver&status=running").ok()?;
        tasks["tasks"][0]["id"].as_str().map(str::to_owned)
    });
    let under_way = client.get(&path).unwrap();
    assert_eq!(under_way["status"], "running", "{under_way}");
    assert!(under_way["steps"]["endless"]["task"].is_null(), "the run knows nothing of it: {under_way}");
    client.post(&format!("{path}/cancel"), &json!({})).unwrap();
    assert_eq!(ended(&client, "unwritten", &run)["status"], "cancelled");
    until("its step is cancelled with it", Duration::from_secs(30), || {
        (client.get(&format!("/tasks/{task}")).ok()?["status"] == "cancelled").then_some(())
    });
    assert_eq!(client.get("/tasks?kind=features").unwrap()["total"], 0, "the next one never began");
    assert_eq!(client.send("DELETE", "/pipelines/unwritten", None, &[]).unwrap().status, 204);
}

fn fires(world: &World) {
    let client = world.light();
    let step = adds("ticking_rows", "SELECT 1 AS one, '${word}' AS word");
    let body = json!({"parameters": {"word": "tick"}, "steps": [{"id": "row", "kind": "gold", "with": step}],
        "schedule": {"scheduleType": "cron", "cronExpression": "* * * * * ?"}});
    let put = client.send("PUT", "/pipelines/ticking", Some(&body), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    assert!(put.body["next_run"].is_string(), "{}", put.body);
    until("two runs have succeeded by themselves", Duration::from_secs(60), || {
        let runs = client.get("/pipelines/ticking/runs").ok()?;
        let succeeded = runs["runs"].as_array()?.iter().filter(|run| run["status"] == "succeeded").count();
        (succeeded >= 2).then_some(())
    });
    // Without a schedule, none comes any more.
    put_unscheduled(&client, &body);
    let runs = until("no run is under way", Duration::from_secs(60), || {
        let runs = client.get("/pipelines/ticking/runs?page_size=1000").ok()?;
        let all = runs["runs"].as_array()?;
        all.iter().all(|run| run["status"] == "succeeded").then_some(all.len())
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(client.get("/pipelines/ticking/runs").unwrap()["total"], runs);
    let expected = json!([{"word": "tick", "n": runs}]);
    assert_eq!(rows(&client, "SELECT word, count(*) AS n FROM gold.ticking_rows GROUP BY word"), expected);
    assert_eq!(client.send("DELETE", "/pipelines/ticking", None, &[]).unwrap().status, 204);
}

fn put_unscheduled(client: &Client, body: &Value) {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove("schedule");
    let put = client.send("PUT", "/pipelines/ticking", Some(&body), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    assert!(put.body["next_run"].is_null(), "{}", put.body);
}

fn refusals(world: &World) {
    let client = world.light();
    let ask = |body: Value| client.send("POST", "/pipelines", Some(&body), &[]).unwrap();
    let gold = |id: &str, needs: Value, sql: &str| json!({"id": id, "kind": "gold", "needs": needs, "with": {"name": "m", "sql_query": sql}});
    let deployment = |field: &str, value: Value| {
        let mut with = json!({"script_name": "train.py", "script_content": "import mlflow\nprint(1)\n",
            "experiment_name": "refused", "model_name": "refused"});
        with[field] = value;
        json!([{"id": "a", "kind": "deployment", "with": with}])
    };
    let fine = "SELECT 1 AS one, 2 AS two";
    for (steps, field, told) in [
        (json!([]), "steps", "1 to 100"),
        (
            json!([gold("a", json!(["b"]), fine), gold("b", json!(["a"]), fine)]),
            "steps",
            "wait for each other: a -> b -> a",
        ),
        (json!([gold("a", json!(["x"]), fine)]), "steps[0].needs[0]", "there are a"),
        (json!([gold("a", json!([]), "SELECT '${nothing}' AS x")]), "steps[0].with.sql_query", "stands for nothing"),
        (json!([gold("a", json!([]), "short")]), "steps[0].with.sql_query", "10 characters"),
        (json!([{"id": "a", "kind": "gold", "with": {"name": "m"}}]), "steps[0].with.sql_query", "missing"),
        (
            json!([{"id": "a", "kind": "ingestion", "with": {"ingestion": "x", "y": 1}}]),
            "steps[0].with.y",
            "there is no field",
        ),
        (deployment("timeout", json!(5)), "steps[0].with.timeout", "60 to 3600"),
        (deployment("model_name", json!("no name")), "steps[0].with.model_name", "no valid name"),
        (deployment("canary_weight", json!(100)), "steps[0].with.canary_weight", "1 to 99"),
    ] {
        let detail = refused_field(&ask(json!({"name": "refused", "steps": steps})), field);
        assert!(detail.contains(told), "{detail}");
    }
    let scheduled = json!({"name": "refused", "schedule": {"scheduleType": "cron", "cronExpression": "at noon"}, "steps": [gold("a", json!([]), fine)]});
    refused_field(&ask(scheduled), "schedule.cronExpression");
    refused_field(&ask(json!({"name": "Not A Name", "steps": [gold("a", json!([]), fine)]})), "name");
    put(&client, "refusing", json!([gold("a", json!([]), fine)]));
    refused(&ask(json!({"name": "refusing", "steps": [gold("a", json!([]), fine)]})), 409);
    let unknown = json!({"parameters": {"nothing": "x"}});
    let answer = client.send("POST", "/pipelines/refusing/runs", Some(&unknown), &[]).unwrap();
    refused_field(&answer, "parameters.nothing");
    let put = json!({"schedule": {"scheduleType": "cron", "cronExpression": "0 0 3 * * ?"}, "steps": [gold("a", json!([]), fine)]});
    let scheduled = client.send("PUT", "/pipelines/refusing", Some(&put), &[]).unwrap();
    assert!(scheduled.body["next_run"].as_str().unwrap().contains("T03:00:00"), "{}", scheduled.body);
    client.send("DELETE", "/pipelines/refusing", None, &[]).unwrap();
}
