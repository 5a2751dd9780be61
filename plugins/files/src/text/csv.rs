//! CSV.

use std::collections::HashSet;
use std::io::Read;

use super::opening::{END_FIELD, Guarded};
use super::{Allowance, Dialect, Place, Rows, Take, Value};
use crate::fault::Fault;

/// Rows of a CSV file.
pub struct CsvRows {
    reader: csv::Reader<Guarded>,
    allowance: Allowance,
    record: csv::ByteRecord,
    dialect: Dialect,
    names: Vec<String>,
    /// Bytes and lines before what the reader began with.
    base: (u64, u64),
    /// Lines end with CR and LF; the reader counts the second of them with the row that follows.
    carriage_returns: bool,
    /// A row that was read to find out how many columns there are.
    held: bool,
}

impl CsvRows {
    /// Begins a file: its header is read.
    ///
    /// # Errors
    /// A header that is none; those of the location.
    pub fn begin(text: impl Read + 'static, dialect: &Dialect) -> Result<Self, Fault> {
        let mut rows = Self::over(Box::new(text), dialect, Vec::new(), (0, 0));
        if rows.read()? {
            rows.carriage_returns = rows.ends_with_carriage_return();
            if rows.dialect.header {
                let mut names = Vec::with_capacity(rows.record.len());
                for (index, field) in rows.record.iter().enumerate() {
                    let name = std::str::from_utf8(field)
                        .map_err(|_| Fault::content(format!("line 1, field {}: {}", index + 1, no_utf8(field))))?;
                    names.push(name.trim().to_owned());
                }
                rows.names = distinct(names);
            } else {
                rows.names = (1..=rows.record.len()).map(|number| format!("column_{number}")).collect();
                rows.held = true;
            }
        }
        Ok(rows)
    }

    /// Goes on in a file whose columns are known: `text` begins `offset` bytes into it, on line `line`.
    pub fn resume(text: impl Read + 'static, begun: &Self, offset: u64, line: u64) -> Self {
        let mut rows =
            Self::over(Box::new(text), &begun.dialect, begun.names.clone(), (offset, line.saturating_sub(1)));
        rows.carriage_returns = begun.carriage_returns;
        rows
    }

    fn over(text: Box<dyn Read>, dialect: &Dialect, names: Vec<String>, base: (u64, u64)) -> Self {
        let allowance = Allowance::default();
        let reader = dialect.builder().from_reader(Guarded::new(text, allowance.clone()).with_end_row());
        Self {
            reader,
            allowance,
            record: csv::ByteRecord::new(),
            dialect: dialect.clone(),
            names,
            base,
            carriage_returns: false,
            held: false,
        }
    }

    fn read(&mut self) -> Result<bool, Fault> {
        self.allowance.renew();
        let line = self.base.1 + self.reader.position().line();
        let found = self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => match Fault::from(error) {
                Fault::Content(message) => Fault::content(format!("after line {line}: {message}")),
                location => location,
            },
            other => Fault::content(format!("line {line}: {other:?}")),
        })?;
        // One byte behind the text ends a last line that has no end of its own.
        let within = |length: u64| self.reader.position().byte() <= length + 1;
        if !found || self.reader.get_ref().length().is_none_or(within) {
            return Ok(found);
        }
        if self.record.len() == 1 && self.record.get(0) == Some(END_FIELD) {
            return Ok(false);
        }
        Err(Fault::content(format!(
            "after line {}: a quote is opened and never closed, so that the rest of the file is one value: mend the file, or set the \
             format's `quote`",
            line.saturating_sub(1) + u64::from(self.carriage_returns)
        )))
    }

    /// The line on which the row that was read begins: counted back from its end, since the reader counts empty lines before a row
    /// as the row's own.
    fn line(&self) -> u64 {
        let end = self.reader.position();
        let within = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let beyond_text = self.reader.get_ref().length().is_some_and(|length| end.byte() > length);
        let counted_end = u64::from(!self.carriage_returns || beyond_text);
        (self.base.1 + end.line()).saturating_sub(within + counted_end)
    }

    /// Whether the row that was read ends so: its bytes are counted, and the line's end is not yet.
    fn ends_with_carriage_return(&self) -> bool {
        self.reader.get_ref().first_line_ends_with_carriage_return()
    }
}

