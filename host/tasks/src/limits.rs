//! What environments allow their tasks.

use std::collections::HashMap;
use std::time::Duration;

use asgard_store::tasks::Concurrency;
use async_trait::async_trait;

/// What one environment allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// How many tasks may be under way at once.
    pub concurrency: Concurrency,
    /// How long a task may take from its first step; none = as long as it takes.
    pub longest: Option<Duration>,
}

/// Knows the allowances. Asked before every lease, so that a change holds for the next task.
#[async_trait]
pub trait Allowances: Send + Sync {
    /// By environment; one that is not among them is not limited.
    async fn allowances(&self) -> HashMap<String, Allowance>;
}
