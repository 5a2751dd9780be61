//! Runs on a branch of the lakehouse's catalog: the catalog that Trino has for one, and that it goes with the run.

use asgard_dbt::Existing;
use asgard_plugin_dbt_trino::branch::Branch;
use asgard_plugin_dbt_trino::dbt::files;
use asgard_plugin_dbt_trino::model::prepared;
use asgard_plugin_dbt_trino::run::Gold;
use asgard_sdk::Error;
use asgard_sdk::json::{Value, json};
use asgard_sdk::processes::ProcessStatus;
use asgard_sdk::transform::{GoldModel, IncrementalStrategy, Materialization, Request, Status};

use crate::dbt::ends;
use crate::project::file;
use crate::recorded::{
    COLUMNS, COUNT, EXISTING, INSERT, Recorded, SCHEMA, WORK, answer, appending, configuration, finish, gold,
    incremental, model, replacing, to_the_end, with,
};

const CATALOG: &str = "asgard_t_1";
const MAKES: &str = "CREATE CATALOG IF NOT EXISTS \"asgard_t_1\" USING iceberg WITH (\
     \"iceberg.catalog.type\" = 'rest', \"iceberg.rest-catalog.uri\" = 'http://nessie:19120/iceberg/asgard-t-1', \
     \"s3.aws-secret-key\" = '${ENV:LAKE_SECRET_KEY}')";
const DROPS: &str = "DROP CATALOG IF EXISTS \"asgard_t_1\"";

/// A binding as the host tells it to a run on a branch.
fn on_branch(more: &Value) -> Value {
    let branch = json!({"branch": "asgard-t-1", "audit_catalog": {
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": "http://nessie:19120/iceberg/asgard-t-1",
        "s3.aws-secret-key": "${ENV:LAKE_SECRET_KEY}",
    }});
    with(branch, more)
}

fn view() -> GoldModel {
    GoldModel { materialization: Materialization::View, ..model() }
}

/// Of what a Trino answers, catalogs too.
fn with_catalogs(host: Recorded) -> Recorded {
    for statement in ["CREATE CATALOG", "DROP CATALOG"] {
        host.answers(statement, answer!("schema"));
    }
    host
}

fn host() -> Recorded {
    let host = with_catalogs(replacing());
    host.answers("CREATE OR REPLACE VIEW", answer!("schema"));
    host.answers("FROM system.runtime.queries", answer!("existing-nothing"));
    host
}

/// The page of a query that failed at once.
fn refused(name: &str, kind: &str, message: &str) -> String {
    json!({"id": "q", "error": {"message": message, "errorName": name, "errorType": kind}}).to_string()
}

/// Whether the catalog is there after all that was run.
fn is_left(host: &Recorded) -> bool {
    let begun = host.begun.borrow();
    let last = begun.iter().rfind(|sql| *sql == MAKES || *sql == DROPS);
    last.is_some_and(|sql| sql == MAKES)
}

/// The catalogs of the sessions in which statements with this part were posted.
fn sessions(host: &Recorded, part: &str) -> Vec<String> {
    let mut sessions: Vec<String> = host
        .sessions
        .borrow()
        .iter()
        .filter(|(sql, _)| sql.contains(part))
        .map(|(_, session)| session.clone())
        .collect();
    sessions.dedup();
    sessions
}

#[test]
fn a_run_on_a_branch_reads_and_writes_in_a_catalog_of_its_own_which_goes_with_it() {
    let host = host();
    let step = to_the_end(&gold(&host, &on_branch(&json!({}))), model());
    assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
    let mut writes = host.writes();
    writes.dedup();
    let table = "CREATE OR REPLACE TABLE \"gold\".\"totals\"\nAS\nSELECT id, v, 'a' AS word FROM silver.t";
    assert_eq!(writes.first().map(String::as_str), Some(MAKES));
    assert_eq!(writes.iter().filter(|sql| *sql == table).count(), 1, "{writes:?}");
    assert_eq!(writes.last().map(String::as_str), Some(DROPS));
    for part in [EXISTING, COLUMNS, SCHEMA, table, COUNT] {
        assert_eq!(sessions(&host, part), [CATALOG], "{part}");
    }
    // Before it is there and after it is gone, nobody has a session in it.
    for part in [MAKES, DROPS] {
        assert_eq!(sessions(&host, part), ["iceberg"], "{part}");
    }
}

