//! Runs of dbt as a process.

use asgard_sdk::Error;
use asgard_sdk::json::{self, Value, json};
use asgard_sdk::processes::{Content, Ending, ProcessStatus};
use asgard_sdk::transform::{Request, Status};

use crate::recorded::{
    COUNT, EXISTING, PROPERTIES, Recorded, SCHEMA, SUMMARY, answer, finish, gold, model, to_the_end,
};

fn by_dbt() -> Value {
    json!({"mode": "dbt"})
}

fn host() -> Recorded {
    let host = Recorded::new(&[
        (EXISTING, answer!("existing-nothing")),
        (SCHEMA, answer!("schema")),
        (PROPERTIES, answer!("properties")),
        (COUNT, answer!("count")),
        (SUMMARY, answer!("summary")),
        ("FROM system.runtime.queries", answer!("existing-nothing")),
    ]);
    host.answers(EXISTING, answer!("existing-nothing"));
    host
}

/// dbt ends, having left these files.
pub(crate) fn ends(host: &Recorded, status: ProcessStatus, run_results: &str) {
    host.status.set(Some(status));
    host.output
        .borrow_mut()
        .extend_from_slice(b"03:18:01  1 of 1 OK created sql table model gold.totals\n03:18:02  Done.\n");
    let mut files = host.files.borrow_mut();
    files.insert("target/run_results.json".to_owned(), run_results.as_bytes().to_vec());
    files.insert("target/manifest.json".to_owned(), include_bytes!("answers/dbt-manifest.json").to_vec());
}

#[test]
fn a_model_is_run_by_the_granted_program_and_its_results_are_read() {
    let host = host();
    let gold = gold(&host, &by_dbt());
    let step = gold.start(Request::Gold(model())).unwrap();
    let again = gold.start(Request::Gold(model())).unwrap();
    assert_eq!(step.state, again.state);
    {
        let spec = host.spec.borrow();
        let spec = spec.as_ref().unwrap();
        assert_eq!(
            (spec.program.as_str(), spec.arguments.as_slice()),
            ("dbt", &["asgard_run.py".to_owned(), "Totals".to_owned()][..])
        );
        assert_eq!(spec.timeout_ms, 3_600_000);
        let inline = |content: &Content| matches!(content, Content::Inline(_));
        assert!(spec.files.iter().any(|file| file.path == "models/gold/Totals.sql" && inline(&file.content)));
    }
    let step = gold.advance(&step.state).unwrap();
    assert!(matches!(step.status, Status::Running(_)));
    ends(&host, ProcessStatus::Exited(0), include_str!("answers/dbt-replaced.json"));
    host.answers_now(EXISTING, answer!("existing-table"));
    let step = finish(&gold, step);
    let Status::Succeeded(outcome) = step.status else { panic!("{:?}", step.status) };
    assert_eq!((outcome.rows_written, outcome.total_rows), (1, 1));
    let details: Value = json::from_str(&step.details).unwrap();
    assert_eq!(details["full_status"]["status"], "success");
    assert!(details["full_status"]["compiled_sql"].as_str().unwrap().contains("SELECT id, v FROM"), "{details}");
    assert!(details["full_status"]["query_id"].as_str().unwrap().starts_with("2026"), "{details}");
    assert!(host.log.borrow().iter().any(|line| line.ends_with("Done.")));
    assert_eq!(host.status.get(), None, "its folder is removed");
}

#[test]
fn a_process_is_told_where_its_password_is_and_not_what_it_is() {
    let host = host();
    gold(&host, &json!({"mode": "dbt", "password": "secret://trino"})).start(Request::Gold(model())).unwrap();
    let told = ("DBT_ENV_SECRET_TRINO".to_owned(), "secret://trino".to_owned());
    assert!(host.spec.borrow().as_ref().unwrap().environment.contains(&told));
}

#[test]
fn errors_of_trino_come_through_dbt_as_they_are() {
    for (results, expected) in [
        (include_str!("answers/dbt-wrong-column.json"), "Column 'nope' cannot be resolved (COLUMN_NOT_FOUND)"),
        (include_str!("answers/dbt-divided.json"), "Division by zero (DIVISION_BY_ZERO)"),
    ] {
        let host = host();
        let gold = gold(&host, &by_dbt());
        let step = gold.start(Request::Gold(model())).unwrap();
        ends(&host, ProcessStatus::Exited(1), results);
        match finish(&gold, step).status {
            Status::Failed(Error::InvalidInput(input)) => {
                assert_eq!((input.field.as_deref(), input.message.as_str()), (Some("sql_query"), expected));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_dbt_that_did_not_come_to_its_end_tells_what_became_of_the_target() {
    for (status, now, expected) in [
        (ProcessStatus::Ended(Ending::Signal), answer!("existing-nothing"), "gold.totals is as it was"),
        (ProcessStatus::Ended(Ending::Signal), answer!("existing-table"), "gold.totals has changed since it began"),
        (ProcessStatus::Ended(Ending::Timeout), answer!("existing-nothing"), "`timeout_seconds`"),
    ] {
        let host = host();
        let gold = gold(&host, &by_dbt());
        let step = gold.start(Request::Gold(model())).unwrap();
        host.status.set(Some(status));
        host.answers_now(EXISTING, now);
        let Status::Failed(error) = finish(&gold, step).status else { panic!("it has failed") };
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }
}

#[test]
fn a_dbt_that_gave_up_by_itself_leaves_no_query_that_commits_later() {
    let host = host();
    let gold = gold(&host, &by_dbt());
    let step = gold.start(Request::Gold(model())).unwrap();
    host.status.set(Some(ProcessStatus::Exited(1)));
    assert!(matches!(finish(&gold, step).status, Status::Failed(_)));
    let begun = host.begun.borrow();
    let asked = begun.iter().position(|sql| sql.contains("strpos(query, 'asgard task t-1') > 0"));
    let looked = begun.iter().rposition(|sql| sql.contains(EXISTING));
    assert!(asked.is_some() && asked < looked, "queries are ended before the target is looked at: {begun:?}");
}

#[test]
fn a_dbt_that_ends_before_the_model_shows_its_last_lines() {
    let host = host();
    let gold = gold(&host, &by_dbt());
    let step = gold.start(Request::Gold(model())).unwrap();
    host.status.set(Some(ProcessStatus::Exited(1)));
    host.output.borrow_mut().extend_from_slice(b"ModuleNotFoundError: No module named 'dbt'\n");
    match finish(&gold, step).status {
        Status::Failed(Error::Internal(message)) => assert!(message.ends_with("No module named 'dbt'"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cancelled_run_ends_dbt_and_its_queries() {
    let host = host();
    let gold = gold(&host, &by_dbt());
    let step = gold.start(Request::Gold(model())).unwrap();
    gold.cancel(&step.state).unwrap();
    gold.cancel(&step.state).unwrap();
    assert_eq!(host.status.get(), None);
    let begun = host.begun.borrow();
    assert!(begun.iter().any(|sql| sql.contains("strpos(query, 'asgard task t-1') > 0")), "{begun:?}");
}

#[test]
fn steps_may_be_repeated_until_the_conclusion() {
    let host = host();
    let gold = gold(&host, &by_dbt());
    host.status.set(Some(ProcessStatus::Exited(0)));
    ends(&host, ProcessStatus::Exited(0), include_str!("answers/dbt-replaced.json"));
    host.answers_now(EXISTING, answer!("existing-table"));
    assert!(matches!(to_the_end(&gold, model()).status, Status::Succeeded(_)));
}
