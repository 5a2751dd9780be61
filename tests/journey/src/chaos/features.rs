//! Features of a ledger: each of its numbers is one row, with what was found. They are read online and joined, and the script of each
//! model gets them.

use std::collections::HashMap;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::STUCK_AFTER;
use super::syncs::Differences;
use crate::client::Client;

const JOIN: &str = "/feast/features/historical";

/// The one feature, which is also what models are to learn.
const FEATURE: &str = "found";

/// A host that was paused may fill the store with what it had read before; reads look for a later snapshot each five seconds.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);

/// A view of the ledger, which has a line for each number.
pub(super) struct Features {
    view: String,
    ledger: String,
    /// Joins that were asked for beside the pipeline, and what was wrong with their rows.
    joins: Vec<JoinHandle<Differences>>,
}

impl Features {
    pub(super) fn new(view: String, ledger: &str) -> Self {
        Self { view, ledger: ledger.to_owned(), joins: Vec::new() }
    }

    /// The step of a pipeline that fills the online store.
    pub(super) fn step(&self, needs: &str) -> Value {
        json!({"id": "features", "kind": "features", "needs": [needs], "with": {
            "name": self.view, "entities": ["number"], "features": [{"name": FEATURE, "dtype": "int64"}],
            "source": {"table_name": self.ledger}, "ttl_seconds": 0, "online": true}})
    }

    /// What a deployment says of them.
    pub(super) fn of_deployment(&self) -> Value {
        json!({"view": self.view, "target": FEATURE})
    }

    /// Asks for a join of all numbers, and waits for no answer: its host may be killed before there is one.
    pub(super) fn ask(&mut self, client: &Client) {
        let (client, body) = (Client::new(client.base()), self.all());
        self.joins.push(std::thread::spawn(move || {
            let Ok(answer) = client.send("POST", JOIN, Some(&body), &[]) else { return Differences::default() };
            let lost = u64::from(answer.status == 500);
            // How many numbers there were at that moment is not known.
            let rows = answer.body["rows"].as_array().map_or(&[][..], Vec::as_slice);
            let mut numbers: Vec<&str> = rows.iter().filter_map(|row| row["number"].as_str()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            Differences { lost, doubled: (rows.len() - numbers.len()) as u64 }
        }));
    }

    /// Waits for work of the role, whoever asked for it; answers how much did not end.
    pub(super) fn settle(client: &Client) -> Result<u64> {
        let limit = Instant::now() + STUCK_AFTER;
        loop {
            let mut under_way = 0;
            for status in ["pending", "running"] {
                let tasks = client.get(&format!("/tasks?kind=features&status={status}"))?;
                under_way += tasks["total"].as_u64().context("no total")?;
            }
            if under_way == 0 || Instant::now() > limit {
                return Ok(under_way);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The rows of a join and of an online read, beside what the ledger has for each number.
    pub(super) fn compare(&mut self, client: &Client, wanted: &HashMap<String, Value>) -> Result<Differences> {
        let mut differences = Differences::default();
        for join in self.joins.drain(..) {
            differences.add(join.join().map_err(|_| anyhow!("whoever asked for a join panicked"))?);
        }
        let joined = client.post(JOIN, &self.all())?;
        differences.add(beside(&joined, wanted)?);
        let entities: Vec<Value> = wanted.keys().map(|number| json!({"number": number})).collect();
        let online = json!({"features": [self.view], "entities": entities});
        let limit = Instant::now() + CAUGHT_UP_WITHIN;
        loop {
            let read = beside(&client.post("/feast/features/online", &online)?, wanted)?;
            if read.is_none() || Instant::now() > limit {
                differences.add(read);
                return Ok(differences);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn all(&self) -> Value {
        json!({"features": [self.view]})
    }
}

fn beside(answer: &Value, wanted: &HashMap<String, Value>) -> Result<Differences> {
    let mut wanted = wanted.clone();
    let mut differences = Differences::default();
    for row in answer["rows"].as_array().with_context(|| format!("no rows in {answer}"))? {
        match wanted.remove(row["number"].as_str().unwrap_or_default()) {
            Some(found) if row[FEATURE] == found => {}
            Some(_) => differences.lost += 1,
            None => differences.doubled += 1,
        }
    }
    differences.lost += wanted.len() as u64;
    Ok(differences)
}