impl Rows for CsvRows {
    fn next(&mut self, take: &mut Take<'_>) -> Result<Option<Place>, Fault> {
        if !std::mem::take(&mut self.held) && !self.read()? {
            return Ok(None);
        }
        let line = self.line();
        if self.record.len() != self.names.len() {
            return Err(Fault::content(format!(
                "line {line} has {} fields, and the {} has {}: mend the line, or set the format's `delimiter` and `quote`",
                self.record.len(),
                if self.dialect.header { "header" } else { "first line" },
                self.names.len()
            )));
        }
        for (index, field) in self.record.iter().enumerate() {
            let text = std::str::from_utf8(field).map_err(|_| {
                Fault::content(format!("line {line}, column `{}`: {}", self.names[index], no_utf8(field)))
            })?;
            if text.contains('\0') {
                return Err(Fault::content(format!(
                    "line {line}, column `{}`: a NUL character: the file is damaged, or of another encoding than UTF-8",
                    self.names[index]
                )));
            }
            let value =
                if self.dialect.null_values.iter().any(|null| null == text) { Value::Null } else { Value::Text(text) };
            take(index, &self.names[index], value)?;
        }
        let end = self.reader.position();
        let byte = self.reader.get_ref().length().map_or(end.byte(), |length| length.min(end.byte()));
        Ok(Some(Place { line, end: self.base.0 + byte, next_line: self.base.1 + end.line() }))
    }

    fn names(&self) -> &[String] {
        &self.names
    }
}

fn no_utf8(field: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(field).chars().take(40).collect();
    format!("`{}` is no UTF-8: convert the file (`iconv -t utf-8`)", shown.escape_debug())
}

