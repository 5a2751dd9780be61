//! Times in rows: milliseconds since 1970 in UTC, which both databases compare as numbers.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The server's clock at this moment, not at the transaction's begin.
pub(crate) const POSTGRES_NOW: &str = "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)";

/// This host's clock; for leases and due times see [`Store::now`](crate::Store::now).
pub(crate) fn now() -> i64 {
    Utc::now().timestamp_millis()
}

/// A number that no calendar has becomes 1970: it cannot have been written by [`now`].
pub(crate) fn from_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// That much later; a moment that does not fit is the last one there is.
pub(crate) fn later(now: i64, by: Duration) -> i64 {
    now.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}
