//! What a stream remembers.

use std::collections::HashSet;

use asgard_sdk::connector::SyncMode;
use asgard_sdk::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::location::Entry;

/// Files that an incremental stream remembers. The checkpoint is part of a table's metadata, which every commit writes anew.
const MOST_FILES: usize = 10_000;

/// Bytes of a digest that are kept: among ten thousand files, two alike are less likely than a fault of the memory.
const DIGEST: usize = 12;

/// The state of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The task that came so far.
    task: String,
    /// It has read everything.
    #[serde(default)]
    complete: bool,
    /// Of a full refresh: the last path that was read to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Of an incremental stream: digests of the files that were read, with their versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    read: Vec<String>,
    /// The file that was read in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<Part>,
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// The digest of the file.
    pub(super) file: String,
    pub(super) position: Position,
}

/// A place between two rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Position {
    Text { offset: u64, line: u64 },
    RowGroup(usize),
}

/// A file in its present version.
pub(super) fn digest(entry: &Entry) -> String {
    let mut hash = Sha256::new();
    hash.update(entry.address.as_bytes());
    hash.update([0]);
    hash.update(entry.version.as_deref().unwrap_or_default().as_bytes());
    STANDARD_NO_PAD.encode(hash.finalize().get(..DIGEST).unwrap_or_default())
}

pub(super) fn is_incremental(mode: SyncMode) -> bool {
    matches!(mode, SyncMode::IncrementalAppend | SyncMode::IncrementalMerge)
}

impl State {
    /// What the host kept; a state that is no use for this task begins anew.
    pub(super) fn of(checkpoint: Option<&[u8]>, task: &str, mode: SyncMode) -> Self {
        let kept: Option<Self> = checkpoint.and_then(|bytes| serde_json::from_slice(bytes).ok());
        let mut state = kept.filter(|kept| kept.task == task || is_incremental(mode)).unwrap_or_default();
        if state.task != task {
            state.complete = false;
        }
        task.clone_into(&mut state.task);
        state
    }

    pub(super) fn write(&self) -> Result<Vec<u8>> {
        asgard_sdk::encode(self)
    }

