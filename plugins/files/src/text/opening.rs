//! The bytes of a text file: fetched in parts, decompressed, guarded.

use std::io::{self, Read};
use std::sync::Arc;

use super::{Allowance, CsvRows, Dialect, JsonRows, Rows};
use crate::configuration::{Compression, Format};
use crate::fault::Fault;
use crate::location::{Parts, Source};

/// The largest window that is decompressed: what `zstd --ultra -22` uses.
const LARGEST_WINDOW: u64 = 128 << 20;

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Start {
    /// Bytes of the uncompressed text.
    pub offset: u64,
    /// The line there, from 1; 0 at the beginning.
    pub line: u64,
}

/// The uncompressed bytes from `offset` on. What comes before is skipped, by a request where the file is not compressed.
///
/// # Errors
/// Those of the location.
pub fn bytes_of(source: &Arc<dyn Source>, compression: Compression, offset: u64) -> Result<Box<dyn Read>, Fault> {
    let begin = if compression == Compression::None { offset } else { 0 };
    let mut text = decompressed(Parts::new(Arc::clone(source), begin), compression);
    if begin < offset {
        io::copy(&mut text.by_ref().take(offset), &mut io::sink())?;
    }
    Ok(text)
}

fn decompressed(parts: Parts, compression: Compression) -> Box<dyn Read> {
    match compression {
        Compression::None | Compression::Auto => Box::new(parts),
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(parts)),
        Compression::Zstd => Box::new(Zstd::new(parts)),
    }
}

/// The first bytes of the text, `length` at most.
///
/// # Errors
/// Those of the location; bytes that are not compressed as they should be; an encoding that is not UTF-8.
pub fn sample(source: &Arc<dyn Source>, compression: Compression, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    // Compressed bytes are fewer, and come in blocks.
    let part = if compression == Compression::None { length } else { length.max(64 << 10) };
    let parts = Parts::new(Arc::clone(source), 0).of_size(part);
    decompressed(parts, compression).take(length as u64).read_to_end(&mut bytes).map_err(|error| {
        match Fault::from(error) {
            Fault::Content(why) if compression != Compression::None => Fault::content(format!(
                "{why}: it is not compressed as its name or the stream's `compression` says; set `compression` to what it is, or `none`"
            )),
            other => other,
        }
    })?;
    let encoding = match bytes.as_slice() {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        [0x1F, 0x8B, ..] => Some("compressed with gzip: set the stream's `compression`; not"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Some("compressed with zstd: set the stream's `compression`; not"),
        [b'P', b'K', 3, 4, ..] => Some("a ZIP archive, not"),
        [b'P', b'A', b'R', b'1', ..] => Some("Parquet: set the stream's `format`; not"),
        _ => None,
    };
    match encoding {
        Some("UTF-16") => {
            Err(Fault::content("it is UTF-16 and only UTF-8 is read: convert it (`iconv -f utf-16 -t utf-8`)"))
        }
        Some(other) => Err(Fault::content(format!("it is {other} text in UTF-8"))),
        None => Ok(bytes),
    }
}

/// The rows of a file from `start` on.
///
/// # Errors
/// A header that is none; those of the location.
pub fn open(
    source: &Arc<dyn Source>,
    compression: Compression,
    format: &Format,
    dialect: &Dialect,
    start: Start,
) -> Result<Box<dyn Rows>, Fault> {
    match format {
        Format::Csv(_) => {
            let begun = CsvRows::begin(bytes_of(source, compression, 0)?, dialect)?;
            if start.offset == 0 {
                return Ok(Box::new(begun));
            }
            let rest = bytes_of(source, compression, start.offset)?;
            Ok(Box::new(CsvRows::resume(rest, &begun, start.offset, start.line)))
        }
        Format::Jsonl {} | Format::Parquet {} => {
            let text = bytes_of(source, compression, start.offset)?;
            Ok(Box::new(JsonRows::new(text, start.offset, start.line.max(1))))
        }
    }
}

/// A row of its own behind the text: the parser ends a field whose quote is never closed as if it were, and it is by this row that
/// such a field is seen.
const END: &[u8] = b"\n\0";

/// The field of that row.
pub(super) const END_FIELD: &[u8] = b"\0";

/// Bytes on their way to a parser, which may take so many for one row.
pub(super) struct Guarded {
    text: Box<dyn Read>,
    allowance: Allowance,
    taken: u64,
    /// Bytes of the text, once all of them are taken.
    length: Option<u64>,
    /// What is left of [`END`].
    end: &'static [u8],
    /// The byte before the first line's end.
    before_end: Option<u8>,
    found_end: bool,
}

impl Guarded {
    pub(super) fn new(text: Box<dyn Read>, allowance: Allowance) -> Self {
        Self { text, allowance, taken: 0, length: None, end: &[], before_end: None, found_end: false }
    }

    /// With a row of its own at the end: [`END_FIELD`].
    pub(super) fn with_end_row(self) -> Self {
        Self { end: END, ..self }
    }

    /// Bytes of the text, where the parser has come to its end.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the first line ends with CR and LF.
    pub(super) fn first_line_ends_with_carriage_return(&self) -> bool {
        self.found_end && self.before_end == Some(b'\r')
    }
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.text.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            self.length.get_or_insert(self.taken);
            return self.end.read(buffer);
        }
        self.taken += read as u64;
        let bytes = buffer.get(..read).unwrap_or_default();
        if !self.found_end {
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(0) => self.found_end = true,
                Some(end) => {
                    self.before_end = bytes.get(end - 1).copied();
                    self.found_end = true;
                }
                None => self.before_end = bytes.last().copied().or(self.before_end),
            }
        }
        self.allowance.use_up(read)?;
        Ok(read)
    }
}

/// Zstandard, frame after frame.
struct Zstd {
    parts: Option<Parts>,
    frame: Option<ruzstd::decoding::StreamingDecoder<Parts, ruzstd::decoding::FrameDecoder>>,
}

impl Zstd {
    fn new(parts: Parts) -> Self {
        Self { parts: Some(parts), frame: None }
    }
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer).map_err(|error| match frame.get_ref().failure() {
                    // The decoder makes a text of it.
                    Some(failure) => io::Error::other(failure),
                    None => io::Error::other(format!("it is not compressed with zstd as it should be: {error}")),
                })?;
                if read > 0 {
                    return Ok(read);
                }
                self.parts = self.frame.take().map(ruzstd::decoding::StreamingDecoder::into_inner);
            }
            let Some(mut parts) = self.parts.take() else { return Ok(0) };
            if parts.is_at_end()? {
                self.parts = Some(parts);
                return Ok(0);
            }
            let mut decoder = ruzstd::decoding::FrameDecoder::new();
            decoder.set_max_window_size(LARGEST_WINDOW);
            let frame = ruzstd::decoding::StreamingDecoder::new_with_decoder(parts, decoder).map_err(|error| {
                io::Error::other(format!("it is not compressed with zstd as it should be: {error}"))
            })?;
            self.frame = Some(frame);
        }
    }
}
