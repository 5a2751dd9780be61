//! Silver by the plugin `spark`, in each of its ways, beside the embedded engine: the same request, the same rows and types.

use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asgard_journey::proxy::Proxy;
use asgard_journey::s3::S3;
use asgard_live::bindings;
use asgard_live::nessie::Nessie;
use asgard_live::operator::Operator;
use asgard_live::spark_servers::Standalone;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::lake::Lake;
use crate::nessie::walked;
use crate::world::{World, test, until};

/// Two Java machines start for a run, on two cores that much else runs on.
pub(crate) const RUN_WITHIN: Duration = Duration::from_secs(480);

/// The journey's statement.
const SILVER: &str = include_str!("../../../journey/silver.sql");

/// All columns of its table but the time at which it was made.
const COLUMNS: &str =
    "work_order_id, product_id, operator_id, machine_id, status, priority, quantity, unit_cost, start_time, end_time,
    due_date, is_rush, duration_hours, data_quality_flag, rule_version";

/// A way to Spark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Standalone,
    Connect,
    Operator,
}

impl Way {
    const ALL: [Self; 3] = [Self::Standalone, Self::Connect, Self::Operator];

    fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Connect => "connect",
            Self::Operator => "operator",
        }
    }

    /// An environment on the tables of Nessie whose silver runs go this way.
    fn lake(self, world: &World) -> &'static Lake {
        static LAKES: [OnceLock<Lake>; 3] = [const { OnceLock::new() }; 3];
        let at = Self::ALL.iter().position(|way| *way == self).unwrap_or_default();
        LAKES[at].get_or_init(|| world.branch_with(&format!("spark-{}", self.name()), &self.sections(world)).unwrap())
    }

    fn sections(self, world: &World) -> Value {
        match self {
            Self::Standalone => standalone(world),
            Self::Connect => connect(world, &world.connect().url()),
            Self::Operator => operator(world, world.operator().image()),
        }
    }
}

/// The part of an environment's document that binds silver to a standalone cluster.
pub(crate) fn standalone(world: &World) -> Value {
    standalone_on(world, world.standalone())
}

/// As [`standalone`], on a cluster of a test's own.
pub(crate) fn standalone_on(world: &World, cluster: &Standalone) -> Value {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let [page, worker] = cluster.pages();
    let configuration = json!({
        "mode": "standalone", "url": format!("http://{}", cluster.rest()), "master": cluster.master(),
        "master_ui": format!("http://{page}"), "job_program": format!("{package}/../../plugins/spark/src/job.py"),
        "spark_conf": {"spark.jars": world.installed().unwrap().spark.jar_list().unwrap(), "spark.sql.shuffle.partitions": "2",
            "spark.driver.host": "127.0.0.1"},
    });
    let http = json!([{"host": cluster.rest(), "substitute_secrets": true}, {"host": page}, {"host": worker}]);
    json!({"silver": {"plugin": "spark", "configuration": configuration, "grants": {"objects": true, "http": http}}})
}

/// The parts of an environment's document that bind silver to a Spark Connect server.
fn connect(world: &World, url: &str) -> Value {
    json!({
        "programs": {"spark-client": {"type": "path", "path": world.installed().unwrap().spark_client}},
        "silver": {
            "plugin": "spark",
            "configuration": {"mode": "connect", "url": url},
            "grants": {"processes": ["spark-client"], "reveal_secrets": true},
        },
    })
}

fn operator(world: &World, image: &str) -> Value {
    bindings::spark_operator(world.kubernetes(), image, "silver").unwrap()
}

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = vec![
        test(world, "silver_is_swapped_between_sql_and_spark_while_the_host_stays_up", swapped),
        test(world, "a_job_program_that_runs_again_or_beside_itself_appends_once", once),
        test(world, "spark_connect_over_a_network_that_breaks_appends_once", cut),
        test(world, "an_audited_silver_run_of_spark_is_published_when_its_checks_pass_and_not_before", audited),
    ];
    let in_pods = Operator::asked_for();
    if in_pods {
        trials.push(test(world, "an_image_that_is_not_there_ends_a_run_in_words", no_image));
    }
    for way in Way::ALL.into_iter().filter(|way| in_pods || *way != Way::Operator) {
        let name = way.name();
        let named = |what: &str| format!("spark_by_{name}_{what}");
        trials.extend([
            test(world, &named("makes_the_journeys_silver_table_as_sql_does"), move |world| same(world, way)),
            test(world, &named("appends_new_and_wider_columns"), move |world| appends(world, way)),
            test(world, &named("tells_why_a_statement_fails"), move |world| fails(world, way)),
            test(world, &named("is_cancelled_and_leaves_the_table_as_it_was"), move |world| cancelled(world, way)),
        ]);
    }
    trials
}

