//! A process's output as lines.
//!
//! At most one chunk and one unfinished line are held, whatever the process writes. What is missing is noticed by its offset: rows
//! that were lost would be committed as if they had never been.

use asgard_sdk::{Error, Result};

use crate::host::Host;

/// Asked for at once; the host gives no more.
const CHUNK: u32 = 1 << 20;

/// A line is one record: a larger one is none.
const LONGEST_LINE: usize = 64 << 20;

/// Where the reader is in a process's output.
#[derive(Debug, Default)]
pub struct Lines {
    offset: u64,
    held: Vec<u8>,
    /// Of what is held, taken already.
    taken: usize,
}

impl Lines {
    /// Reads on; false when there is nothing new.
    ///
    /// # Errors
    /// `unavailable` when output was lost, `internal` for a line without end, and those of the host.
    pub fn fill(&mut self, host: &dyn Host, key: &str) -> Result<bool> {
        let chunk = host.output(key, self.offset, CHUNK)?;
        let start = chunk.next.saturating_sub(chunk.data.len() as u64);
        if !chunk.data.is_empty() && start != self.offset {
            return Err(Error::unavailable(format!(
                "{} bytes of the connector's output were lost before they were read: the sync goes on from its last checkpoint",
                start.saturating_sub(self.offset)
            )));
        }
        self.held.drain(..self.taken);
        self.taken = 0;
        if chunk.data.is_empty() {
            return Ok(false);
        }
        self.offset = chunk.next;
        self.held.extend_from_slice(&chunk.data);
        if self.held.len() > LONGEST_LINE {
            return Err(Error::internal(format!("the connector wrote a line of more than {} MiB", LONGEST_LINE >> 20)));
        }
        Ok(true)
    }

    /// The next whole line, without its end.
    pub fn next_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.held.get(self.taken..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest.get(..end)?.to_vec();
        self.taken += end + 1;
        Some(line)
    }

    /// What is left when the process has ended.
    pub fn last_line(&mut self) -> Option<Vec<u8>> {
        let rest = self.held.split_off(self.taken.min(self.held.len()));
        (self.held, self.taken) = (Vec::new(), 0);
        (!rest.is_empty()).then_some(rest)
    }
}
