//! Pages of column chunks: their headers, and what decompresses them.
//!
//! The crate's own zstd is C, which a component has not, and its other codecs bring what compresses along, which is most of them. A
//! page's header is a few numbers in Thrift's compact protocol; it is read here, the page is decompressed in Rust, and the crate
//! goes on from there.

use std::io::Read as _;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader as _;

use super::chunks::Chunks;

/// A header is some dozens of bytes, unless it has statistics of long texts.
const HEADER: usize = 4 << 10;
const LARGEST_HEADER: usize = 16 << 20;

/// A larger page does not fit in the sandbox together with its values.
const LARGEST_PAGE: usize = 128 << 20;

/// What brotli reads at once.
const BROTLI_BUFFER: usize = 4 << 10;

/// The pages of one column chunk.
pub(super) struct ChunkPages(Option<Pages>);

impl ChunkPages {
    pub(super) fn new(chunks: &Chunks, column: &ColumnChunkMetaData) -> Self {
        Self(Some(Pages::new(chunks, column)))
    }
}

impl Iterator for ChunkPages {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(|pages| Ok(Box::new(pages) as Box<dyn PageReader>))
    }
}

impl PageIterator for ChunkPages {}

/// Decompresses into `bytes`, which has the size that must come out.
fn decompress(compression: Compression, packed: &[u8], bytes: &mut [u8]) -> std::result::Result<(), String> {
    let written = match compression {
        Compression::SNAPPY => {
            snap::raw::Decoder::new().decompress(packed, bytes).map_err(|error| error.to_string())?
        }
        Compression::LZ4_RAW => lz4_flex::block::decompress_into(packed, bytes).map_err(|error| error.to_string())?,
        Compression::ZSTD(_) => {
            ruzstd::decoding::FrameDecoder::new().decode_all(packed, bytes).map_err(|error| error.to_string())?
        }
        Compression::GZIP(_) => {
            let mut decoder = flate2::read::MultiGzDecoder::new(packed);
            decoder.read_exact(bytes).map(|()| bytes.len()).map_err(|error| error.to_string())?
        }
        Compression::BROTLI(_) => {
            let mut decoder = brotli_decompressor::Decompressor::new(packed, BROTLI_BUFFER);
            decoder.read_exact(bytes).map(|()| bytes.len()).map_err(|error| error.to_string())?
        }
        Compression::UNCOMPRESSED | Compression::LZO | Compression::LZ4 => {
            return Err(format!("{compression} is not read: write the file with SNAPPY or ZSTD"));
        }
    };
    if written == bytes.len() { Ok(()) } else { Err("it is shorter than its header says".to_owned()) }
}

struct Pages {
    chunks: Chunks,
    compression: Compression,
    next: u64,
    end: u64,
    /// The header of the next page and its length, where somebody looked at it.
    peeked: Option<(Header, u64)>,
}

impl Pages {
    fn new(chunks: &Chunks, column: &ColumnChunkMetaData) -> Self {
        let (start, length) = column.byte_range();
        Self {
            chunks: chunks.clone(),
            compression: column.compression(),
            next: start,
            end: start.saturating_add(length),
            peeked: None,
        }
    }

    fn header(&mut self) -> Result<Option<(Header, u64)>> {
        if let Some(peeked) = self.peeked.take() {
            return Ok(Some(peeked));
        }
        let left = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        let mut wanted = HEADER;
        loop {
            let bytes = self.chunks.get_bytes(self.next, wanted.min(left))?;
            let mut thrift = Thrift { bytes: &bytes, next: 0 };
            match thrift.page_header() {
                Some(header) => return Ok(Some((header, thrift.next as u64))),
                None if wanted < left && wanted < LARGEST_HEADER => wanted *= 8,
                None => return Err(ParquetError::General(format!("no page begins at byte {}", self.next))),
            }
        }
    }