/// A name of each column: one that is there already gets a number, an empty one its place.
fn distinct(names: Vec<String>) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    let given: HashSet<String> = names.iter().cloned().collect();
    let mut result = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let base = if name.is_empty() { format!("column_{}", index + 1) } else { name.clone() };
        let mut candidate = base.clone();
        let mut number = 2;
        while taken.contains(&candidate) || (candidate != name && given.contains(&candidate)) {
            candidate = format!("{base}_{number}");
            number += 1;
        }
        taken.insert(candidate.clone());
        result.push(candidate);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect() -> Dialect {
        Dialect { delimiter: b',', quote: Some(b'"'), header: true, null_values: vec![String::new()] }
    }

    /// A line and its fields.
    type Row = (u64, Vec<Option<String>>);

    fn read(rows: &mut CsvRows) -> Result<Vec<Row>, String> {
        let mut all = Vec::new();
        loop {
            let mut row = Vec::new();
            let mut take = |_: usize, _: &str, value: Value<'_>| {
                row.push(match value {
                    Value::Text(text) => Some(text.to_owned()),
                    _ => None,
                });
                Ok(())
            };
            match rows.next(&mut take) {
                Ok(Some(place)) => all.push((place.line, row)),
                Ok(None) => return Ok(all),
                Err(Fault::Content(message)) => return Err(message),
                Err(other) => return Err(format!("{other:?}")),
            }
        }
    }

    fn rows(text: &'static [u8]) -> CsvRows {
        CsvRows::begin(text, &dialect()).unwrap()
    }

    fn shown(text: &'static [u8]) -> String {
        let mut rows = rows(text);
        let names = rows.names().join(",");
        match read(&mut rows) {
            Ok(all) => {
                let row = |(line, row): &Row| {
                    let fields: Vec<&str> = row.iter().map(|field| field.as_deref().unwrap_or("∅")).collect();
                    format!("{line}:{}", fields.join(","))
                };
                format!("{names} | {}", all.iter().map(row).collect::<Vec<_>>().join(" | "))
            }
            Err(message) => format!("{names} | {message}"),
        }
    }

    #[test]
    fn rows_are_read_with_their_lines() {
        for (text, expected) in [
            (&b"\xEF\xBB\xBFa,b\n1,2\n"[..], "a,b | 2:1,2"),
            (b"a,b\r\n1,2\r\n3,\r\n", "a,b | 2:1,2 | 3:3,∅"),
            (b"a,b\n\"x\ny\",2\n3,4", "a,b | 2:x\ny,2 | 4:3,4"),
            (b"a,b\r\n\"x\r\ny\",2\r\n3,4\r\n", "a,b | 2:x\r\ny,2 | 4:3,4"),
            (b"a,b\n\"say \"\"hi\"\"\",2\n", "a,b | 2:say \"hi\",2"),
            (b"a,b\n", "a,b | "),
            (b"", " | "),
            (b"a,a,,a\n1,2,3,4\n", "a,a_2,column_3,a_3 | 2:1,2,3,4"),
            (b"a,a_2,a\n1,2,3\n", "a,a_2,a_3 | 2:1,2,3"),
            ("naïve,Größe\nü,ö\n".as_bytes(), "naïve,Größe | 2:ü,ö"),
            (b"a,b\n\n1,2\n\n\n3,4", "a,b | 3:1,2 | 6:3,4"),
            (b"a,b\n\n1,\"x\n\ny\"\n\n3,4\n\n", "a,b | 3:1,x\n\ny | 7:3,4"),
            (b"a,b\r\n\r\n1,2\r\n\r\n\r\n3,4", "a,b | 3:1,2 | 6:3,4"),
            (b"a,b\r\n\r\n1,\"x\r\ny\"\r\n\r\n3,4\r\n", "a,b | 3:1,x\r\ny | 6:3,4"),
            (b"\n\na,b\n1,2\n", "a,b | 4:1,2"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_row_that_is_none_is_told_with_its_line() {
        for (text, expected) in [
            (&b"a,b\n1,2\n3\n"[..], "line 3 has 1 fields, and the header has 2"),
            (b"a,b\n1,2,3\n", "line 2 has 3 fields"),
            (b"a,b\n1,2\nx,\xFF\n", "line 3, column `b`: `\u{FFFD}` is no UTF-8"),
            (b"a,b\r\n1,2\r\nx\0,1\r\n", "line 3, column `a`: a NUL character"),
            (b"a,b\n\n1,2\n\n3\n", "line 5 has 1 fields"),
        ] {
            let found = shown(text);
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn a_file_goes_on_where_a_row_ended() {
        for text in [
            &b"a,b\r\n1,\"x\r\ny\"\r\n3,4\r\n5,6\r\n"[..],
            b"a,b\r\n\r\n1,\"x\r\ny\"\r\n\r\n\r\n3,4\r\n\r\n5,6",
            b"a,b\n\n1,\"x\ny\"\n\n\n3,4\n\n5,6",
        ] {
            let mut begun = rows(text);
            let whole = read(&mut rows(text)).unwrap();
            let mut seen = 0;
            while let Some(place) = begun.next(&mut |_, _, _| Ok(())).unwrap() {
                seen += 1;
                let rest = &text[usize::try_from(place.end).unwrap().min(text.len())..];
                let mut resumed = CsvRows::resume(rest, &begun, place.end, place.next_line);
                assert_eq!(read(&mut resumed).unwrap(), whole[seen..], "after row {seen}");
            }
            assert_eq!(seen, 3);
        }
    }

    #[test]
    fn without_a_header_columns_are_numbered() {
        let mut rows = CsvRows::begin(&b"1,2\n3,4\n"[..], &Dialect { header: false, ..dialect() }).unwrap();
        assert_eq!(rows.names(), ["column_1", "column_2"]);
        assert_eq!(read(&mut rows).unwrap().len(), 2);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told() {
        for text in [&b"a,b\n1,2\n3,\"4\n5,6\n7,8"[..], b"a,b\n1,2\n3,\"4\n5,6\n7,8\n", b"a,b\r\n1,2\r\n3,\"\r\n"] {
            let found = shown(text);
            assert!(found.contains("after line 2: a quote is opened and never closed"), "{found}");
        }
        assert_eq!(shown(b"a,b\n1,\"2\""), "a,b | 2:1,2");
        assert_eq!(shown(b"a,b\r\n1,\"2\"\r\n"), "a,b | 2:1,2");
        assert_eq!(
            shown(b"a\n\0"),
            "a | line 2, column `a`: a NUL character: the file is damaged, or of another encoding than UTF-8"
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_before_the_memory_does() {
        let endless = std::io::Read::chain(&b"a\n\""[..], std::io::repeat(b'x'));
        let mut rows = CsvRows::begin(endless, &dialect()).unwrap();
        let message = read(&mut rows).unwrap_err();
        assert!(message.contains("after line 2") && message.contains("quote"), "{message}");
    }
}
