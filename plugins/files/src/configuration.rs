//! What a source of type `files` is configured with. The host has checked it against `schema.json` and filled in the defaults.

use std::collections::{BTreeMap, HashSet};

use asgard_sdk::connector::Source;
use asgard_sdk::{Error, Result};
use serde::Deserialize;

use crate::values::Kind;

/// The JSON Schema of the configuration.
pub const SCHEMA: &str = include_str!("schema.json");

/// Names of the columns that tell where a row comes from.
pub const FILE_COLUMN: &str = "_file";
/// See [`FILE_COLUMN`].
pub const LINE_COLUMN: &str = "_line";

/// A source's configuration.
#[derive(Debug, Clone, Deserialize)]
pub struct Configuration {
    pub location: Location,
    pub streams: Vec<Stream>,
}

/// Where the files are. Secrets are references, `secret://NAME`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "provider", rename_all = "snake_case")]
pub enum Location {
    Local { folder: String },
    S3(S3),
    Http(Http),
}

/// A bucket.
#[derive(Debug, Clone, Deserialize)]
pub struct S3 {
    pub bucket: String,
    #[serde(default)]
    pub prefix: String,
    pub endpoint: Option<String>,
    #[serde(default = "default_region")]
    pub region: String,
    pub path_style: Option<bool>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub session_token: Option<String>,
}

/// Web servers.
#[derive(Debug, Clone, Deserialize)]
pub struct Http {
    pub base_url: Option<String>,
    pub bearer_token: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
}

/// Files that become one table.
#[derive(Debug, Clone, Deserialize)]
pub struct Stream {
    pub name: String,
    /// Globs, or URLs.
    pub files: Vec<String>,
    pub format: Option<Format>,
    #[serde(default)]
    pub compression: Compression,
    #[serde(default)]
    pub primary_key: Vec<String>,
    /// Column to type.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
    #[serde(default)]
    pub file_columns: bool,
}

/// How the files are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Format {
    Csv(Csv),
    Jsonl {},
    Parquet {},
}

/// The form of CSV.
#[derive(Debug, Clone, Deserialize)]
pub struct Csv {
    pub delimiter: Option<String>,
    #[serde(default = "default_quote")]
    pub quote: String,
    #[serde(default = "default_header")]
    pub header: bool,
    #[serde(default = "default_nulls")]
    pub null_values: Vec<String>,
}

impl Default for Csv {
    fn default() -> Self {
        Self { delimiter: None, quote: default_quote(), header: default_header(), null_values: default_nulls() }
    }
}

/// Of a whole text file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    #[default]
    Auto,
    None,
    Gzip,
    Zstd,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_quote() -> String {
    "\"".to_owned()
}

fn default_header() -> bool {
    true
}

fn default_nulls() -> Vec<String> {
    vec![String::new()]
}

impl Configuration {
    /// Reads a source's configuration, and checks what its schema cannot say.
    ///
    /// # Errors
    /// `invalid-input` naming what does not fit.
    pub fn of(source: &Source) -> Result<Self> {
        Self::parse(&source.configuration)
    }

    /// As [`Configuration::of`], from its JSON.
    ///
    /// # Errors
    /// `invalid-input` naming what does not fit.
    pub fn parse(text: &str) -> Result<Self> {
        let configuration: Self = serde_json::from_str(text)
            .map_err(|error| Error::invalid("config", format!("the configuration does not fit: {error}")))?;
        configuration.location.check()?;
        let mut names = HashSet::new();
        for (index, stream) in configuration.streams.iter().enumerate() {
            if !names.insert(&stream.name) {
                let message = format!("there are two streams `{}`: give one of them another name", stream.name);
                return Err(Error::invalid(format!("config.streams[{index}].name"), message));
            }
            stream.check(&format!("config.streams[{index}]"))?;
        }
        Ok(configuration)
    }

    /// The stream of this name.
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name == name)
    }
}

impl Location {
    fn check(&self) -> Result<()> {
        let together = |field: &str, other: &str| {
            Err(Error::invalid(format!("config.location.{field}"), format!("`{field}` is missing: `{other}` needs it")))
        };
        match self {
            Self::Local { .. } => Ok(()),
            Self::S3(s3) => match (&s3.access_key_id, &s3.secret_access_key, &s3.session_token) {
                (Some(_), None, _) => together("secret_access_key", "access_key_id"),
                (None, Some(_), _) => together("access_key_id", "secret_access_key"),
                (None, None, Some(_)) => together("access_key_id", "session_token"),
                _ => Ok(()),
            },
            Self::Http(http) => match (&http.username, &http.password, &http.bearer_token) {
                (Some(_), None, _) => together("password", "username"),
                (None, Some(_), _) => together("username", "password"),
                (Some(_), _, Some(_)) => Err(Error::invalid(
                    "config.location.bearer_token",
                    "a request has one credential: leave out `bearer_token`, or `username` and `password`",
                )),
                _ => Ok(()),
            },
        }
    }
}