    /// This task has read everything.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn completed(&mut self) {
        self.complete = true;
        self.part = None;
    }

    /// The files that are still to be read, in order.
    ///
    /// # Errors
    /// `invalid-input` for files that an incremental stream cannot tell from changed ones; `conflict` for a file that changed after
    /// a part of it was committed, in a full refresh.
    pub(super) fn left(&self, found: Vec<Entry>, mode: SyncMode) -> Result<Vec<Entry>> {
        if is_incremental(mode) {
            if let Some(unknown) = found.iter().find(|entry| entry.version.is_none()) {
                return Err(Error::invalid(
                    "streams",
                    format!(
                        "`{}`: its server tells neither `ETag` nor `Last-Modified`, so nobody knows whether it changed: choose \
                         full_refresh_overwrite",
                        unknown.path
                    ),
                ));
            }
            let known: HashSet<&str> = self.read.iter().map(String::as_str).collect();
            let mut left: Vec<Entry> =
                found.into_iter().filter(|entry| !known.contains(digest(entry).as_str())).collect();
            left.sort_by(|a, b| a.modified.cmp(&b.modified).then_with(|| a.path.cmp(&b.path)));
            // The file that was begun goes on before others that became older meanwhile.
            if let Some(part) = &self.part {
                left.sort_by_key(|entry| digest(entry) != part.file);
            }
            return Ok(left);
        }
        let left: Vec<Entry> = found
            .into_iter()
            .filter(|entry| self.after.as_ref().is_none_or(|after| entry.path.as_str() > after.as_str()))
            .collect();
        let begun = |part: &Part| left.iter().any(|entry| digest(entry) == part.file);
        if self.part.as_ref().is_some_and(|part| !begun(part)) {
            return Err(Error::Conflict(
                "a file changed after a part of it was read: start the sync again, which reads all files anew"
                    .to_owned(),
            ));
        }
        Ok(left)
    }

    /// A file was read to its end.
    ///
    /// # Errors
    /// `unsupported` for more files than are remembered.
    pub(super) fn finished(&mut self, entry: &Entry, mode: SyncMode, present: &HashSet<String>) -> Result<()> {
        self.part = None;
        if !is_incremental(mode) {
            self.after = Some(entry.path.clone());
            return Ok(());
        }
        self.read.push(digest(entry));
        if self.read.len() > MOST_FILES {
            self.read.retain(|digest| present.contains(digest));
        }
        if self.read.len() > MOST_FILES {
            return Err(Error::Unsupported(format!(
                "an incremental stream remembers {MOST_FILES} files at most: move those that were read elsewhere, or make the \
                 patterns narrower"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, version: &str, modified: i64) -> Entry {
        Entry {
            path: path.to_owned(),
            address: path.to_owned(),
            size: 1,
            version: Some(version.to_owned()),
            modified: Some(modified),
        }
    }

    fn paths(left: &[Entry]) -> Vec<&str> {
        left.iter().map(|entry| entry.path.as_str()).collect()
    }

    #[test]
    fn an_incremental_stream_reads_new_and_changed_files_oldest_first() {
        let mode = SyncMode::IncrementalAppend;
        let mut state = State::of(None, "monday", mode);
        let first = vec![entry("b", "1", 10), entry("a", "1", 20)];
        assert_eq!(paths(&state.left(first.clone(), mode).unwrap()), ["b", "a"]);
        for entry in &first {
            state.finished(entry, mode, &HashSet::new()).unwrap();
        }
        state.completed();
        let state = State::of(Some(&state.write().unwrap()), "tuesday", mode);
        assert!(!state.is_complete());
        let second = vec![entry("a", "2", 30), entry("b", "1", 10), entry("c", "1", 5)];
        assert_eq!(paths(&state.left(second, mode).unwrap()), ["c", "a"]);
    }

    #[test]
    fn a_full_refresh_goes_on_within_its_task_only() {
        let mode = SyncMode::FullRefreshOverwrite;
        let mut state = State::of(None, "monday", mode);
        state.finished(&entry("a", "1", 1), mode, &HashSet::new()).unwrap();
        let bytes = state.write().unwrap();
        let found = vec![entry("a", "1", 1), entry("b", "1", 1)];
        assert_eq!(paths(&State::of(Some(&bytes), "monday", mode).left(found.clone(), mode).unwrap()), ["b"]);
        assert_eq!(paths(&State::of(Some(&bytes), "tuesday", mode).left(found, mode).unwrap()), ["a", "b"]);
    }

    #[test]
    fn a_file_that_changed_after_a_part_was_committed_ends_a_full_refresh() {
        let mode = SyncMode::FullRefreshAppend;
        let mut state = State::of(None, "monday", mode);
        state.part = Some(Part { file: digest(&entry("a", "1", 1)), position: Position::RowGroup(3) });
        assert!(state.left(vec![entry("a", "1", 1)], mode).is_ok());
        assert!(matches!(state.left(vec![entry("a", "2", 1)], mode), Err(Error::Conflict(_))));
    }

    #[test]
    fn files_without_a_version_are_no_use_to_incremental_streams() {
        let mut unknown = entry("https://h/a.csv", "", 1);
        unknown.version = None;
        let state = State::default();
        assert!(state.left(vec![unknown.clone()], SyncMode::IncrementalMerge).is_err());
        assert!(state.left(vec![unknown], SyncMode::FullRefreshOverwrite).is_ok());
    }

    #[test]
    fn files_that_are_gone_are_forgotten_before_a_stream_is_full() {
        let mode = SyncMode::IncrementalAppend;
        let mut state = State::default();
        let last = entry("last", "1", 1);
        state.read = (0..MOST_FILES).map(|number| number.to_string()).collect();
        state.finished(&last, mode, &HashSet::from([digest(&last)])).unwrap();
        assert_eq!(state.read.len(), 1);
        let all: HashSet<String> = (0..MOST_FILES).map(|number| number.to_string()).chain([digest(&last)]).collect();
        state.read = (0..MOST_FILES).map(|number| number.to_string()).collect();
        assert!(matches!(state.finished(&last, mode, &all), Err(Error::Unsupported(_))));
    }
}
