//! Keys in a temporary file, sorted.
//!
//! The file is in the system's temporary folder, as what statements spill is, and has no name: it is gone with the last that has
//! it open, after a crash too. It is read by pages, of which memory has the first keys.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Result, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::index::Found;

/// Fingerprint, last row, number of rows.
const ENTRY_BYTES: usize = 16 + 8 + 4;

/// Entries of a page. Few, since most of those that are looked up are alone in theirs; memory has a quarter of a byte for each.
const PAGE: usize = 64;

/// The last row of a key that was deleted. No write comes to so many.
const NO_ROW: u64 = u64::MAX;

type Entry = (Fingerprint, Found);

/// Sorted, each key once.
pub(super) struct Run {
    file: File,
    /// The first key of each page.
    firsts: Vec<Fingerprint>,
    entries: usize,
}

impl Run {
    pub(super) fn of(memory: &HashMap<Fingerprint, Found>) -> Result<Self> {
        let mut entries: Vec<Entry> = memory.iter().map(|(key, found)| (*key, *found)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        Self::write(entries.into_iter().map(Ok))
    }

    /// One run of several, the oldest first, and whether rows of two have the same key.
    pub(super) fn merged(runs: &[Arc<Self>]) -> Result<(Self, bool)> {
        let mut merge = Merge::new(runs.iter().map(|run| run.entries()).collect())?;
        let run = Self::write(std::iter::from_fn(|| merge.next().transpose()))?;
        Ok((run, merge.repeats))
    }

    /// What runs say of keys, the oldest run first.
    pub(super) fn find(runs: &[Arc<Self>], keys: &[Option<Fingerprint>]) -> Result<Vec<Option<Found>>> {
        let wanted = keys.iter().enumerate().filter_map(|(index, key)| Some(((*key)?, index)));
        let mut wanted: Vec<(Fingerprint, usize)> = wanted.collect();
        // Pages are read once, and forwards.
        wanted.sort_unstable();
        let mut found = vec![None; keys.len()];
        for run in runs {
            run.look_up(&wanted, &mut found)?;
        }
        Ok(found)
    }

    fn look_up(&self, wanted: &[(Fingerprint, usize)], found: &mut [Option<Found>]) -> Result<()> {
        let mut read: Option<(usize, Vec<Entry>)> = None;
        for (key, index) in wanted {
            // A key before the first is in no page.
            let Some(number) = self.firsts.partition_point(|first| first <= key).checked_sub(1) else { continue };
            let page = match read {
                Some((is, page)) if is == number => page,
                _ => self.page(number)?,
            };
            if let Ok(position) = page.binary_search_by_key(key, |(key, _)| *key) {
                let (_, later) = page[position];
                found[*index] = Some(found[*index].map_or(later, |earlier| earlier.then(later)));
            }
            read = Some((number, page));
        }
        Ok(())
    }

    fn write(sorted: impl Iterator<Item = Result<Entry>>) -> Result<Self> {
        let mut output = BufWriter::new(tempfile::tempfile()?);
        let (mut firsts, mut entries) = (Vec::new(), 0);
        for entry in sorted {
            let (key, found) = entry?;
            if entries == firsts.len() * PAGE {
                firsts.push(key);
            }
            output.write_all(&encoded(key, found))?;
            entries += 1;
        }
        Ok(Self { file: output.into_inner()?, firsts, entries })
    }

    fn entries(&self) -> impl Iterator<Item = Result<Entry>> {
        (0..self.firsts.len()).flat_map(move |number| match self.page(number) {
            Ok(page) => page.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        })
    }

    fn page(&self, number: usize) -> Result<Vec<Entry>> {
        let start = number * PAGE;
        let mut bytes = vec![0_u8; PAGE.min(self.entries - start) * ENTRY_BYTES];
        self.file.read_exact_at(&mut bytes, (start * ENTRY_BYTES) as u64)?;
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        Ok(entries.iter().map(decoded).collect())
    }
}

fn encoded(key: Fingerprint, found: Found) -> [u8; ENTRY_BYTES] {
    let mut entry = [0_u8; ENTRY_BYTES];
    entry[..16].copy_from_slice(&key.0);
    entry[16..24].copy_from_slice(&found.last.unwrap_or(NO_ROW).to_le_bytes());
    entry[24..].copy_from_slice(&found.count.to_le_bytes());
    entry
}

fn decoded(entry: &[u8; ENTRY_BYTES]) -> Entry {
    let (mut key, mut last, mut count) = ([0_u8; 16], [0_u8; 8], [0_u8; 4]);
    key.copy_from_slice(&entry[..16]);
    last.copy_from_slice(&entry[16..24]);
    count.copy_from_slice(&entry[24..]);
    let last = Some(u64::from_le_bytes(last)).filter(|row| *row != NO_ROW);
    (Fingerprint(key), Found { last, count: u32::from_le_bytes(count) })
}

/// The entries of several runs, in one order and each key once.
struct Merge<I> {
    runs: Vec<I>,
    /// The next entry of each run, with the run's number: of one key the older comes first.
    heads: BinaryHeap<Reverse<(Fingerprint, usize, Found)>>,
    repeats: bool,
}

impl<I: Iterator<Item = Result<Entry>>> Merge<I> {
    fn new(runs: Vec<I>) -> Result<Self> {
        let mut merge = Self { heads: BinaryHeap::with_capacity(runs.len()), runs, repeats: false };
        for run in 0..merge.runs.len() {
            merge.advance(run)?;
        }
        Ok(merge)
    }

    fn advance(&mut self, run: usize) -> Result<()> {
        if let Some((key, found)) = self.runs[run].next().transpose()? {
            self.heads.push(Reverse((key, run, found)));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(Reverse((key, run, mut found))) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        while self.heads.peek().is_some_and(|Reverse((next, ..))| *next == key) {
            let Some(Reverse((_, run, later))) = self.heads.pop() else { break };
            self.advance(run)?;
            self.repeats |= found.count > 0 && later.count > 0;
            found = found.then(later);
        }
        Ok(Some((key, found)))
    }
}
