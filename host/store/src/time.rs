//! Times in rows: milliseconds since 1970 in UTC, which both databases compare as numbers.

use chrono::{DateTime, Utc};

pub(crate) fn now() -> i64 {
    Utc::now().timestamp_millis()
}

/// A number that no calendar has becomes 1970: it cannot have been written by [`now`].
pub(crate) fn from_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
