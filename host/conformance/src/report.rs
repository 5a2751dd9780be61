//! What a run found.

use asgard_contract::Error;

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// Why it was not made.
    Skipped(String),
    /// What is wrong.
    Failed(String),
}

/// One thing that was asked of the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A sentence that is true of a good plugin.
    pub name: String,
    pub outcome: Outcome,
}

/// All that was asked, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| !matches!(check.outcome, Outcome::Failed(_)))
    }

    /// The checks that were made.
    pub fn made(&self) -> usize {
        self.checks.iter().filter(|check| !matches!(check.outcome, Outcome::Skipped(_))).count()
    }
}

/// Why a check ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    Skip(String),
    Fail(String),
}

/// What a check comes to.
pub(crate) type Found<T = ()> = Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Fail(said(&error))
    }
}

/// An error with its kind, which is what a plugin's author has to change.
pub(crate) fn said(error: &Error) -> String {
    let kind = match error {
        Error::InvalidInput { field: Some(field), .. } => return format!("invalid-input for `{field}`: {error}"),
        Error::InvalidInput { field: None, .. } => "invalid-input without a field",
        Error::Unauthenticated { .. } => "unauthenticated",
        Error::Forbidden { .. } => "forbidden",
        Error::NotFound { .. } => "not-found",
        Error::Conflict { .. } => "conflict",
        Error::Unavailable { .. } => "unavailable",
        Error::Unsupported { .. } => "unsupported",
        Error::Internal { .. } => "internal",
    };
    format!("{kind}: {error}")
}

pub(crate) fn fail<T>(message: impl Into<String>) -> Found<T> {
    Err(Stop::Fail(message.into()))
}

pub(crate) fn skip<T>(reason: impl Into<String>) -> Found<T> {
    Err(Stop::Skip(reason.into()))
}

/// Fails with a message unless something holds.
pub(crate) fn ensure(holds: bool, message: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { fail(message()) }
}

/// Whether the instance was lost, instead of answering with an error: the runtime's own messages name plugin and function first.
pub(crate) fn is_lost(error: &Error) -> bool {
    let text = error.to_string();
    matches!(error, Error::Internal { .. }) && text.starts_with("plugin `") && text.contains("` (`")
}

/// Collects checks.
#[derive(Default)]
pub(crate) struct Suite {
    checks: Vec<Check>,
}

impl Suite {
    /// Makes a check; true when it passed.
    pub(crate) async fn check(&mut self, name: &str, asking: impl Future<Output = Found>) -> bool {
        let outcome = match asking.await {
            Ok(()) => Outcome::Passed,
            Err(Stop::Skip(reason)) => Outcome::Skipped(reason),
            Err(Stop::Fail(message)) => Outcome::Failed(message),
        };
        let passed = outcome == Outcome::Passed;
        self.checks.push(Check { name: name.to_owned(), outcome });
        passed
    }

    pub(crate) fn failed(&mut self, name: &str, message: &str) {
        self.checks.push(Check { name: name.to_owned(), outcome: Outcome::Failed(message.to_owned()) });
    }

    pub(crate) fn skipped(&mut self, names: &[&str], reason: &str) {
        let skipped = |name: &&str| Check { name: (*name).to_owned(), outcome: Outcome::Skipped(reason.to_owned()) };
        self.checks.extend(names.iter().map(skipped));
    }

    pub(crate) fn report(self) -> Report {
        Report { checks: self.checks }
    }
}
