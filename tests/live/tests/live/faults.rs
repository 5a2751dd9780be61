//! A network that fails between a client and a server in the middle of what writes: dbt and Trino, the host and Spark's master, a driver
//! and the catalog. A run ends with its rows or with a reason, and nothing is there twice.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::faults::{Fault, Faults};
use asgard_live::spark_servers::Standalone;
use asgard_live::trino::Trino;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::dbt_trino::{self, ENDLESS, Mode};
use crate::lake::Lake;
use crate::spark_plugin::{self, begun, ids, look};
use crate::world::{World, test, until};

/// Longer than dbt asks in vain: three times within two seconds.
const OUTAGE: Duration = Duration::from_secs(10);

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "dbt_appends_once_over_a_network_that_fails_or_tells_why_it_did_not", dbt),
        test(world, "a_dbt_that_lost_trino_leaves_no_statement_that_commits_later", dbt_cut_off),
    ]
}

/// A quarter of an hour on two cores: there is a job of Spark's for each fault.
pub(crate) fn of_spark(world: &Arc<World>) -> Vec<Trial> {
    vec![test(world, "spark_by_standalone_appends_once_over_networks_that_fail", spark)]
}

/// What is asked for a model that appends.
pub(crate) fn model(name: &str, sql: &str) -> Value {
    json!({"name": name, "sql_query": sql, "materialization": "incremental", "incremental_strategy": "append"})
}

/// The numbers in a table, in order.
pub(crate) fn numbers(lake: &Lake, table: &str) -> Vec<Value> {
    dbt_trino::rows(lake, table).rows.into_iter().flatten().collect()
}

/// A statement of dbt's that appends to a model runs.
pub(crate) fn one_query(trino: &Trino, model: &str) {
    until("dbt's statement runs", dbt_trino::RUN_WITHIN, || {
        (queries(trino, model, "= 'RUNNING'")? == json!(1)).then_some(())
    });
}

/// No statement of dbt's that appends to a model goes on.
pub(crate) fn no_queries(trino: &Trino, model: &str) {
    until("dbt's statements have ended", dbt_trino::RUN_WITHIN, || {
        (queries(trino, model, "NOT IN ('FINISHED', 'FAILED')")? == json!(0)).then_some(())
    });
}

/// How many statements of dbt's append to a model and are in such a state.
fn queries(trino: &Trino, model: &str, state: &str) -> Option<Value> {
    let sql = format!(
        "SELECT count(*) AS n FROM system.runtime.queries
         WHERE source LIKE 'dbt-trino%' AND lower(query) LIKE '%insert into%{model}%' AND state {state}"
    );
    Some(trino.sql(&sql).ok()?.rows[0][0].clone())
}

fn dbt(world: &World) {
    const NAME: &str = "over_dbts_network";
    let trino = world.trino();
    let faults = Faults::before(trino.url()).unwrap();
    let lake = world.branch_with("gold-network-dbt", &dbt_trino::binding(world, Mode::Dbt, faults.url())).unwrap();
    let table = format!("gold.{NAME}");
    dbt_trino::completed(&lake, &model(NAME, "SELECT 0 AS id"));
    let mut expected = vec![json!(0)];
    // Half an answer is none that dbt's client asks for again; all others are.
    let faults_and_ends = [
        (Fault::LostRequest, true),
        (Fault::LostAnswer, true),
        (Fault::RetryAfter(503, 1), true),
        (Fault::RetryAfter(429, 1), true),
        (Fault::Delay(Duration::from_secs(3)), true),
        (Fault::HalfBody, false),
    ];
    for (id, (fault, is_asked_again)) in (1..).zip(faults_and_ends) {
        faults.mend();
        // The first of each is the statement that writes, and what is asked about it.
        for method in ["POST", "GET"] {
            faults.fail_after("insert into", method, "/v1/statement", 0..1, fault);
        }
        let ended = dbt_trino::ended(&lake, &model(NAME, &format!("SELECT {id} AS id")));
        assert!(faults.mend().iter().any(|seen| seen.fault == Some(fault)), "{fault:?}");
        no_queries(trino, NAME);
        if is_asked_again {
            assert_eq!(ended["status"], "completed", "{fault:?}: {ended}");
        }
        if ended["status"] == "completed" {
            expected.push(json!(id));
        } else {
            let message = ended["error_message"].as_str().unwrap();
            if message.contains("has changed since it began") {
                expected.push(json!(id));
            } else {
                assert!(message.contains(&format!("{table} is as it was")), "{fault:?}: {message}");
            }
        }
        assert_eq!(numbers(&lake, &table), expected, "{fault:?}: {ended}");
    }
}

