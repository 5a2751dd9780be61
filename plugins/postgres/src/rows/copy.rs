//! The binary format of COPY.
//!
//! A server sends a row a message, and a message is decoded where it lies. The protocol allows any other cut as well (a
//! pooler between may make one), so what does not end at a row's end is kept until the rest comes.

use super::batch::{Batch, ColumnFault};
use super::fault::Fault;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags, length of an extension.
const HEADER: usize = 19;

/// Reads one COPY.
#[derive(Debug, Default)]
pub struct CopyReader {
    /// What came of a row, or of the header, that is not whole yet.
    kept: Vec<u8>,
    begun: bool,
    ended: bool,
}

impl CopyReader {
    /// Takes what a message brought. Rows go into the batch; it may become a little more than full.
    ///
    /// # Errors
    /// The column with a value that cannot be taken; the rest of the COPY is of no use then.
    pub fn feed(&mut self, data: &[u8], batch: &mut Batch) -> Result<(), ColumnFault> {
        if self.kept.is_empty() {
            let used = self.consume(data, batch)?;
            self.kept.extend_from_slice(&data[used..]);
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(data);
        let used = self.consume(&kept, batch)?;
        kept.drain(..used);
        self.kept = kept;
        Ok(())
    }

    /// The trailer came: no row is missing.
    pub fn is_complete(&self) -> bool {
        self.ended && self.kept.is_empty()
    }

    /// How many bytes were whole.
    fn consume(&mut self, data: &[u8], batch: &mut Batch) -> Result<usize, ColumnFault> {
        let mut used = 0;
        if !self.begun {
            let Some(length) = header_length(data)? else { return Ok(0) };
            used = length;
            self.begun = true;
        }
        while let Some((count, fields)) = data[used..].split_first_chunk::<2>() {
            let count = i16::from_be_bytes(*count);
            if count == -1 {
                self.ended = true;
                return Ok(used + 2);
            }
            if self.ended || usize::try_from(count) != Ok(batch.width()) {
                return Err(whole_row(Fault::ColumnCount(count)));
            }
            let Some(length) = row_length(fields, batch.width()) else { break };
            batch.push(&fields[..length])?;
            used += 2 + length;
        }
        Ok(used)
    }
}

fn whole_row(fault: Fault) -> ColumnFault {
    ColumnFault { column: String::new(), fault }
}

/// None while it is not whole.
fn header_length(data: &[u8]) -> Result<Option<usize>, ColumnFault> {
    let Some(header) = data.first_chunk::<HEADER>() else { return Ok(None) };
    if !header.starts_with(SIGNATURE) {
        return Err(whole_row(Fault::Malformed));
    }
    let extension = u32::from_be_bytes([header[15], header[16], header[17], header[18]]) as usize;
    Ok(Some(HEADER + extension).filter(|length| *length <= data.len()))
}

/// The length of a row's fields; none while they are not whole.
fn row_length(fields: &[u8], width: usize) -> Option<usize> {
    let mut at = 0_usize;
    for _ in 0..width {
        let length = fields.get(at..)?.first_chunk::<4>()?;
        at += 4 + usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
    }
    (at <= fields.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow_array::RecordBatch;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_ipc::reader::StreamReader;

    use super::super::batch::ColumnPlan;
    use super::*;
    use crate::types::Kind;

    /// `COPY (VALUES (1, 'a'), (2, null)) TO STDOUT (FORMAT binary)`, as a server sent it.
    const RECORDED: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\
        \0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x01a\
        \0\x02\0\0\0\x04\0\0\0\x02\xff\xff\xff\xff\
        \xff\xff";

    fn batch() -> Batch {
        let plan = |name: &str, kind| ColumnPlan { name: name.to_owned(), kind, nullable: true, key: false };
        Batch::new(vec![plan("id", Kind::Int32), plan("name", Kind::Text)])
    }

    fn read(ipc: Vec<u8>) -> RecordBatch {
        StreamReader::try_new(Cursor::new(ipc), None).unwrap().next().unwrap().unwrap()
    }

    #[test]
    fn rows_are_the_same_however_the_messages_cut_them() {
        for piece in 1..=RECORDED.len() {
            let (mut reader, mut batch) = (CopyReader::default(), batch());
            for data in RECORDED.chunks(piece) {
                assert!(!reader.is_complete());
                reader.feed(data, &mut batch).unwrap();
            }
            assert!(reader.is_complete());
            let rows = read(batch.take().unwrap());
            assert_eq!(rows.column_by_name("id").unwrap().as_primitive::<Int32Type>().values().to_vec(), [1, 2]);
            let names: Vec<_> = rows.column_by_name("name").unwrap().as_string::<i32>().iter().collect();
            assert_eq!(names, [Some("a"), None]);
        }
    }

    #[test]
    fn a_copy_without_its_trailer_is_not_complete() {
        let (mut reader, mut batch) = (CopyReader::default(), batch());
        reader.feed(&RECORDED[..RECORDED.len() - 2], &mut batch).unwrap();
        assert_eq!(batch.rows(), 2);
        assert!(!reader.is_complete());
    }

    #[test]
    fn a_value_of_another_type_names_its_column() {
        let plan = |name: &str, kind| ColumnPlan { name: name.to_owned(), kind, nullable: true, key: false };
        let mut batch = Batch::new(vec![plan("id", Kind::Int64), plan("name", Kind::Text)]);
        let fault = CopyReader::default().feed(RECORDED, &mut batch).unwrap_err();
        assert_eq!((fault.column.as_str(), fault.fault), ("id", Fault::Malformed));
        let mut narrow = Batch::new(vec![plan("id", Kind::Int32)]);
        let fault = CopyReader::default().feed(RECORDED, &mut narrow).unwrap_err();
        assert_eq!(fault.fault, Fault::ColumnCount(2));
    }
}
