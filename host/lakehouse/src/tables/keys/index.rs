//! What the rows of one write say about each of its keys.
//!
//! The newest are in memory, up to a limit. Beyond it they go to a sorted file ([`Run`]) and memory begins anew, so one key may
//! be in several places: what is newer says the last row, and rows are counted together. [`Index::finish`] makes one file of
//! all, where a key is found by reading one page.
//!
//! Files are written and read beside the asynchronous threads. Keys leave memory only when they are in a file, so whoever gives
//! up waiting, or finds the disk full, loses none.

use std::collections::HashMap;
use std::sync::Arc;

use asgard_contract::Result;

use super::fingerprint::Fingerprint;
use super::run::Run;
use crate::error;

/// Keys of one write that are in memory at once: with 41 bytes for each of the map's 2^19 places they take 21 MB, and 16 MB more
/// while they are sorted. Changes between two checkpoints are fewer, and need no file.
pub(crate) const HELD_KEYS: usize = 400_000;

/// More files are made one: each is open, and each is asked where a key is looked for.
const MOST_RUNS: usize = 64;

/// What the rows of a write say about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Found {
    /// The last row with this key, counted over all written rows as they came: files that are looked through for it must be in
    /// that order too. None = the last word was to delete it.
    pub(crate) last: Option<u64>,
    /// Rows written with it.
    pub(crate) count: u32,
}

impl Found {
    pub(super) fn then(self, later: Self) -> Self {
        Self { last: later.last, count: self.count.saturating_add(later.count) }
    }
}

pub(super) struct Index {
    memory: Arc<HashMap<Fingerprint, Found>>,
    /// The oldest first; all are older than what is in memory.
    pub(super) runs: Vec<Arc<Run>>,
    /// Keys in memory.
    pub(super) limit: usize,
    /// A key came twice. Of keys in different places it is known once they are in one file.
    repeats: bool,
}

impl Index {
    pub(super) fn new(limit: usize) -> Self {
        Self { memory: Arc::default(), runs: Vec::new(), limit, repeats: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.runs.is_empty()
    }

    /// Whether rows were written with a key that had been written before.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// Makes room for so many keys.
    pub(super) async fn make_room(&mut self, keys: usize) -> Result<()> {
        if self.memory.len() + keys > self.limit { self.spill().await } else { Ok(()) }
    }

    /// Takes what files say of keys into memory, where [`Index::held`] looks.
    pub(super) async fn recall(&mut self, keys: &[Option<Fingerprint>]) -> Result<()> {
        if self.runs.is_empty() {
            return Ok(());
        }
        let found = self.find(keys.to_vec()).await?;
        let memory = Arc::make_mut(&mut self.memory);
        for (key, found) in keys.iter().zip(found) {
            if let (Some(key), Some(found)) = (key, found) {
                // Its rows are counted where they are.
                memory.entry(*key).or_insert(Found { last: found.last, count: 0 });
            }
        }
        Ok(())
    }

    /// What memory says of a key.
    pub(super) fn held(&self, key: Fingerprint) -> Option<Found> {
        self.memory.get(&key).copied()
    }

    pub(super) fn write(&mut self, key: Fingerprint, row: u64) {
        let found = self.entry(key);
        let repeats = found.count > 0;
        *found = found.then(Found { last: Some(row), count: 1 });
        self.repeats |= repeats;
    }

    pub(super) fn delete(&mut self, key: Fingerprint) {
        self.entry(key).last = None;
    }

    fn entry(&mut self, key: Fingerprint) -> &mut Found {
        Arc::make_mut(&mut self.memory).entry(key).or_default()
    }

    /// What is known of each key.
    pub(super) async fn find(&self, keys: Vec<Option<Fingerprint>>) -> Result<Vec<Option<Found>>> {
        let newer: Vec<Option<Found>> = keys.iter().map(|key| self.held((*key)?)).collect();
        if self.runs.is_empty() {
            return Ok(newer);
        }
        let runs = self.runs.clone();
        let older = tokio::task::spawn_blocking(move || Run::find(&runs, &keys));
        let older = older.await.map_err(error::join)?.map_err(error::io("looking keys up"))?;
        let joined = older.into_iter().zip(newer).map(|places| match places {
            (Some(older), Some(newer)) => Some(older.then(newer)),
            (one, None) | (None, one) => one,
        });
        Ok(joined.collect())
    }

    /// After the last row: all keys are in one place, and [`Index::repeats`] is known.
    pub(super) async fn finish(&mut self) -> Result<()> {
        if self.runs.is_empty() {
            return Ok(());
        }
        self.spill().await?;
        self.merge().await
    }

    async fn spill(&mut self) -> Result<()> {
        if self.memory.is_empty() {
            return Ok(());
        }
        let memory = Arc::clone(&self.memory);
        let run = tokio::task::spawn_blocking(move || Run::of(&memory));
        let run = run.await.map_err(error::join)?.map_err(error::io("putting keys into a temporary file"))?;
        self.runs.push(Arc::new(run));
        self.memory = Arc::default();
        if self.runs.len() > MOST_RUNS { self.merge().await } else { Ok(()) }
    }

    async fn merge(&mut self) -> Result<()> {
        if self.runs.len() < 2 {
            return Ok(());
        }
        let runs = self.runs.clone();
        let merged = tokio::task::spawn_blocking(move || Run::merged(&runs));
        let (run, repeats) = merged.await.map_err(error::join)?.map_err(error::io("putting keys into one file"))?;
        self.runs = vec![Arc::new(run)];
        self.repeats |= repeats;
        Ok(())
    }
}