fn dbt_cut_off(world: &World) {
    const NAME: &str = "cut_off_from_dbt";
    let trino = world.trino();
    let faults = Faults::before(trino.url()).unwrap();
    let lake = world.branch_with("gold-cut-dbt", &dbt_trino::binding(world, Mode::Dbt, faults.url())).unwrap();
    let table = format!("gold.{NAME}");
    dbt_trino::completed(&lake, &model(NAME, "SELECT BIGINT '1' AS n"));
    let failed = std::thread::scope(|scope| {
        let ended = scope.spawn(|| dbt_trino::ended(&lake, &model(NAME, ENDLESS)));
        one_query(trino, NAME);
        for method in ["POST", "GET", "DELETE"] {
            faults.fail(method, "/v1/statement", 0..usize::MAX, Fault::LostRequest);
        }
        std::thread::sleep(OUTAGE);
        faults.mend();
        ended.join().unwrap()
    });
    assert_eq!(failed["status"], "failed", "{failed}");
    let message = failed["error_message"].as_str().unwrap();
    assert!(message.contains(&format!("{table} is as it was")), "{message}");
    no_queries(trino, NAME);
    assert_eq!(numbers(&lake, &table), [json!(1)]);
    dbt_trino::completed(&lake, &model(NAME, "SELECT BIGINT '2' AS n"));
    assert_eq!(numbers(&lake, &table), [json!(1), json!(2)]);
}

/// Silver on a cluster that is reached over one network, and reaches the catalog over another.
struct Spark<'a> {
    world: &'a World,
    lake: Lake,
    /// The master's page.
    page: Client,
}

impl Spark<'_> {
    const TABLE: &'static str = "over_networks";

    /// Appends a number. Drivers whose submission was not answered come to their ends before the rows are looked at.
    fn append(&self, id: usize) {
        let run = begun(&self.lake, Self::TABLE, &json!({"sql": format!("SELECT {id} AS id"), "write_mode": "append"}));
        let status = spark_plugin::ended(&self.lake, &run);
        assert_eq!(status["state"], "COMPLETED", "{status}\n{}", look(&self.lake, &run, "logs")["logs"]);
        self.drivers_end();
        let expected: Vec<Vec<Value>> = (0..=id).map(|id| vec![json!(id)]).collect();
        assert_eq!(ids(self.world, Self::TABLE), expected, "{status}");
    }

    fn drivers_end(&self) {
        until("the drivers end", spark_plugin::RUN_WITHIN, || {
            let cluster = self.page.get("/json/").ok()?;
            cluster["activedrivers"].as_array()?.is_empty().then_some(())
        });
    }
}

fn spark(world: &World) {
    // Its own: a driver more than was asked for would keep other tests' executors from its cores.
    let folder = world.folder("standalone-faults");
    let cluster = Standalone::start(&world.installed().unwrap().spark, &folder).unwrap();
    let nessie = world.nessie().iceberg();
    let master = Faults::before(&format!("http://{}", cluster.rest())).unwrap();
    let catalog = Faults::before(nessie.strip_suffix("/iceberg").unwrap()).unwrap();
    let mut sections = spark_plugin::standalone_on(world, &cluster);
    let silver = &mut sections["silver"];
    silver["configuration"]["url"] = json!(master.url());
    silver["configuration"]["catalog_uri"] = json!(format!("{}/iceberg", catalog.url()));
    silver["grants"]["http"][0]["host"] = json!(master.url().trim_start_matches("http://"));
    let [page, _] = cluster.pages();
    let lake = world.branch_with("spark-network", &sections).unwrap();
    let spark = Spark { world, lake, page: Client::new(format!("http://{page}")) };
    spark.append(0);

    let of_master = [
        Fault::LostRequest,
        Fault::LostAnswer,
        Fault::HalfBody,
        Fault::RetryAfter(503, 1),
        Fault::Delay(Duration::from_secs(3)),
    ];
    for (id, fault) in (1..).zip(of_master) {
        master.mend();
        master.fail("POST", "/v1/submissions/create", 0..1, fault);
        master.fail("GET", "/v1/submissions/status", 1..3, fault);
        spark.append(id);
        let met = master.mend().into_iter().filter(|seen| seen.fault == Some(fault)).count();
        assert_eq!(met, 3, "{fault:?}");
    }

    for (id, fault) in (6..).zip([Fault::LostRequest, Fault::LostAnswer, Fault::Status(502)]) {
        catalog.mend();
        // Iceberg tells the catalog about its scans too, at almost the same address.
        catalog.fail_after("add-snapshot", "POST", &format!("/tables/{}", Spark::TABLE), 0..1, fault);
        spark.append(id);
        assert!(catalog.mend().iter().any(|seen| seen.fault == Some(fault)), "{fault:?}");
    }

    // A cancellation whose answer is lost is asked for again.
    master.fail("POST", "/v1/submissions/kill", 0..1, Fault::LostAnswer);
    let endless =
        "SELECT count(*) AS n FROM range(10000000) a CROSS JOIN range(10000000) b WHERE sqrt(a.id) * b.id = 0.123";
    let run = begun(&spark.lake, "cancelled_over_networks", &json!({"sql": endless}));
    until("the driver runs", spark_plugin::RUN_WITHIN, || {
        (look(&spark.lake, &run, "status")["full_status"]["driverState"] == "RUNNING").then_some(())
    });
    spark.lake.0.post(&format!("/spark/transform/{run}/cancel"), &json!({})).unwrap();
    assert_eq!(spark_plugin::ended(&spark.lake, &run)["state"], "CANCELLED");
    assert!(master.mend().iter().any(|seen| seen.fault.is_some()));
    spark.drivers_end();
    assert_eq!(spark.lake.ask(&json!({"sql": "SELECT * FROM silver.cancelled_over_networks"})).status, 422);
}
