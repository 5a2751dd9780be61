//! Properties of a table that mean something to its readers and writers, and which values they take.
//!
//! Other programs read them, and one that cannot read a value refuses the table or writes it wrongly. So a value that none could read
//! is refused where it is set. Names that are not here are anybody's. Source: Iceberg's documentation, "Configuration".

use asgard_contract::{Error, Result};

/// What a property takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A whole number from this on.
    Number(u64),
    Flag,
    OneOf(&'static [&'static str]),
    /// Of the metadata itself: not set by hand.
    Nothing,
}

const MODES: Takes = Takes::OneOf(&["copy-on-write", "merge-on-read"]);
const ISOLATION: Takes = Takes::OneOf(&["serializable", "snapshot"]);
const PARQUET: Takes = Takes::OneOf(&["parquet"]);

const KNOWN: [(&str, Takes); 38] = [
    ("format-version", Takes::Nothing),
    ("uuid", Takes::Nothing),
    ("snapshot-count", Takes::Nothing),
    ("current-snapshot-id", Takes::Nothing),
    ("current-snapshot-summary", Takes::Nothing),
    ("current-snapshot-timestamp-ms", Takes::Nothing),
    ("current-schema", Takes::Nothing),
    ("default-partition-spec", Takes::Nothing),
    ("default-sort-order", Takes::Nothing),
    ("write.target-file-size-bytes", Takes::Number(1)),
    ("write.delete.target-file-size-bytes", Takes::Number(1)),
    ("write.parquet.row-group-size-bytes", Takes::Number(1)),
    ("write.parquet.page-size-bytes", Takes::Number(1)),
    ("write.parquet.page-row-limit", Takes::Number(1)),
    ("write.parquet.dict-size-bytes", Takes::Number(1)),
    ("write.metadata.previous-versions-max", Takes::Number(1)),
    ("commit.retry.num-retries", Takes::Number(0)),
    ("commit.retry.min-wait-ms", Takes::Number(0)),
    ("commit.retry.max-wait-ms", Takes::Number(0)),
    ("commit.retry.total-timeout-ms", Takes::Number(0)),
    ("commit.manifest.target-size-bytes", Takes::Number(1)),
    ("commit.manifest.min-count-to-merge", Takes::Number(1)),
    ("history.expire.max-snapshot-age-ms", Takes::Number(0)),
    ("history.expire.min-snapshots-to-keep", Takes::Number(1)),
    ("read.split.target-size", Takes::Number(1)),
    ("commit.manifest-merge.enabled", Takes::Flag),
    ("gc.enabled", Takes::Flag),
    ("write.metadata.delete-after-commit.enabled", Takes::Flag),
    ("write.object-storage.enabled", Takes::Flag),
    ("write.parquet.compression-codec", Takes::OneOf(&["zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"])),
    ("write.metadata.compression-codec", Takes::OneOf(&["none", "gzip"])),
    ("write.distribution-mode", Takes::OneOf(&["none", "hash", "range"])),
    ("write.format.default", PARQUET),
    ("write.delete.format.default", PARQUET),
    ("write.delete.mode", MODES),
    ("write.update.mode", MODES),
    ("write.merge.mode", MODES),
    ("write.delete.isolation-level", ISOLATION),
];

/// Whether a table can have the property with this value.
///
/// # Errors
/// `invalid-input` with what it takes.
pub(crate) fn check(name: &str, value: &str) -> Result<()> {
    let Some((_, takes)) = KNOWN.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    let expected = match takes {
        Takes::Nothing => {
            return Err(refused(format!("`{name}` is a part of the table itself: it is not set by hand")));
        }
        Takes::Number(least) if value.parse::<i64>().is_ok_and(|number| number >= 0 && number as u64 >= *least) => {
            return Ok(());
        }
        Takes::Number(least) => format!("a whole number from {least} on"),
        Takes::Flag if ["true", "false"].contains(&value.to_lowercase().as_str()) => return Ok(()),
        Takes::Flag => "`true` or `false`".to_owned(),
        Takes::OneOf(["parquet"]) if !value.eq_ignore_ascii_case("parquet") => {
            return Err(refused(format!("property `{name}` is `{value}`: only Parquet is read here")));
        }
        Takes::OneOf(values) if values.contains(&value.to_lowercase().as_str()) => return Ok(()),
        Takes::OneOf(values) => format!("one of {}", values.join(", ")),
    };
    Err(refused(format!("property `{name}` is `{value}`: expected {expected}")))
}

fn refused(message: String) -> Error {
    Error::InvalidInput { field: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_writer_could_read_is_refused_with_what_is_expected() {
        for (name, value, told) in [
            ("write.target-file-size-bytes", "large", Some("a whole number from 1 on")),
            ("write.target-file-size-bytes", "0", Some("from 1 on")),
            ("write.target-file-size-bytes", "99999999999999999999", Some("a whole number")),
            ("write.target-file-size-bytes", "1048576", None),
            ("commit.retry.num-retries", "0", None),
            ("write.parquet.compression-codec", "ZSTD", None),
            ("write.parquet.compression-codec", "rar", Some("one of zstd, snappy")),
            ("gc.enabled", "yes", Some("`true` or `false`")),
            ("format-version", "3", Some("not set by hand")),
            ("owner", "anybody", None),
        ] {
            let found = check(name, value).err().map(|error| error.to_string());
            match told {
                None => assert_eq!(found, None),
                Some(told) => assert!(found.as_ref().is_some_and(|found| found.contains(told)), "{name}: {found:?}"),
            }
        }
    }
}
