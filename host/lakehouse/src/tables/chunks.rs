//! Encoded bytes on their way to storage, in pieces: a row group in one growing buffer would take twice its size and be copied
//! each time it grows.

use std::io::{Result, Write};

/// Of one piece.
const CHUNK_BYTES: usize = 1 << 20;

/// A writer that collects what is written to it.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// None is empty, and none but the last has room.
    chunks: Vec<Vec<u8>>,
}

impl Chunks {
    pub(super) fn bytes(&self) -> usize {
        let Some(last) = self.chunks.last() else { return 0 };
        (self.chunks.len() - 1) * CHUNK_BYTES + last.len()
    }

    pub(super) fn into_chunks(self) -> Vec<Vec<u8>> {
        self.chunks
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.chunks.last().is_none_or(|last| last.len() == CHUNK_BYTES) {
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES));
        }
        let last = self.chunks.len() - 1;
        let taken = bytes.len().min(CHUNK_BYTES - self.chunks[last].len());
        self.chunks[last].extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_out_in_pieces_that_are_full_but_for_the_last() {
        let written: Vec<u8> = (0..2 * CHUNK_BYTES + 5).map(|at| (at % 251) as u8).collect();
        let mut chunks = Chunks::default();
        for piece in written.chunks(300_007) {
            chunks.write_all(piece).unwrap();
        }
        assert_eq!(chunks.bytes(), written.len());
        let chunks = chunks.into_chunks();
        assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [CHUNK_BYTES, CHUNK_BYTES, 5]);
        assert_eq!(chunks.concat(), written);
    }
}
