//! What splits the fields of a CSV file.

use serde::{Deserialize, Serialize};

use crate::configuration::Csv;

/// In the order in which they are preferred.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Lines that are looked at.
const LINES: usize = 100;

/// How a CSV file is split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    pub delimiter: u8,
    /// None: no field is quoted.
    pub quote: Option<u8>,
    pub header: bool,
    pub null_values: Vec<String>,
}

impl Dialect {
    /// As configured; what the configuration leaves open is found in a `sample` of the text.
    pub fn of(csv: &Csv, sample: &[u8]) -> Self {
        let quote = csv.quote.bytes().next();
        let delimiter = csv.delimiter.as_ref().and_then(|text| text.bytes().next());
        Self {
            delimiter: delimiter.unwrap_or_else(|| sniff(sample, quote)),
            quote,
            header: csv.header,
            null_values: csv.null_values.clone(),
        }
    }

    /// A reader's settings.
    pub(super) fn builder(&self) -> csv::ReaderBuilder {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.delimiter).buffer_capacity(64 << 10);
        match self.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        builder
    }
}

/// The delimiter that splits the rows of a sample into the same number of fields, two at least; of several the one that makes the
/// most fields. A comma where none does.
pub fn sniff(sample: &[u8], quote: Option<u8>) -> u8 {
    let mut best = (0, b',');
    for delimiter in DELIMITERS {
        let dialect = Dialect { delimiter, quote, header: false, null_values: Vec::new() };
        let mut widths = Vec::new();
        for record in dialect.builder().from_reader(sample).byte_records().take(LINES) {
            match record {
                Ok(record) => widths.push(record.len()),
                Err(_) => break,
            }
        }
        // The sample may end within a row.
        if widths.len() > 1 && !sample.ends_with(b"\n") {
            widths.pop();
        }
        let Some(first) = widths.first().copied() else { continue };
        if first > 1 && widths.iter().all(|width| *width == first) && first > best.0 {
            best = (first, delimiter);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_splits_all_rows_alike() {
        for (text, delimiter) in [
            ("a,b\n1,2\n", b','),
            ("a;b\n1,5;2,5\n", b';'),
            ("a\tb\tc\n1\t2\t3\n", b'\t'),
            ("a|b\n\"x|y\"|2\n", b'|'),
            ("a\n1\n", b','),
            ("name;note\nx;\"a, b, c\"\n", b';'),
            ("a,b\n1,2,3\n", b','),
            ("", b','),
        ] {
            assert_eq!(char::from(sniff(text.as_bytes(), Some(b'"'))), char::from(delimiter), "{text:?}");
        }
    }
}
