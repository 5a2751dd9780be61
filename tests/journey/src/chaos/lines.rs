//! Rows that come from a process of a plugin: a connector beside the host reads a file that grows, and each of its lines is to be in the
//! table once.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::syncs::{Differences, Syncs};
use crate::client::Client;
use crate::random::Random;

/// The connector, for a Python.
pub(super) const SCRIPT: &str = include_str!("lines.py");

/// Twice as many are what one query answers with.
const MOST_LINES: u64 = 5000;

/// At most so many more at a time: a tenth of a second of the connector.
const MOST_NEW: u64 = 40;

pub(super) struct Lines {
    name: String,
    file: PathBuf,
    words: Vec<String>,
    syncs: Syncs,
}

impl Lines {
    pub(super) fn prepare(client: &Client, folder: &Path, name: &str) -> Result<Self> {
        let file = folder.join("lines.txt");
        File::create(&file)?;
        let streams = json!([{"name": "lines", "syncMode": "incremental_append"}]);
        let syncs = Syncs::prepare(client, name, "lines", &json!({"file": file}), &streams)?;
        Ok(Self { name: name.to_owned(), file, words: Vec::new(), syncs })
    }

    /// Lines are added, and a sync is asked for.
    pub(super) fn sync(&mut self, client: &Client, random: &mut Random) -> Result<()> {
        let more = random.below(MOST_NEW).min(MOST_LINES - self.words.len() as u64);
        let new: Vec<String> = (0..more).map(|_| random.below(1_000_000).to_string()).collect();
        let text: String = new.iter().map(|word| format!("{word}\n")).collect();
        // In one write: a connector never sees a part of a line.
        File::options().append(true).open(&self.file)?.write_all(text.as_bytes())?;
        self.words.extend(new);
        self.syncs.ask(client)
    }

    pub(super) fn settle(&self, client: &Client) -> Result<u64> {
        self.syncs.settle(client)
    }

    /// The table, beside the file.
    pub(super) fn compare(&self, client: &Client) -> Result<Differences> {
        let sql = format!("SELECT number, word FROM bronze.{}_lines", self.name);
        let found = client
            .post("/lakehouse/query", &json!({"dialect": "spark", "max_rows": 2 * MOST_LINES, "sql": sql}))
            .with_context(|| format!("{} lines are in the file", self.words.len()))?;
        ensure!(found["truncated"] == false, "the table has twice the lines that the file ever had");
        let mut wanted: HashMap<u64, &str> = (0..).zip(self.words.iter().map(String::as_str)).collect();
        let mut differences = Differences::default();
        for row in found["rows"].as_array().context("no rows")? {
            match row["number"].as_u64().and_then(|number| wanted.remove(&number)) {
                Some(word) if row["word"] == word => {}
                Some(_) => differences.lost += 1,
                None => differences.doubled += 1,
            }
        }
        differences.lost += wanted.len() as u64;
        Ok(differences)
    }
}
