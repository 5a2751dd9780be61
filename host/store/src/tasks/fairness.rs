//! Which of the tasks that are due go first, and which may not begin yet.
//!
//! Turns go round: each environment has one after the other, and within an environment each kind. So a thousand syncs of one
//! environment hold up neither its models nor another environment. Among those of one kind, the one that is due longest is first.
//!
//! A limit keeps tasks from beginning; what has begun goes on, or its place would never be free.

use std::collections::HashMap;

use sqlx::FromRow;

/// How many tasks may be under way at once in an environment; none = as many as the hosts can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concurrency {
    /// In all.
    pub tasks: Option<u32>,
    /// By kind of task.
    pub kinds: HashMap<String, u32>,
    /// By name of the plugin.
    pub backends: HashMap<String, u32>,
}

impl Concurrency {
    fn is_unlimited(&self) -> bool {
        self.tasks.is_none() && self.kinds.is_empty() && self.backends.is_empty()
    }
}

/// The kind of tasks that only wait for other tasks: they take no place, or those would wait for them for ever.
pub const WAITING: &str = "pipeline";

/// By environment.
pub type Limits = HashMap<String, Concurrency>;

pub(super) fn are_unlimited(limits: &Limits) -> bool {
    limits.values().all(Concurrency::is_unlimited)
}

/// A task that is due, oldest first.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Candidate {
    pub(super) id: String,
    environment: String,
    kind: String,
    backend: String,
    begun: i64,
}

/// Tasks that have begun and have not ended.
#[derive(Debug, Clone, FromRow)]
pub(super) struct UnderWay {
    environment: String,
    kind: String,
    backend: String,
    count: i64,
}

#[derive(Debug, Default)]
struct Counts<'a> {
    environments: HashMap<&'a str, i64>,
    kinds: HashMap<(&'a str, &'a str), i64>,
    backends: HashMap<(&'a str, &'a str), i64>,
}

impl<'a> Counts<'a> {
    fn add(&mut self, environment: &'a str, kind: &'a str, backend: &'a str, count: i64) {
        if kind == WAITING {
            return;
        }
        *self.environments.entry(environment).or_default() += count;
        *self.kinds.entry((environment, kind)).or_default() += count;
        *self.backends.entry((environment, backend)).or_default() += count;
    }

    fn has_room(&self, limits: &Limits, candidate: &'a Candidate) -> bool {
        let Some(limit) = limits.get(&candidate.environment).filter(|_| candidate.kind != WAITING) else { return true };
        let environment = candidate.environment.as_str();
        let below = |count: Option<&i64>, limit: Option<&u32>| {
            limit.is_none_or(|limit| count.copied().unwrap_or_default() < i64::from(*limit))
        };
        below(self.environments.get(environment), limit.tasks.as_ref())
            && below(self.kinds.get(&(environment, candidate.kind.as_str())), limit.kinds.get(&candidate.kind))
            && below(
                self.backends.get(&(environment, candidate.backend.as_str())),
                limit.backends.get(&candidate.backend),
            )
    }
}

/// Up to `room` of the candidates, in the order of their turns.
pub(super) fn choose(candidates: Vec<Candidate>, under_way: &[UnderWay], limits: &Limits, room: usize) -> Vec<String> {
    let mut counts = Counts::default();
    for row in under_way {
        counts.add(&row.environment, &row.kind, &row.backend, row.count);
    }
    let candidates = in_turns(candidates, &counts.environments);
    let mut chosen = Vec::new();
    for candidate in &candidates {
        if chosen.len() == room {
            break;
        }
        if candidate.begun == 0 {
            if !counts.has_room(limits, candidate) {
                continue;
            }
            counts.add(&candidate.environment, &candidate.kind, &candidate.backend, 1);
        }
        chosen.push(candidate.id.clone());
    }
    chosen
}