/// Starts a run.
pub(crate) fn begun(lake: &Lake, table: &str, run: &Value) -> String {
    let mut request = json!({"table": table});
    for (field, value) in run.as_object().unwrap() {
        request[field] = value.clone();
    }
    lake.0.post("/spark/transform", &request).unwrap()["run_id"].as_str().unwrap().to_owned()
}

pub(crate) fn look(lake: &Lake, run: &str, what: &str) -> Value {
    lake.0.look(&format!("/spark/transform/{run}/{what}")).unwrap()
}

/// The status of a run at its end.
pub(crate) fn ended(lake: &Lake, run: &str) -> Value {
    until("the run ends", RUN_WITHIN, || {
        let status = look(lake, run, "status");
        matches!(status["state"].as_str(), Some("COMPLETED" | "FAILED" | "CANCELLED")).then_some(status)
    })
}

fn completed(lake: &Lake, table: &str, run: &Value) -> Value {
    let run = begun(lake, table, run);
    let status = ended(lake, &run);
    assert_eq!(status["state"], "COMPLETED", "{status}\n{}", look(lake, &run, "logs")["logs"]);
    status
}

/// Makes the journey's silver table in another, which has the same rows and types then; answers with the run's status.
fn made_again(world: &World, lake: &Lake, table: &str) -> Value {
    let status = completed(lake, table, &json!({"sql": SILVER, "source_path": "bronze.work_orders"}));
    let sql = world.branch();
    let of = |table: &str| sql.query(&format!("SELECT * FROM silver.{table} LIMIT 1")).columns;
    assert_eq!(of(table), of("work_orders"), "names and types");
    for (one, other) in [("work_orders", table), (table, "work_orders")] {
        let rest = sql.query(&format!(
            "SELECT count(*) AS n FROM (SELECT {COLUMNS} FROM silver.{one} EXCEPT SELECT {COLUMNS} FROM silver.{other}) AS t"
        ));
        assert_eq!(rest.single().unwrap(), &json!(0), "rows of {one} that are not in {other}");
    }
    assert_eq!(count(world, &format!("silver.{table}")), count(world, "silver.work_orders"));
    status
}

fn count(world: &World, table: &str) -> Value {
    world.branch().query(&format!("SELECT count(*) AS n FROM {table}")).single().unwrap().clone()
}

fn swapped(world: &World) {
    walked(world);
    let process = world.host_process();
    let embedded = json!({"silver": {"plugin": "sql", "grants": {"lakehouse": {"read": ["bronze", "silver", "gold"], "write": ["silver"]}}}});
    let lake = world.branch_with("silver-swapped", &embedded).unwrap();
    let (standalone, connect) = (standalone(world), connect(world, &world.connect().url()));
    for (changes, plugin) in [(&embedded, "sql"), (&standalone, "spark"), (&embedded, "sql"), (&connect, "spark")] {
        world.rebind("silver-swapped", changes).unwrap();
        made_again(world, &lake, "orders_swapped");
        assert_eq!(lake.newest_by("silver"), plugin);
    }
    assert_eq!(world.host_process(), process);
}

fn same(world: &World, way: Way) {
    walked(world);
    let lake = way.lake(world);
    let status = made_again(world, lake, &format!("orders_{}", way.name()));
    let run = status["run_id"].as_str().unwrap();
    let metrics = look(lake, run, "metrics");
    assert_eq!(
        (&metrics["rows_written"], &metrics["total_rows"]),
        (&count(world, "silver.work_orders"), &count(world, "silver.work_orders"))
    );
    assert_eq!(metrics["rows_read"], count(world, "bronze.work_orders"));
    assert_eq!(status["spark_version"], "4.1.4");
    let events = look(lake, run, "events")["events"].to_string();
    assert!(events.contains("Submitted") && events.contains("Completed"), "{events}");
    if way == Way::Operator {
        assert_eq!(status["driver_pod"], format!("sql-exec-{run}-driver"));
        assert_eq!((&status["executor_count"], &status["namespace"]), (&json!(1), &json!("silver")));
        assert_eq!(status["full_status"]["applicationState"]["state"], "COMPLETED");
        assert!(events.contains("SparkDriverRunning"), "{events}");
    }
    if way != Way::Connect {
        assert!(look(lake, run, "logs")["logs"].as_str().unwrap().contains("SparkContext"));
    }
    let listed = lake.0.look("/spark/transform/jobs?limit=100").unwrap();
    assert!(listed["jobs"].as_array().unwrap().iter().any(|job| job["run_id"] == run), "{listed}");
}