#[test]
fn a_run_that_is_not_audited_has_no_catalog_of_its_own() {
    let host = host();
    to_the_end(&gold(&host, &on_branch(&json!({"branch": ""}))), model());
    assert_eq!(host.writes().len(), 1);
    assert_eq!(sessions(&host, ""), ["iceberg"]);
}

#[test]
fn a_view_on_a_branch_means_the_same_once_the_branch_is_gone() {
    let host = host();
    host.answers_now(EXISTING, answer!("existing-nothing"));
    let gold = gold(&host, &on_branch(&json!({"catalog": "lake"})));
    let step = gold.start(Request::Gold(view())).unwrap();
    host.answers_now(EXISTING, answer!("existing-view"));
    let step = finish(&gold, step);
    assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
    let made = "CREATE OR REPLACE VIEW \"asgard_t_1\".\"gold\".\"totals\"\nSECURITY DEFINER AS\n\
                SELECT id, v, 'a' AS word FROM silver.t";
    assert!(host.writes().iter().any(|sql| sql == made), "{:?}", host.writes());
    assert_eq!(sessions(&host, "CREATE OR REPLACE VIEW"), ["lake"]);
    assert!(!is_left(&host));
}

#[test]
fn a_run_that_fails_leaves_no_catalog() {
    // Before it has a state, while its query runs, and for what passes: then it is made again.
    let wrong = host();
    wrong.answers_now(COLUMNS, answer!("wrong-column"));
    assert!(gold(&wrong, &on_branch(&json!({}))).start(Request::Gold(model())).is_err());
    assert!(!is_left(&wrong));

    let away = host();
    away.answers_now("CREATE OR REPLACE TABLE", answer!("time-limit"));
    let gold = gold(&away, &on_branch(&json!({})));
    let step = to_the_end(&gold, model());
    assert!(matches!(step.status, Status::Failed(Error::Unavailable(_))), "{:?}", step.status);
    assert!(!is_left(&away));
    away.answers_now("CREATE OR REPLACE TABLE", answer!("replaced"));
    away.answers(WORK, answer!("work-none"));
    let step = gold.advance(&step.state).unwrap();
    assert!(is_left(&away), "the next try has it");
    let step = finish(&gold, step);
    assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
    assert!(!is_left(&away));
}

/// Steps until the append runs.
fn running(gold: &Gold, host: &Recorded) -> Vec<u8> {
    let mut step = gold.start(Request::Gold(incremental(IncrementalStrategy::Append, &[]))).unwrap();
    while !host.writes().iter().any(|sql| sql.starts_with(INSERT)) {
        step = gold.advance(&step.state).unwrap();
    }
    step.state
}

#[test]
fn a_cancelled_run_leaves_no_catalog() {
    let host = with_catalogs(appending());
    let gold = gold(&host, &on_branch(&json!({})));
    let state = running(&gold, &host);
    assert!(is_left(&host));
    gold.cancel(&state).unwrap();
    gold.cancel(&state).unwrap();
    assert!(!is_left(&host));
}

#[test]
fn a_run_whose_trino_is_away_for_a_moment_keeps_its_catalog() {
    let host = with_catalogs(appending());
    let gold = gold(&host, &on_branch(&json!({})));
    let state = running(&gold, &host);
    host.status_code.set(Some(503));
    assert!(matches!(gold.advance(&state), Err(Error::Unavailable(_))));
    host.status_code.set(None);
    assert!(is_left(&host));
}

#[test]
fn a_trino_that_was_started_again_is_given_the_catalog_to_look_what_became_of_the_query() {
    let host = with_catalogs(appending());
    let gold = gold(&host, &on_branch(&json!({})));
    let state = running(&gold, &host);
    host.forget_queries();
    let made = host.begun.borrow().iter().filter(|sql| *sql == MAKES).count();
    host.answers_now(EXISTING, &refused("CATALOG_NOT_FOUND", "USER_ERROR", "Catalog 'asgard_t_1' not found"));
    host.answers(EXISTING, answer!("existing-table"));
    let step = gold.advance(&state).unwrap();
    let Status::Failed(Error::Conflict(message)) = step.status else { panic!("{:?}", step.status) };
    assert!(message.contains("Trino no longer knows query"), "{message}");
    assert_eq!(host.begun.borrow().iter().filter(|sql| *sql == MAKES).count(), made + 1);
    assert!(!is_left(&host));
}

