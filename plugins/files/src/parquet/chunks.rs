//! Bytes of a Parquet file by ranges.
//!
//! Reading goes page by page through all columns at once, so requests are for blocks, and the last blocks are kept.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use crate::location::Source;

const BLOCK: u64 = 1 << 20;

/// A block for each of so many columns that are read at once.
const KEPT: usize = 96;

/// A file as the crate reads it. Cheap to clone.
#[derive(Clone)]
pub(super) struct Chunks {
    source: Arc<dyn Source>,
    kept: Arc<Mutex<VecDeque<(u64, Bytes)>>>,
}

impl Chunks {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, kept: Arc::default() }
    }

    fn block(&self, number: u64) -> Result<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(known, _)| *known == number)
            && let Some(block) = kept.remove(place)
        {
            let bytes = block.1.clone();
            kept.push_back(block);
            return Ok(bytes);
        }
        let bytes = self.source.read(number * BLOCK, BLOCK as usize).map_err(external)?;
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((number, bytes.clone()));
        Ok(bytes)
    }
}

fn external(error: asgard_sdk::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.source.size()
    }
}

impl ChunkReader for Chunks {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading> {
        Ok(Reading { chunks: self.clone(), next: start })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.source.size() {
            return Err(ParquetError::EOF(format!("bytes {start} to {end} of {}", self.source.size())));
        }
        // A large range is wanted once: no block of it helps anybody else.
        if length as u64 > 4 * BLOCK {
            let bytes = self.source.read(start, length).map_err(external)?;
            return Ok(bytes);
        }
        let mut bytes = BytesMut::with_capacity(length);
        let mut next = start;
        while next < end {
            let block = self.block(next / BLOCK)?;
            let from = usize::try_from(next % BLOCK).unwrap_or(usize::MAX);
            let to = block.len().min(from.saturating_add(usize::try_from(end - next).unwrap_or(usize::MAX)));
            let Some(part) = block.get(from..to).filter(|part| !part.is_empty()) else {
                return Err(ParquetError::EOF(format!("byte {next} of {}", self.source.size())));
            };
            bytes.extend_from_slice(part);
            next += part.len() as u64;
        }
        Ok(bytes.freeze())
    }
}

/// The file from some place on.
pub(super) struct Reading {
    chunks: Chunks,
    next: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.next >= self.chunks.source.size() {
            return Ok(0);
        }
        let block = self.chunks.block(self.next / BLOCK).map_err(io::Error::other)?;
        let part = block.get(usize::try_from(self.next % BLOCK).unwrap_or(usize::MAX)..).unwrap_or_default();
        let length = part.len().min(buffer.len());
        if let (Some(target), Some(part)) = (buffer.get_mut(..length), part.get(..length)) {
            target.copy_from_slice(part);
        }
        self.next += length as u64;
        Ok(length)
    }
}
