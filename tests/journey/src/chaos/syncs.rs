//! One ingestion, through everything that happens to its hosts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::STUCK_AFTER;
use crate::client::Client;

/// What was found when table and source were compared.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Differences {
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

impl Differences {
    pub(super) fn is_none(self) -> bool {
        self.lost + self.doubled == 0
    }

    pub(super) fn add(&mut self, more: Self) {
        self.lost += more.lost;
        self.doubled += more.doubled;
    }
}

/// An ingestion by its id.
pub(super) struct Syncs(String);

impl Syncs {
    /// Makes the source, the sink and the ingestion of streams, all of one name. Tables begin with it.
    pub(super) fn prepare(client: &Client, name: &str, kind: &str, config: &Value, streams: &Value) -> Result<Self> {
        let source = client.post("/datasource", &json!({"name": name, "type": kind, "config": config}))?;
        let sink = client.post("/sink", &json!({"name": name, "type": "local", "config": {"path": name}}))?;
        let body = json!({"name": name, "sourceId": source["id"], "destinationId": sink["id"], "streams": streams,
            "prefix": format!("{name}_"), "schedule": {"scheduleType": "manual"}});
        let ingestion = client.post("/ingestion", &body)?;
        Ok(Self(ingestion["connectionId"].as_str().context("no connectionId")?.to_owned()))
    }

    /// The ingestion's id.
    pub(super) fn id(&self) -> &str {
        &self.0
    }

    /// Asks for a sync; one that is under way is as good.
    pub(super) fn ask(&self, client: &Client) -> Result<()> {
        client.send("POST", &format!("/ingestion/{}/sync", self.0), Some(&json!({})), &[]).map(drop)
    }

    /// Waits for the sync that is under way, then for one that sees everything; answers how many did not end.
    pub(super) fn settle(&self, client: &Client) -> Result<u64> {
        let mut stuck = 0;
        for _ in 0..2 {
            stuck += u64::from(!self.ended(client));
            self.ask(client)?;
        }
        Ok(stuck + u64::from(!self.ended(client)))
    }

    fn ended(&self, client: &Client) -> bool {
        let limit = Instant::now() + STUCK_AFTER;
        while Instant::now() < limit {
            if let Ok(status) = client.get(&format!("/ingestion/{}/status", self.0)) {
                match status["job"]["status"].as_str() {
                    Some("succeeded") => return true,
                    // A sync that failed has not lost anything; the next one goes on.
                    Some("failed" | "cancelled") if self.ask(client).is_err() => return false,
                    _ => {}
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        false
    }
}
