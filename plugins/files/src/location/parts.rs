//! A file as a stream of bytes, fetched in parts.

use std::io::{self, Read};
use std::sync::Arc;

use asgard_sdk::Error;
use bytes::{Buf as _, Bytes};

use super::Source;

/// What is fetched at once: few enough requests, little enough memory.
const PART: usize = 4 << 20;

/// Reads a file from some place on.
pub struct Parts {
    source: Arc<dyn Source>,
    next: u64,
    size: usize,
    part: Bytes,
    failure: Option<Error>,
}

impl Parts {
    /// From `offset` on.
    pub fn new(source: Arc<dyn Source>, offset: u64) -> Self {
        Self { source, next: offset, size: PART, part: Bytes::new(), failure: None }
    }

    /// In parts of another size, where little is wanted.
    #[must_use]
    pub fn of_size(self, size: usize) -> Self {
        Self { size: size.clamp(1, PART), ..self }
    }

    /// Whether nothing is left.
    ///
    /// # Errors
    /// Those of the location, as the error inside.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        self.fill()?;
        Ok(self.part.is_empty())
    }

    /// What ended the reading, for decoders that make a text of errors.
    pub fn failure(&self) -> Option<Error> {
        self.failure.clone()
    }

    fn fill(&mut self) -> io::Result<()> {
        if !self.part.is_empty() || self.next >= self.source.size() {
            return Ok(());
        }
        match self.source.read(self.next, self.size) {
            Ok(part) => {
                self.next += part.len() as u64;
                self.part = part;
                Ok(())
            }
            Err(error) => {
                self.failure = Some(error.clone());
                Err(io::Error::other(error))
            }
        }
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let length = buffer.len().min(self.part.len());
        if let Some(target) = buffer.get_mut(..length) {
            self.part.copy_to_slice(target);
        }
        Ok(length)
    }
}