/// Sorts by turns of environments; among environments of one turn, the one that has least under way goes first.
fn in_turns(candidates: Vec<Candidate>, under_way: &HashMap<&str, i64>) -> Vec<Candidate> {
    let mut of_kind: HashMap<(String, String), usize> = HashMap::new();
    let mut numbered: Vec<(usize, Candidate)> = candidates
        .into_iter()
        .map(|candidate| {
            let turn = of_kind.entry((candidate.environment.clone(), candidate.kind.clone())).or_default();
            *turn += 1;
            (*turn, candidate)
        })
        .collect();
    // Stable: of one turn, the oldest due stays first.
    numbered.sort_by_key(|(turn, _)| *turn);
    let mut of_environment: HashMap<String, usize> = HashMap::new();
    let mut numbered: Vec<((usize, i64), Candidate)> = numbered
        .into_iter()
        .map(|(_, candidate)| {
            let turn = of_environment.entry(candidate.environment.clone()).or_default();
            *turn += 1;
            let busy = under_way.get(candidate.environment.as_str()).copied().unwrap_or_default();
            ((*turn, busy), candidate)
        })
        .collect();
    numbered.sort_by_key(|(turn, _)| *turn);
    numbered.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(described: &[&str]) -> Vec<Candidate> {
        let candidate = |text: &&str| {
            let mut parts = text.split(' ');
            let mut next = || parts.next().unwrap_or_default().to_owned();
            let (id, environment, kind, backend) = (next(), next(), next(), next());
            Candidate { id, environment, kind, backend, begun: i64::from(next() == "begun") }
        };
        described.iter().map(candidate).collect()
    }

    #[test]
    fn environments_and_kinds_take_turns() {
        let due = candidates(&[
            "a1 dev sync x",
            "a2 dev sync x",
            "a3 dev sync x",
            "a4 dev silver x",
            "b1 prod sync x",
            "b2 prod sync x",
        ]);
        assert_eq!(choose(due.clone(), &[], &Limits::new(), 9), ["a1", "b1", "a4", "b2", "a2", "a3"]);
        let busy = [UnderWay { environment: "dev".into(), kind: "sync".into(), backend: "x".into(), count: 4 }];
        assert_eq!(choose(due, &busy, &Limits::new(), 3), ["b1", "a1", "b2"]);
    }

    #[test]
    fn what_only_waits_for_others_takes_no_place() {
        let due = candidates(&["1 dev pipeline x", "2 dev silver sql", "3 dev silver sql"]);
        let busy = [UnderWay { environment: "dev".into(), kind: WAITING.into(), backend: "x".into(), count: 3 }];
        let one = Limits::from([("dev".to_owned(), Concurrency { tasks: Some(1), ..Concurrency::default() })]);
        assert_eq!(choose(due, &busy, &one, 9), ["1", "2"]);
    }

    #[test]
    fn a_limit_keeps_others_from_beginning_and_lets_go_on_what_has_begun() {
        let due = candidates(&[
            "1 dev sync pg",
            "2 dev sync pg begun",
            "3 dev sync pg",
            "4 dev silver sql",
            "5 prod sync pg",
        ]);
        let busy = [UnderWay { environment: "dev".into(), kind: "sync".into(), backend: "pg".into(), count: 1 }];
        let limited = |concurrency: Concurrency| {
            let mut chosen = choose(due.clone(), &busy, &Limits::from([("dev".to_owned(), concurrency)]), 9);
            chosen.sort();
            chosen
        };
        let one = |name: &str, limit: u32| HashMap::from([(name.to_owned(), limit)]);
        assert_eq!(limited(Concurrency::default()), ["1", "2", "3", "4", "5"]);
        assert_eq!(limited(Concurrency { tasks: Some(1), ..Concurrency::default() }), ["2", "5"]);
        assert_eq!(limited(Concurrency { tasks: Some(2), ..Concurrency::default() }), ["1", "2", "5"]);
        assert_eq!(limited(Concurrency { kinds: one("sync", 1), ..Concurrency::default() }), ["2", "4", "5"]);
        assert_eq!(limited(Concurrency { backends: one("pg", 2), ..Concurrency::default() }), ["1", "2", "4", "5"]);
        assert_eq!(limited(Concurrency { backends: one("sql", 0), ..Concurrency::default() }), ["1", "2", "3", "5"]);
    }
}
