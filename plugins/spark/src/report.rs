//! What the job program says: lines of `ASGARD` and a JSON object, among whatever Spark writes.

use asgard_sdk::transform::Outcome;
use asgard_sdk::{Error, types};
use serde::{Deserialize, Serialize};

/// Before each of the program's own lines.
const MARK: &str = "ASGARD ";

/// All that a program said so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub started: Option<Started>,
    pub end: Option<End>,
}

/// The session is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Started {
    pub spark_version: Option<String>,
    pub application_id: Option<String>,
    pub ui: Option<String>,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Done(Done),
    Failed(Failed),
}

/// What was committed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    pub rows_written: u64,
    pub bytes_written: u64,
    pub rows_read: u64,
    pub bytes_read: u64,
    pub total_rows: u64,
    pub snapshot: Option<i64>,
    pub location: String,
}

/// Why nothing was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    pub kind: String,
    pub field: Option<String>,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Started(Started),
    Done(Done),
    Failed(Failed),
}

impl Report {
    /// Takes a line that the program said; false for any other line.
    pub fn take(&mut self, line: &str) -> bool {
        // Output of several threads may share a line.
        let Some((_, said)) = line.split_once(MARK) else { return false };
        match serde_json::from_str(said.trim()) {
            Ok(Line::Started(started)) => self.started = Some(started),
            // The first end is the end.
            Ok(Line::Done(done)) => _ = self.end.get_or_insert(End::Done(done)),
            Ok(Line::Failed(failed)) => _ = self.end.get_or_insert(End::Failed(failed)),
            Err(_) => return false,
        }
        true
    }

    /// The session's version of Spark.
    pub fn spark_version(&self) -> Option<&str> {
        self.started.as_ref()?.spark_version.as_deref()
    }

    /// The session's web page.
    pub fn ui(&self) -> Option<&str> {
        self.started.as_ref()?.ui.as_deref()
    }
}

impl From<&Done> for Outcome {
    fn from(done: &Done) -> Self {
        Self {
            rows_written: done.rows_written,
            bytes_written: done.bytes_written,
            rows_read: done.rows_read,
            bytes_read: done.bytes_read,
            total_rows: done.total_rows,
            snapshot: done.snapshot,
            location: done.location.clone(),
        }
    }
}

impl From<&Failed> for Error {
    fn from(failed: &Failed) -> Self {
        let message = failed.message.clone();
        match failed.kind.as_str() {
            "invalid-input" => Self::InvalidInput(types::InvalidInput { field: failed.field.clone(), message }),
            "unavailable" => Self::unavailable(message),
            "conflict" => Self::Conflict(message),
            "unsupported" => Self::Unsupported(message),
            _ => Self::Internal(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_lines_are_told_from_all_others() {
        let mut report = Report::default();
        assert!(!report.take("26/11/28 02:50:32 INFO SparkContext: Running Spark version 4.1.4"));
        assert!(!report.take("ASGARD is a word of somebody's own"));
        assert!(report.take(r#"ASGARD {"started": {"spark_version": "4.1.4", "application_id": "local-1"}}"#));
        assert_eq!((report.spark_version(), report.ui()), (Some("4.1.4"), None));
        assert!(report.take(
            r#"x ASGARD {"done": {"rows_written": 1, "bytes_written": 2, "rows_read": 3, "bytes_read": 4, "total_rows": 5, "snapshot": 7685253518297822489, "location": "s3://a/b"}}"#
        ));
        assert!(report.take(r#"ASGARD {"failed": {"kind": "internal", "field": null, "message": "after the end"}}"#));
        let Some(End::Done(done)) = &report.end else { panic!("{report:?}") };
        assert_eq!(done.snapshot, Some(7_685_253_518_297_822_489));
    }

    #[test]
    fn errors_keep_their_kind_and_field() {
        let failed = |kind: &str| {
            Error::from(&Failed { kind: kind.to_owned(), field: Some("sql".to_owned()), message: "m".to_owned() })
        };
        assert!(matches!(failed("invalid-input"), Error::InvalidInput(input) if input.field.as_deref() == Some("sql")));
        assert!(matches!(failed("unavailable"), Error::Unavailable(_)));
        assert!(matches!(failed("something new"), Error::Internal(_)));
    }
}
