//! Trino's errors as the contract's.
//!
//! | Trino says | it becomes |
//! | --- | --- |
//! | `USER_ERROR` | `invalid-input` for `sql_query`, with line and column of the model's SQL |
//! | … that may not be | `forbidden` |
//! | … that was ended by somebody | `conflict` |
//! | … of rows that a merge finds twice | `invalid-input` for `unique_key` |
//! | `INSUFFICIENT_RESOURCES`, a server that starts or stops, a worker or a catalog that is away | `unavailable`, which the host repeats |
//! | anything else | `internal` |

use asgard_sdk::Error;

use super::QueryError;
use super::wire::Failure;

/// The request's field that has the statement.
const SQL: &str = "sql_query";

/// The field of the configuration that is wrong where Trino does not have the catalog.
pub const NO_CATALOG: &str = "configuration.catalog";

/// Errors whose names mean that another try may succeed, beside all of `INSUFFICIENT_RESOURCES`.
const PASSING: [&str; 18] = [
    "ABANDONED_QUERY",
    "CLUSTER_HAS_NO_CAPACITY",
    "ICEBERG_CATALOG_ERROR",
    "ICEBERG_COMMIT_ERROR",
    "ICEBERG_CURSOR_ERROR",
    "ICEBERG_FILESYSTEM_ERROR",
    "ICEBERG_WRITER_CLOSE_ERROR",
    "ICEBERG_WRITER_OPEN_ERROR",
    "NO_NODES_AVAILABLE",
    "PAGE_TRANSPORT_ERROR",
    "PAGE_TRANSPORT_TIMEOUT",
    "REMOTE_HOST_GONE",
    "REMOTE_TASK_ERROR",
    "REMOTE_TASK_MISMATCH",
    "SERVER_SHUTTING_DOWN",
    "SERVER_STARTING_UP",
    "TOO_MANY_REQUESTS_FAILED",
    "TRANSACTION_CONFLICT",
];

/// An error of a query whose first lines are ours and not the model's.
pub fn explained(error: &QueryError, lines_before: u32) -> Error {
    let message = words(error, lines_before);
    let (name, kind) = (error.error_name.as_str(), error.error_type.as_str());
    match (name, kind) {
        ("PERMISSION_DENIED", _) => Error::Forbidden(format!("Trino: {message}")),
        ("USER_CANCELED" | "ADMINISTRATIVELY_KILLED" | "ADMINISTRATIVELY_PREEMPTED", _) => {
            Error::Conflict(format!("the query was ended in Trino: {message}"))
        }
        ("TABLE_ALREADY_EXISTS" | "ALREADY_EXISTS", _) => Error::Conflict(format!("Trino: {message}")),
        (name, _) if PASSING.contains(&name) => Error::unavailable(format!("Trino: {message}")),
        (_, "INSUFFICIENT_RESOURCES") => Error::unavailable(format!("Trino: {message}")),
        (_, "USER_ERROR") => Error::invalid(field_of(name, &error.message), message),
        _ => Error::Internal(format!("Trino: {message}")),
    }
}

/// The field that an error of the user's belongs to.
pub fn field_of(name: &str, message: &str) -> &'static str {
    match name {
        "MERGE_TARGET_ROW_MULTIPLE_MATCHES" => "unique_key",
        "INVALID_TABLE_PROPERTY" if message.contains("extra_properties") => "configuration.table_properties",
        "INVALID_SESSION_PROPERTY" => "configuration.session",
        "CATALOG_NOT_FOUND" | "MISSING_CATALOG_NAME" => NO_CATALOG,
        _ => SQL,
    }
}

fn words(error: &QueryError, lines_before: u32) -> String {
    let mut message = error.message.as_str();
    let mut place = String::new();
    if let Some(location) = error.error_location {
        // Trino says it twice.
        let said = format!("line {}:{}: ", location.line_number, location.column_number);
        message = message.strip_prefix(&said).unwrap_or(message);
        // A place in what was put around the model says nothing about it.
        if let Some(line) = location.line_number.checked_sub(lines_before).filter(|line| *line > 0) {
            place = format!("line {line}, column {}: ", location.column_number);
        }
    }
    let advice = match error.error_name.as_str() {
        "MERGE_TARGET_ROW_MULTIPLE_MATCHES" => {
            ": several rows of the result have the same key and would update one row of the table: make the result unique by it"
        }
        "INVALID_TABLE_PROPERTY" if message.contains("extra_properties") => {
            ": set `iceberg.allowed-extra-properties` in Trino's catalog, or `table_properties = false`"
        }
        "NOT_SUPPORTED" if message.contains("static catalog store") => {
            ": set `catalog.management=dynamic` in Trino's `config.properties`"
        }
        _ => "",
    };
    let cause = error.failure_info.as_ref().and_then(innermost).filter(|cause| !message.contains(cause));
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{place}{message}{cause}{advice} ({})", error.error_name)
}

fn innermost(failure: &Failure) -> Option<&str> {
    let mut cause = failure.cause.as_deref()?;
    let mut words = cause.message.as_deref();
    while let Some(next) = cause.cause.as_deref() {
        cause = next;
        words = cause.message.as_deref().or(words);
    }
    words
}