fn appends(world: &World, way: Way) {
    let (lake, table) = (way.lake(world), format!("appended_{}", way.name()));
    for sql in ["SELECT 1 AS id, 'a' AS word", "SELECT CAST(5000000000 AS BIGINT) AS id, 2.5D AS more"] {
        completed(lake, &table, &json!({"sql": sql, "write_mode": "append"}));
    }
    let found = world.branch().query(&format!("SELECT * FROM silver.{table} ORDER BY id"));
    let columns: Vec<_> = found.columns.iter().map(|(name, of)| (name.as_str(), of.as_str())).collect();
    assert_eq!(columns, [("id", "long"), ("word", "string"), ("more", "double")]);
    assert_eq!(
        found.rows,
        [vec![json!(1), json!("a"), Value::Null], vec![json!(5_000_000_000_i64), Value::Null, json!(2.5)]]
    );
}

fn fails(world: &World, way: Way) {
    let lake = way.lake(world);
    let run =
        begun(lake, "never", &json!({"sql": "SELECT 1 / (id - 1) AS x FROM (SELECT explode(array(1, 2)) AS id)"}));
    let status = ended(lake, &run);
    assert_eq!(status["state"], "FAILED", "{status}");
    let message = status["error_message"].as_str().unwrap();
    assert!(message.contains("Division by zero") && message.contains("DIVIDE_BY_ZERO"), "{message}");
    let answer = lake.ask(&json!({"sql": "SELECT * FROM silver.never"}));
    assert_eq!(answer.status, 422, "{}", answer.body);
}

fn cancelled(world: &World, way: Way) {
    let lake = way.lake(world);
    let sql =
        "SELECT count(*) AS n FROM range(10000000) a CROSS JOIN range(10000000) b WHERE sqrt(a.id) * b.id = 0.123";
    let run = begun(lake, "cancelled", &json!({"sql": sql}));
    until("the run begins", RUN_WITHIN, || (look(lake, &run, "status")["spark_version"] == "4.1.4").then_some(()));
    lake.0.post(&format!("/spark/transform/{run}/cancel"), &json!({})).unwrap();
    assert_eq!(ended(lake, &run)["state"], "CANCELLED");
    if way == Way::Operator {
        let path = format!("/apis/sparkoperator.k8s.io/v1beta2/namespaces/silver/sparkapplications/sql-exec-{run}");
        let gone = || Ok(world.kubernetes().find(&path)?.is_none().then_some(()));
        world.kubernetes().wait("the application's end", RUN_WITHIN, gone).unwrap();
    }
    let answer = lake.ask(&json!({"sql": "SELECT * FROM silver.cancelled"}));
    assert_eq!(answer.status, 422, "{}", answer.body);
}

