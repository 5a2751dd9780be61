//! A tar archive, compressed: what Kaniko takes as a context.
//!
//! The same files give the same bytes: no times, no owners.

use std::io::Write as _;

use asgard_sdk::{Error, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

const BLOCK: usize = 512;

/// A file's data must fit in eleven octal digits.
const LARGEST: u64 = 0o77_777_777_777;

/// An archive that is being written.
pub struct Archive {
    out: GzEncoder<Vec<u8>>,
}

impl Default for Archive {
    fn default() -> Self {
        Self { out: GzEncoder::new(Vec::new(), Compression::default()) }
    }
}

impl Archive {
    /// Adds a file.
    ///
    /// # Errors
    /// `invalid-input` for a path or a file that the format cannot hold.
    pub fn add(&mut self, path: &str, data: &[u8]) -> Result<()> {
        let header = header(path, data.len())?;
        let rest = data.len() % BLOCK;
        let padding = if rest == 0 { 0 } else { BLOCK - rest };
        for part in [&header[..], data, &[0; BLOCK][..padding]] {
            self.out.write_all(part).map_err(Error::internal)?;
        }
        Ok(())
    }

    /// Its bytes.
    ///
    /// # Errors
    /// `internal`.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.out.write_all(&[0; 2 * BLOCK]).map_err(Error::internal)?;
        self.out.finish().map_err(Error::internal)
    }
}

/// A header of the format `ustar`.
fn header(path: &str, size: usize) -> Result<[u8; BLOCK]> {
    let (prefix, name) = split(path).ok_or_else(|| {
        Error::invalid(
            "model_files",
            format!("`{path}` is too long a path for an archive: expected at most 100 bytes after a `/`"),
        )
    })?;
    if size as u64 > LARGEST {
        return Err(Error::invalid("model_files", format!("`{path}` has more than 8 GiB")));
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum counts itself as spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

/// A path as up to 155 bytes, a `/`, and up to 100.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default()))
        .find(|(prefix, name)| prefix.len() <= 155 && name.len() <= 100)
}
