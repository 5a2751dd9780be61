//! What environments' limits are to their tasks.

use std::collections::HashMap;
use std::time::Duration;

use asgard_contract::environment::Limits;
use asgard_contract::manifest::Role;
use asgard_tasks::{Allowance, Allowances, Concurrency};
use async_trait::async_trait;

use super::Environments;
use crate::{features, ingestion, models, transforms};

#[async_trait]
impl Allowances for Environments {
    async fn allowances(&self) -> HashMap<String, Allowance> {
        self.list().await.iter().map(|active| (active.name.clone(), allowance(&active.document.limits))).collect()
    }
}

fn allowance(limits: &Limits) -> Allowance {
    let concurrency = &limits.concurrency;
    let mut kinds: HashMap<String, u32> = HashMap::new();
    for (role, limit) in &concurrency.roles {
        kinds.entry(kind(*role).to_owned()).and_modify(|least| *least = (*least).min(*limit)).or_insert(*limit);
    }
    Allowance {
        concurrency: Concurrency {
            tasks: concurrency.tasks,
            kinds,
            backends: concurrency.plugins.clone().into_iter().collect(),
        },
        longest: limits.task_seconds.map(Duration::from_secs),
    }
}

/// The kind of the tasks of a role.
fn kind(role: Role) -> &'static str {
    match role {
        Role::Ingestion => ingestion::KIND,
        Role::Silver => transforms::SILVER,
        Role::Gold => transforms::GOLD,
        Role::Features => features::KIND,
        Role::Training | Role::Build | Role::Serving => models::KIND,
    }
}

#[cfg(test)]
mod tests {
    use super::super::documents;
    use super::*;

    #[test]
    fn roles_of_one_task_share_the_least_of_their_limits() {
        let text = "name = 'dev'\n[limits]\ntask_seconds = 60\n[limits.concurrency]\ntasks = 9\n\
            roles = { ingestion = 2, training = 3, serving = 1 }\nplugins = { spark = 4 }";
        let allowance = allowance(&documents::parse(text, documents::Format::Toml).unwrap().limits);
        assert_eq!(allowance.longest, Some(Duration::from_secs(60)));
        assert_eq!(allowance.concurrency.tasks, Some(9));
        assert_eq!(allowance.concurrency.kinds, HashMap::from([("sync".to_owned(), 2), ("deployment".to_owned(), 1)]));
        assert_eq!(allowance.concurrency.backends, HashMap::from([("spark".to_owned(), 4)]));
    }
}