impl Stream {
    fn check(&self, field: &str) -> Result<()> {
        if matches!(self.format, Some(Format::Parquet {})) && !self.columns.is_empty() {
            return Err(Error::invalid(
                format!("{field}.columns"),
                "Parquet files know the types of their columns: leave `columns` out",
            ));
        }
        for (column, data_type) in &self.columns {
            if Kind::parse(data_type).is_none() {
                return Err(Error::invalid(
                    format!("{field}.columns.{column}"),
                    format!("`{data_type}` is no type of a column of text files: expected {}", Kind::EXPECTED),
                ));
            }
        }
        Ok(())
    }

    /// The type that the configuration gives a column.
    pub fn kind_of(&self, column: &str) -> Option<Kind> {
        self.columns.get(column).and_then(|text| Kind::parse(text))
    }

    /// The format of the files, of which this is one.
    ///
    /// # Errors
    /// `invalid-input` where neither the configuration nor the name tells it.
    pub fn format_of(&self, file: &str) -> Result<Format> {
        if let Some(format) = &self.format {
            return Ok(format.clone());
        }
        let name = file.split(['?', '#']).next().unwrap_or(file).to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => Ok(Format::Csv(Csv::default())),
            Some("tsv") => Ok(Format::Csv(Csv { delimiter: Some("\t".to_owned()), ..Csv::default() })),
            Some("jsonl" | "ndjson" | "json") => Ok(Format::Jsonl {}),
            Some("parquet") => Ok(Format::Parquet {}),
            _ => Err(Error::invalid(
                "config.streams",
                format!(
                    "stream `{}`: the name `{file}` does not tell the format: set the stream's `format`",
                    self.name
                ),
            )),
        }
    }

    /// How a file is compressed.
    pub fn compression_of(&self, file: &str) -> Compression {
        match self.compression {
            Compression::Auto => {
                let name = file.split(['?', '#']).next().unwrap_or(file).to_ascii_lowercase();
                if name.ends_with(".gz") {
                    Compression::Gzip
                } else if name.ends_with(".zst") {
                    Compression::Zstd
                } else {
                    Compression::None
                }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<String> {
        match Configuration::parse(text) {
            Err(Error::InvalidInput(wrong)) => wrong.field,
            _ => None,
        }
    }

    #[test]
    fn what_the_schema_cannot_say_is_refused_with_its_field() {
        let local = r#"{"provider":"local","folder":"files"}"#;
        for (location, streams, field) in [
            (r#"{"provider":"s3","bucket":"b","access_key_id":"a"}"#, "[]", "config.location.secret_access_key"),
            (
                r#"{"provider":"s3","bucket":"b","secret_access_key":"secret://s"}"#,
                "[]",
                "config.location.access_key_id",
            ),
            (r#"{"provider":"http","username":"u"}"#, "[]", "config.location.password"),
            (local, r#"[{"name":"a","files":["a"]},{"name":"a","files":["b"]}]"#, "config.streams[1].name"),
            (local, r#"[{"name":"a","files":["a"],"columns":{"x":"varchar"}}]"#, "config.streams[0].columns.x"),
            (
                local,
                r#"[{"name":"a","files":["a"],"format":{"type":"parquet"},"columns":{"x":"long"}}]"#,
                "config.streams[0].columns",
            ),
        ] {
            let text = format!(r#"{{"location":{location},"streams":{streams}}}"#);
            assert_eq!(refused(&text).as_deref(), Some(field), "{text}");
        }
    }

    #[test]
    fn names_of_files_tell_format_and_compression() {
        let stream = Configuration::parse(
            r#"{"location":{"provider":"local","folder":"f"},"streams":[{"name":"a","files":["a"]}]}"#,
        )
        .unwrap()
        .streams
        .remove(0);
        for (file, format, compression) in [
            ("a/b.CSV", "Csv", Compression::None),
            ("a.tsv.gz", "Csv", Compression::Gzip),
            ("https://h/x.jsonl.zst?a=b.csv", "Jsonl", Compression::Zstd),
            ("part-0.parquet", "Parquet", Compression::None),
        ] {
            let found = format!("{:?}", stream.format_of(file).unwrap());
            assert!(found.starts_with(format), "{file}: {found}");
            assert_eq!(stream.compression_of(file), compression, "{file}");
        }
        assert!(stream.format_of("README").is_err());
    }
}
