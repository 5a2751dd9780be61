//! pgoutput's messages, protocol version 1, as far as changes need them.

use super::Lsn;
use crate::types::Oid;

/// One step of a transaction. Values lie in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogMessage<'a> {
    /// A transaction that committed at this position begins.
    Begin {
        commit: Lsn,
    },
    /// It ends; the log goes on at this position.
    Commit {
        end: Lsn,
    },
    /// What a table looks like for the changes that follow.
    Relation(Relation),
    Insert {
        table: Oid,
        new: Tuple<'a>,
    },
    Update {
        table: Oid,
        old: Option<Tuple<'a>>,
        new: Tuple<'a>,
    },
    Delete {
        table: Oid,
        old: Tuple<'a>,
    },
    Truncate {
        tables: Vec<Oid>,
    },
    /// Origins, types and messages of applications.
    Other,
}

/// A table as it was when the changes were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub table: Oid,
    pub columns: Vec<RelationColumn>,
}

/// A column of [`Relation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationColumn {
    pub name: String,
    pub data_type: Oid,
    pub modifier: i32,
}

/// A row, one value for each of the relation's columns.
pub type Tuple<'a> = Vec<Value<'a>>;

/// A value in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    /// A large value that the update left alone, and that the log does not repeat.
    Unchanged,
    Text(&'a [u8]),
}

/// Reads a message; none for one that has another form.
pub fn parse(message: &[u8]) -> Option<LogMessage<'_>> {
    let (tag, rest) = message.split_first()?;
    let mut fields = Fields(rest);
    Some(match tag {
        b'B' => LogMessage::Begin { commit: fields.lsn()? },
        b'C' => {
            let (_flags, _commit) = (fields.byte()?, fields.lsn()?);
            LogMessage::Commit { end: fields.lsn()? }
        }
        b'R' => LogMessage::Relation(fields.relation()?),
        b'I' => {
            let table = fields.oid()?;
            fields.expect(b'N')?;
            LogMessage::Insert { table, new: fields.tuple()? }
        }
        b'U' => {
            let table = fields.oid()?;
            let mut mark = fields.byte()?;
            let old = if matches!(mark, b'K' | b'O') {
                let old = fields.tuple()?;
                mark = fields.byte()?;
                Some(old)
            } else {
                None
            };
            if mark != b'N' {
                return None;
            }
            LogMessage::Update { table, old, new: fields.tuple()? }
        }
        b'D' => {
            let (table, _key_or_whole) = (fields.oid()?, fields.byte()?);
            LogMessage::Delete { table, old: fields.tuple()? }
        }
        b'T' => {
            let (count, _options) = (fields.oid()?, fields.byte()?);
            LogMessage::Truncate { tables: (0..count).map(|_| fields.oid()).collect::<Option<_>>()? }
        }
        _ => LogMessage::Other,
    })
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn expect(&mut self, mark: u8) -> Option<()> {
        (self.byte()? == mark).then_some(())
    }

    fn oid(&mut self) -> Option<Oid> {
        self.take().map(u32::from_be_bytes)
    }

    fn lsn(&mut self) -> Option<Lsn> {
        self.take().map(|bytes| Lsn(u64::from_be_bytes(bytes)))
    }

    fn text(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        Some(text)
    }

    fn relation(&mut self) -> Option<Relation> {
        let table = self.oid()?;
        let (_schema, _name, _identity) = (self.text()?, self.text()?, self.byte()?);
        let count = u16::from_be_bytes(self.take()?);
        let columns = (0..count).map(|_| {
            let _is_key = self.byte()?;
            let (name, data_type) = (self.text()?, self.oid()?);
            Some(RelationColumn { name, data_type, modifier: i32::from_be_bytes(self.take()?) })
        });
        Some(Relation { table, columns: columns.collect::<Option<_>>()? })
    }

    fn tuple(&mut self) -> Option<Tuple<'a>> {
        let count = u16::from_be_bytes(self.take()?);
        let mut tuple = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            tuple.push(match self.byte()? {
                b'n' => Value::Null,
                b'u' => Value::Unchanged,
                b't' => {
                    let length = u32::from_be_bytes(self.take()?) as usize;
                    let (value, rest) = self.0.split_at_checked(length)?;
                    self.0 = rest;
                    Value::Text(value)
                }
                _ => return None,
            });
        }
        Some(tuple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_a_server_sends_them() {
        let update = b"U\0\0\x40\0K\0\x02t\0\0\0\x011nN\0\x02t\0\0\0\x012u";
        let expected = LogMessage::Update {
            table: 0x4000,
            old: Some(vec![Value::Text(b"1"), Value::Null]),
            new: vec![Value::Text(b"2"), Value::Unchanged],
        };
        assert_eq!(parse(update), Some(expected));
        let relation = b"R\0\0\x40\0public\0t\0d\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff";
        let column = RelationColumn { name: "id".to_owned(), data_type: 23, modifier: -1 };
        assert_eq!(parse(relation), Some(LogMessage::Relation(Relation { table: 0x4000, columns: vec![column] })));
        let truncate = b"T\0\0\0\x02\0\0\0\x40\0\0\0\x40\x01";
        assert_eq!(parse(truncate), Some(LogMessage::Truncate { tables: vec![0x4000, 0x4001] }));
        let commit = b"C\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0";
        assert_eq!(parse(commit), Some(LogMessage::Commit { end: Lsn(2) }));
    }

    #[test]
    fn a_message_that_is_cut_is_none() {
        let update = b"U\0\0\x40\0N\0\x02t\0\0\0\x012u";
        for length in 0..update.len() {
            assert_eq!(parse(&update[..length]), None, "{length}");
        }
    }
}
