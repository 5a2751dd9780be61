//! Trino's errors, as the contract's.

use asgard_plugin_dbt_trino::trino::{QueryError, explained};
use asgard_sdk::Error;
use asgard_sdk::json::{self, Value};

use crate::recorded::answer;

/// The error at the end of a recorded query.
fn error(pages: &str) -> QueryError {
    let last: Value = json::from_str(pages.lines().last().unwrap()).unwrap();
    json::from_value(last["error"].clone()).unwrap()
}

fn of(name: &str, kind: &str) -> Error {
    let error = json::json!({"message": "so it is", "errorName": name, "errorType": kind});
    explained(&json::from_value(error).unwrap(), 0)
}

#[test]
fn errors_of_the_user_name_field_line_and_column() {
    for (pages, lines_before, field, message) in [
        (
            answer!("wrong-column"),
            1,
            "sql_query",
            "line 2, column 3: Column 'nope' cannot be resolved (COLUMN_NOT_FOUND)",
        ),
        (
            answer!("wrong-column"),
            2,
            "sql_query",
            "line 1, column 3: Column 'nope' cannot be resolved (COLUMN_NOT_FOUND)",
        ),
        // A place in what was put around the model.
        (answer!("wrong-column"), 3, "sql_query", "Column 'nope' cannot be resolved (COLUMN_NOT_FOUND)"),
        (
            answer!("twice"),
            0,
            "unique_key",
            "One MERGE target table row matched more than one source row: several rows of the result have the same key and would update one row of the table: make the result unique by it (MERGE_TARGET_ROW_MULTIPLE_MATCHES)",
        ),
        (
            answer!("property"),
            0,
            "configuration.table_properties",
            "Illegal keys in extra_properties: [asgard.model]: set `iceberg.allowed-extra-properties` in Trino's catalog, or `table_properties = false` (INVALID_TABLE_PROPERTY)",
        ),
    ] {
        match explained(&error(pages), lines_before) {
            Error::InvalidInput(input) => {
                assert_eq!((input.field.as_deref(), input.message.as_str()), (Some(field), message));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_kind_of_error_is_one_of_the_contracts() {
    for (name, kind) in [
        ("EXCEEDED_GLOBAL_MEMORY_LIMIT", "INSUFFICIENT_RESOURCES"),
        ("QUERY_QUEUE_FULL", "INSUFFICIENT_RESOURCES"),
        ("SERVER_STARTING_UP", "INTERNAL_ERROR"),
        ("ICEBERG_COMMIT_ERROR", "EXTERNAL"),
        ("ABANDONED_QUERY", "USER_ERROR"),
    ] {
        assert!(matches!(of(name, kind), Error::Unavailable(_)), "{name}");
    }
    assert!(matches!(of("PERMISSION_DENIED", "USER_ERROR"), Error::Forbidden(_)));
    assert!(matches!(of("ADMINISTRATIVELY_KILLED", "USER_ERROR"), Error::Conflict(_)));
    assert!(matches!(of("TABLE_ALREADY_EXISTS", "USER_ERROR"), Error::Conflict(_)));
    assert!(matches!(of("DIVISION_BY_ZERO", "USER_ERROR"), Error::InvalidInput(_)));
    assert!(matches!(of("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR"), Error::Internal(_)));
    assert!(matches!(explained(&error(answer!("time-limit")), 0), Error::Unavailable(_)));
}