fn once(world: &World) {
    let lake = world.branch();
    let catalog = "spark.sql.catalog.iceberg";
    let settings = json!({
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        format!("{catalog}.type"): "rest",
        format!("{catalog}.uri"): world.nessie().iceberg(),
        format!("{catalog}.warehouse"): Nessie::WAREHOUSE,
        format!("{catalog}.cache-enabled"): "false",
        format!("{catalog}.s3.endpoint"): world.s3().endpoint(),
        format!("{catalog}.s3.path-style-access"): "true",
        format!("{catalog}.client.region"): "us-east-1",
    });
    let request = json!({
        "version": 1, "name": "once", "run_id": "once", "key": "task/once", "sql": "SELECT 1 AS id", "inputs": [],
        "target": ["silver", "once"], "write_mode": "append", "settings": settings, "remote": world.connect().url(), "connect_seconds": 60,
    });
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let program = || {
        Command::new(&world.installed().unwrap().spark_client)
            .arg(format!("{package}/../../plugins/spark/src/job.py"))
            .arg(request.to_string())
            .env("AWS_ACCESS_KEY_ID", S3::ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", S3::SECRET_KEY)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let at_once: Vec<_> = (0..3).map(|_| program()).collect();
    let mut said: Vec<String> = at_once
        .into_iter()
        .chain([program()])
        .map(|program| String::from_utf8(program.wait_with_output().unwrap().stdout).unwrap())
        .filter_map(|output| output.lines().find(|line| line.contains("done")).map(str::to_owned))
        .collect();
    assert_eq!(said.len(), 4);
    said.dedup();
    assert_eq!(said.len(), 1, "each tells the one commit: {said:?}");
    assert_eq!(lake.query("SELECT count(*) AS n FROM silver.once").single().unwrap(), &json!(1));
}

/// What is in a table that tests append numbers to, in order.
pub(crate) fn ids(world: &World, table: &str) -> Vec<Vec<Value>> {
    world.branch().query(&format!("SELECT id FROM silver.{table} ORDER BY id")).rows
}

fn cut(world: &World) {
    let proxy = Proxy::start(world.connect().port()).unwrap();
    let lake = world.branch_with("spark-cut", &connect(world, &format!("sc://127.0.0.1:{}", proxy.port()))).unwrap();
    let append = |sql: &str| begun(&lake, "cut", &json!({"sql": sql, "write_mode": "append"}));
    let written = |run: &str, id: usize| {
        let status = ended(&lake, run);
        assert_eq!(status["state"], "COMPLETED", "{status}\n{}", look(&lake, run, "logs")["logs"]);
        let expected: Vec<Vec<Value>> = (0..=id).map(|id| vec![json!(id)]).collect();
        assert_eq!(ids(world, "cut"), expected, "{status}");
    };
    // The first makes the table, the second tells how much an append has to say.
    written(&append("SELECT 0 AS id"), 0);
    proxy.mend();
    written(&append("SELECT 1 AS id"), 1);
    let all = proxy.passed();
    for (id, part) in (2..).zip([15, 40, 60, 80]) {
        proxy.break_after(all * part / 100);
        let run = append(&format!("SELECT {id} AS id"));
        until("the network breaks", RUN_WITHIN, || proxy.is_used_up().then_some(()));
        proxy.mend();
        written(&run, id);
    }
    // In the middle of the statement, and for longer than the client takes to ask again.
    let slow = "SELECT CAST(6 + 0 * n AS INT) AS id FROM (SELECT count(*) AS n FROM range(30000) a CROSS JOIN range(30000) b WHERE sqrt(a.id) * b.id >= 0)";
    let run = append(slow);
    until("the run begins", RUN_WITHIN, || (look(&lake, &run, "status")["spark_version"] == "4.1.4").then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    proxy.break_after(0);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(look(&lake, &run, "status")["state"], "RUNNING");
    proxy.mend();
    written(&run, 6);
}

fn audited(world: &World) {
    let (lake, table) = (Way::Connect.lake(world), "audited_by_spark");
    let request = |sql: &str, mode: &str| {
        let positive = json!({"name": "positive", "sql": format!("SELECT id FROM silver.{table} WHERE id < 1")});
        json!({"sql": sql, "write_mode": mode, "audit": true, "checks": [positive]})
    };
    let status = completed(lake, table, &request("SELECT 1 AS id", "overwrite"));
    assert_eq!(status["checks"][0]["status"], "pass", "{status}");
    assert_eq!(ids(world, table), [[json!(1)]]);
    for mode in ["overwrite", "append"] {
        let run = begun(lake, table, &request("SELECT 0 AS id", mode));
        let status = ended(lake, &run);
        assert_eq!(status["state"], "FAILED", "{status}");
        let message = status["error_message"].as_str().unwrap();
        assert!(message.contains("positive") && message.contains("nothing was published"), "{message}");
        assert_eq!(ids(world, table), [[json!(1)]], "nobody sees what failed");
    }
    completed(lake, table, &request("SELECT 2 AS id", "append"));
    assert_eq!(ids(world, table), [[json!(1)], [json!(2)]]);
    assert_eq!(lake.branches(world.nessie()), Vec::<String>::new(), "branches go with their tasks");
}

fn no_image(world: &World) {
    let image = world.operator().image().replace("spark:", "no-such-spark:");
    let lake = world.branch_with("spark-no-image", &operator(world, &image)).unwrap();
    let run = begun(&lake, "no_image", &json!({"sql": "SELECT 1 AS one"}));
    let status = ended(&lake, &run);
    assert_eq!(status["state"], "FAILED", "{status}");
    let message = status["error_message"].as_str().unwrap();
    assert!(message.contains("cannot be pulled") && message.contains("no-such-spark"), "{message}");
}