    fn page(&self, header: &Header, compressed: &Bytes) -> Result<Option<Page>> {
        let wrong = |what: &str| ParquetError::General(format!("a page {what}"));
        let size = usize::try_from(header.uncompressed).map_err(|_| wrong("has no size"))?;
        if size > LARGEST_PAGE {
            return Err(wrong("has more than 128 MiB: write the file with smaller pages"));
        }
        // Levels of the second form are never compressed.
        let levels =
            usize::try_from(header.def_levels.saturating_add(header.rep_levels)).map_err(|_| wrong("has no levels"))?;
        let is_compressed = header.is_compressed && self.compression != Compression::UNCOMPRESSED;
        let buf = if is_compressed && size > levels {
            let (plain, packed) =
                compressed.split_at_checked(levels).ok_or_else(|| wrong("is shorter than its levels"))?;
            let mut bytes = vec![0; size];
            let (head, tail) = bytes.split_at_mut_checked(levels).ok_or_else(|| wrong("is shorter than its levels"))?;
            head.copy_from_slice(plain);
            decompress(self.compression, packed, tail)
                .map_err(|why| wrong(&format!("is not compressed as it should be: {why}")))?;
            Bytes::from(bytes)
        } else {
            compressed.clone()
        };
        let (num_values, encoding) = (header.values, encoding(header.encoding)?);
        Ok(match header.page_type {
            0 => Some(Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding: self::encoding(header.def_encoding)?,
                rep_level_encoding: self::encoding(header.rep_encoding)?,
                statistics: None,
            }),
            2 => Some(Page::DictionaryPage { buf, num_values, encoding, is_sorted: false }),
            3 => Some(Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls: header.nulls,
                num_rows: header.rows,
                def_levels_byte_len: header.def_levels,
                rep_levels_byte_len: header.rep_levels,
                is_compressed: header.is_compressed,
                statistics: None,
            }),
            // Pages of indexes have no rows.
            _ => None,
        })
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while let Some((header, length)) = self.header()? {
            let size = usize::try_from(header.compressed)
                .map_err(|_| ParquetError::General("a page has no size".to_owned()))?;
            let compressed = self.chunks.get_bytes(self.next + length, size)?;
            self.next += length + size as u64;
            if let Some(page) = self.page(&header, &compressed)? {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let Some((header, length)) = self.header()? else { return Ok(None) };
        let metadata = PageMetadata {
            num_rows: (header.page_type == 3).then_some(header.rows as usize),
            num_levels: (header.page_type != 2).then_some(header.values as usize),
            is_dict: header.page_type == 2,
        };
        self.peeked = Some((header, length));
        Ok(Some(metadata))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if let Some((header, length)) = self.header()? {
            self.next += length + u64::from(header.compressed.max(0).unsigned_abs());
        }
        Ok(())
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn encoding(number: i32) -> Result<Encoding> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        #[expect(deprecated, reason = "old files have it")]
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        other => return Err(ParquetError::General(format!("a page has the encoding {other}, which is none"))),
    })
}

/// `PageHeader` of the format, without statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Header {
    page_type: i32,
    uncompressed: i32,
    compressed: i32,
    values: u32,
    encoding: i32,
    def_encoding: i32,
    rep_encoding: i32,
    nulls: u32,
    rows: u32,
    def_levels: u32,
    rep_levels: u32,
    is_compressed: bool,
}

/// Thrift's compact protocol, as far as headers need it. None: the bytes end, or are none.
struct Thrift<'a> {
    bytes: &'a [u8],
    next: usize,
}

/// The kinds of values that are looked at.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const STRUCT: u8 = 12;

/// Structures within statistics; deeper ones are no header.
const DEEPEST: usize = 8;

impl Thrift<'_> {
    fn page_header(&mut self) -> Option<Header> {
        let mut header = Header { is_compressed: true, ..Header::default() };
        let mut field = 0;
        while let Some(kind) = self.field(&mut field)? {
            match (field, kind) {
                (1, 5) => header.page_type = self.int()?,
                (2, 5) => header.uncompressed = self.int()?,
                (3, 5) => header.compressed = self.int()?,
                (5 | 7 | 8, STRUCT) => self.kind_of_page(field, &mut header)?,
                (_, kind) => self.skip(kind, 0)?,
            }
        }
        Some(header)
    }

    fn kind_of_page(&mut self, page: i16, header: &mut Header) -> Option<()> {
        let mut field = 0;
        while let Some(kind) = self.field(&mut field)? {
            match (page, field, kind) {
                (_, 1, 5) => header.values = self.count()?,
                (5 | 7, 2, 5) | (8, 4, 5) => header.encoding = self.int()?,
                (5, 3, 5) => header.def_encoding = self.int()?,
                (5, 4, 5) => header.rep_encoding = self.int()?,
                (8, 2, 5) => header.nulls = self.count()?,
                (8, 3, 5) => header.rows = self.count()?,
                (8, 5, 5) => header.def_levels = self.count()?,
                (8, 6, 5) => header.rep_levels = self.count()?,
                (8, 7, TRUE | FALSE) => header.is_compressed = kind == TRUE,
                (_, _, kind) => self.skip(kind, 0)?,
            }
        }
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.next)?;
        self.next += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i32> {
        let value = self.varint()?;
        let signed = (value >> 1).cast_signed() ^ -((value & 1).cast_signed());
        i32::try_from(signed).ok()
    }

    fn count(&mut self) -> Option<u32> {
        u32::try_from(self.int()?).ok()
    }

    /// The next field's kind; the inner none: the structure ends.
    #[expect(clippy::option_option, reason = "the outer one is the end of the bytes")]
    fn field(&mut self, id: &mut i16) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match byte >> 4 {
            0 => i16::try_from(self.int()?).ok()?,
            delta => id.checked_add(i16::from(delta))?,
        };
        Some(Some(byte & 0x0F))
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            TRUE | FALSE => {}
            3 => self.next += 1,
            4..=6 => {
                self.varint()?;
            }
            7 => self.next += 8,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.next = self.next.checked_add(length)?;
            }
            9 | 10 => {
                let byte = self.byte()?;
                let length = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
                for _ in 0..length {
                    // An element that is a boolean is a byte, unlike a field.
                    if matches!(byte & 0x0F, TRUE | FALSE) {
                        self.next += 1
                    } else {
                        self.skip(byte & 0x0F, depth + 1)?
                    }
                    if self.next > self.bytes.len() {
                        return None;
                    }
                }
            }
            STRUCT => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.skip(kind, depth + 1)?;
                }
            }
            _ => return None,
        }
        (self.next <= self.bytes.len()).then_some(())
    }
}