#[test]
fn dbt_is_given_the_branchs_catalog_which_goes_with_its_run() {
    let host = host();
    let gold = gold(&host, &on_branch(&json!({"mode": "dbt"})));
    let mut step = gold.start(Request::Gold(model())).unwrap();
    assert!(is_left(&host));
    ends(&host, ProcessStatus::Exited(0), include_str!("answers/dbt-replaced.json"));
    host.answers_now(EXISTING, answer!("existing-table"));
    while let Status::Running(_) = step.status {
        assert!(is_left(&host));
        step = gold.advance(&step.state).unwrap();
    }
    assert!(matches!(step.status, Status::Succeeded(_)), "{:?}", step.status);
    assert!(!is_left(&host));
}

#[test]
fn a_cancelled_dbt_leaves_no_catalog() {
    let host = host();
    let gold = gold(&host, &on_branch(&json!({"mode": "dbt"})));
    let step = gold.start(Request::Gold(model())).unwrap();
    gold.cancel(&step.state).unwrap();
    assert!(!is_left(&host));
}

/// The files of a project on the branch.
fn project(model: &GoldModel) -> Vec<(String, String)> {
    let session = json!({"iceberg.target_max_file_size": "64MB", "query_max_run_time": "30m"});
    let binding = configuration(&on_branch(&json!({"mode": "dbt", "session": session})));
    let branch = Branch::of(&binding).unwrap().unwrap();
    let configuration = branch.configuration();
    let prepared = prepared(&Recorded::default(), &configuration, model, Existing::Nothing).unwrap();
    files(&configuration, model, &prepared, "production", "t-1").unwrap()
}

#[test]
fn a_project_on_a_branch_is_of_the_branchs_catalog_and_a_views_session_of_the_bindings() {
    let table = project(&model());
    let profile = file(&table, "profiles.yml");
    assert!(profile.contains("database: \"asgard_t_1\""), "{profile}");
    assert!(profile.contains("asgard_t_1.target_max_file_size") && profile.contains("query_max_run_time"), "{profile}");
    let body = file(&table, "models/gold/Totals.sql");
    assert!(body.contains("FROM silver.t") && !body.contains("database="), "{body}");

    let view = project(&view());
    assert!(file(&view, "profiles.yml").contains("database: \"iceberg\""));
    let body = file(&view, "models/gold/Totals.sql");
    assert!(body.contains("FROM iceberg.silver.t") && body.contains("database=\"asgard_t_1\""), "{body}");
}

#[test]
fn a_binding_that_cannot_get_to_the_branch_is_refused() {
    let host = Recorded::default();
    let main = json!({"iceberg.rest-catalog.uri": "http://nessie:19120/iceberg/main"});
    let keys = json!({"uri": "http://nessie/iceberg/asgard-t-1", "s3.aws-secret-key": "secret://keys"});
    for (audit_catalog, field, expected) in [
        (json!({}), "configuration.audit_catalog", "names the branch `asgard-t-1`"),
        (main, "configuration.audit_catalog", "names the branch `asgard-t-1`"),
        (keys, "configuration.audit_catalog.s3.aws-secret-key", "`${ENV:NAME}`"),
    ] {
        let configuration = configuration(&on_branch(&json!({ "audit_catalog": audit_catalog })));
        match Gold::new(&host, &configuration).map(drop) {
            Err(Error::InvalidInput(input)) => {
                assert_eq!(input.field.as_deref(), Some(field));
                assert!(input.message.contains(expected), "{}", input.message);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_trino_that_makes_no_catalog_tells_why() {
    for (name, kind, message, expected) in [
        (
            "NOT_SUPPORTED",
            "USER_ERROR",
            "CREATE CATALOG is not supported by the static catalog store",
            "set `catalog.management=dynamic` in Trino's `config.properties`",
        ),
        ("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", "Configuration property 'a' was not used", "'a' was not used"),
    ] {
        let host = host();
        host.answers_now("CREATE CATALOG", &refused(name, kind, message));
        match gold(&host, &on_branch(&json!({}))).start(Request::Gold(model())) {
            Err(Error::InvalidInput(input)) => {
                assert_eq!(input.field.as_deref(), Some("configuration.audit_catalog"));
                assert!(input.message.contains(expected), "{}", input.message);
            }
            other => panic!("{other:?}"),
        }
        assert!(!is_left(&host));
    }
}
