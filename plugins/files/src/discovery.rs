//! `check`, `discover` and `provision`: what the files are, from a sample that is always the same for the same files.
//!
//! Up to [`FILES`] files are looked at, the first and the last by path among them and the others evenly between; of a text file the
//! first rows, of a Parquet file its footer. Columns are united by name, in the order in which they were met. What the sample does
//! not show, a sync finds: a column that is new is added, and a value that does not fit is an error with its place.

use std::collections::{BTreeMap, HashMap};
use std::mem::discriminant;

use asgard_sdk::connector::{Ingestion, StreamDescriptor, SyncMode};
use asgard_sdk::{Column, Error, Result, decode, encode};
use serde::{Deserialize, Serialize};

use crate::columns::file_columns;
use crate::configuration::{Configuration, Csv, Format, Stream};
use crate::fault::Fault;
use crate::inference::Inferred;
use crate::location::{self, Entry};
use crate::parquet;
use crate::text::{self, Dialect, Start};

/// Files that are looked at.
const FILES: usize = 10;

/// Of each text file: enough to see what its columns are, little enough to be read while somebody waits.
const SAMPLE_ROWS: u64 = 10_000;
const SAMPLE_BYTES: u64 = 1 << 20;

/// Of the first file, to find out what splits its fields.
const DIALECT_BYTES: usize = 64 << 10;

/// Finds the files of every stream.
///
/// # Errors
/// Those of the location; `invalid-input` with the stream that has no files.
pub fn check(configuration: &Configuration) -> Result<()> {
    for (index, stream) in configuration.streams.iter().enumerate() {
        if location::find(&configuration.location, &stream.files)?.is_empty() {
            return Err(Error::invalid(format!("config.streams[{index}].files"), no_files(configuration, stream)));
        }
    }
    Ok(())
}

/// What a stream without files is told.
pub(crate) fn no_files(configuration: &Configuration, stream: &Stream) -> String {
    format!(
        "no file of `{}` matches {}",
        location::place(&configuration.location),
        stream.files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(" or ")
    )
}

/// All streams with the columns that their files have.
///
/// # Errors
/// Those of the location that concern all streams: no grant, no credentials, not reachable now.
pub fn discover(configuration: &Configuration) -> Result<Vec<StreamDescriptor>> {
    configuration.streams.iter().map(|stream| described(configuration, stream)).collect()
}

fn described(configuration: &Configuration, stream: &Stream) -> Result<StreamDescriptor> {
    let (columns, unsupported) = match columns_of(configuration, stream) {
        Ok(columns) => (columns, None),
        Err(Error::InvalidInput(wrong)) => (Vec::new(), Some(wrong.message)),
        Err(error) => return Err(error),
    };
    let missing = stream.primary_key.iter().find(|key| !columns.iter().any(|column| column.name == **key));
    let unsupported = unsupported.or_else(|| {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        missing.map(|key| format!("the primary key has a column `{key}`, and the files have {}", names.join(", ")))
    });
    let mut sync_modes = Vec::new();
    if unsupported.is_none() {
        sync_modes.extend([
            SyncMode::FullRefreshOverwrite,
            SyncMode::FullRefreshAppend,
            SyncMode::IncrementalAppend,
            SyncMode::IncrementalMerge,
        ]);
    }
    Ok(StreamDescriptor {
        namespace: None,
        name: stream.name.clone(),
        columns,
        primary_key: stream.primary_key.clone(),
        sync_modes,
        // What is new is told by the files.
        cursor_columns: Vec::new(),
        estimated_rows: None,
        unsupported,
    })
}

fn columns_of(configuration: &Configuration, stream: &Stream) -> Result<Vec<Column>> {
    let found = location::find(&configuration.location, &stream.files)?;
    let format = common_format(configuration, stream, &found)?;
    let picked = picked(&found);
    let mut columns = match &format {
        Format::Parquet {} => columns_of_parquet(configuration, &picked)?,
        Format::Csv(_) | Format::Jsonl {} => columns_of_text(configuration, stream, &format, &picked)?,
    };
    for (name, data_type) in &stream.columns {
        match columns.iter_mut().find(|column| column.name == *name) {
            Some(column) => column.data_type.clone_from(data_type),
            None => columns.push(Column::new(name, data_type)),
        }
    }
    if columns.is_empty() {
        return Err(Error::invalid("config.streams", "the files have no columns: they are empty"));
    }
    for column in &mut columns {
        column.nullable = !stream.primary_key.contains(&column.name);
    }
    if stream.file_columns {
        for own in file_columns() {
            if columns.iter().any(|column| column.name == own.name) {
                let message = format!("the files have a column `{}` themselves: set `file_columns` to false", own.name);
                return Err(Error::invalid("config.streams", message));
            }
            columns.push(own);
        }
    }
    Ok(columns)
}

/// The format that all files have.
///
/// # Errors
/// `invalid-input` without files, or with files of several formats.
pub(crate) fn common_format(configuration: &Configuration, stream: &Stream, found: &[Entry]) -> Result<Format> {
    let Some(first) = found.first() else {
        return Err(Error::invalid("config.streams", no_files(configuration, stream)));
    };
    let format = stream.format_of(&first.path)?;
    for entry in found {
        if discriminant(&stream.format_of(&entry.path)?) != discriminant(&format) {
            return Err(Error::invalid(
                "config.streams",
                format!("`{}` and `{}` are of two formats: make two streams of them", first.path, entry.path),
            ));
        }
    }
    Ok(format)
}

/// The files that are looked at.
fn picked(found: &[Entry]) -> Vec<&Entry> {
    if found.len() <= FILES {
        return found.iter().collect();
    }
    (0..FILES).filter_map(|index| found.get(index * (found.len() - 1) / (FILES - 1))).collect()
}

fn columns_of_parquet(configuration: &Configuration, picked: &[&Entry]) -> Result<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    let mut first_with: HashMap<String, String> = HashMap::new();
    for entry in picked {
        let source = location::open(&configuration.location, entry)?;
        let file = parquet::File::open(source).map_err(|fault| fault.into_error(&entry.path))?;
        for found in file.columns() {
            match columns.iter_mut().find(|column| column.name == found.name) {
                None => {
                    first_with.insert(found.name.clone(), entry.path.clone());
                    columns.push(found.clone());
                }
                Some(known) => {
                    known.data_type = parquet::widest(&known.data_type, &found.data_type).ok_or_else(|| {
                        let other = first_with.get(&found.name).map_or("", String::as_str);
                        let message = format!(
                            "column `{}` is {} in `{other}` and {} in `{}`: make two streams of the files",
                            found.name, known.data_type, found.data_type, entry.path
                        );
                        Error::invalid("config.streams", message)
                    })?;
                }
            }
        }
    }
    Ok(columns)
}

fn columns_of_text(
    configuration: &Configuration,
    stream: &Stream,
    format: &Format,
    picked: &[&Entry],
) -> Result<Vec<Column>> {
    let dialect = dialect_of(configuration, stream, format, picked)?;
    let mut order: Vec<String> = Vec::new();
    let mut inferred: HashMap<String, Inferred> = HashMap::new();
    for entry in picked {
        let source = location::open(&configuration.location, entry)?;
        let compression = stream.compression_of(&entry.path);
        let mut look = || -> std::result::Result<(), Fault> {
            // Says what the bytes are where they are no text.
            text::sample(&source, compression, 8)?;
            let mut rows = text::open(&source, compression, format, &dialect, Start::default())?;
            let mut met: Vec<Inferred> = Vec::new();
            let mut count = 0;
            loop {
                let place = rows.next(&mut |index, _, value| {
                    if met.len() <= index {
                        met.resize(index + 1, Inferred::default());
                    }
                    if let Some(known) = met.get_mut(index) {
                        *known = known.with(Inferred::of(&value));
                    }
                    Ok(())
                })?;
                count += 1;
                if place.is_none_or(|place| place.end >= SAMPLE_BYTES) || count >= SAMPLE_ROWS {
                    break;
                }
            }
            for (index, name) in rows.names().iter().enumerate() {
                if !inferred.contains_key(name) {
                    order.push(name.clone());
                }
                let known = inferred.entry(name.clone()).or_default();
                *known = known.with(met.get(index).copied().unwrap_or_default());
            }
            Ok(())
        };
        look().map_err(|fault| fault.into_error(&entry.path))?;
    }
    Ok(order
        .into_iter()
        .map(|name| {
            let kind = inferred.get(&name).copied().unwrap_or_default().kind();
            Column::new(name, kind.to_string())
        })
        .collect())
}

/// How the text files of a stream are split: as configured, or as its first file shows.
pub(crate) fn dialect_of(
    configuration: &Configuration,
    stream: &Stream,
    format: &Format,
    picked: &[&Entry],
) -> Result<Dialect> {
    let csv = match format {
        Format::Csv(csv) => csv.clone(),
        Format::Jsonl {} | Format::Parquet {} => return Ok(Dialect::of(&Csv::default(), b"")),
    };
    let (None, Some(first)) = (&csv.delimiter, picked.first()) else { return Ok(Dialect::of(&csv, b"")) };
    let source = location::open(&configuration.location, first)?;
    let sample = text::sample(&source, stream.compression_of(&first.path), DIALECT_BYTES);
    Ok(Dialect::of(&csv, &sample.map_err(|fault| fault.into_error(&first.path))?))
}

/// How the text files of an ingestion's streams are split, by stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Dialects(BTreeMap<String, Dialect>);

impl Dialects {
    /// As an ingestion's handle.
    ///
    /// # Errors
    /// None that is known.
    pub fn write(&self) -> Result<Vec<u8>> {
        encode(self)
    }

    /// From an ingestion's handle.
    ///
    /// # Errors
    /// `internal` for a handle of another making.
    pub fn read(handle: Option<&[u8]>) -> Result<Self> {
        handle.map_or_else(|| Ok(Self::default()), decode)
    }

    /// Of a stream.
    pub fn of(&self, stream: &str) -> Option<&Dialect> {
        self.0.get(stream)
    }
}

/// Finds out how an ingestion's text files are split.
///
/// # Errors
/// Those of the location.
pub fn dialects(ingestion: &Ingestion) -> Result<Dialects> {
    let configuration = Configuration::of(&ingestion.source)?;
    let mut dialects = Dialects::default();
    for selection in &ingestion.streams {
        let Some(stream) = configuration.stream(&selection.name) else { continue };
        let found = location::find(&configuration.location, &stream.files)?;
        if found.is_empty() {
            continue;
        }
        let format = common_format(&configuration, stream, &found)?;
        if matches!(format, Format::Csv(_)) {
            let dialect = dialect_of(&configuration, stream, &format, &picked(&found))?;
            dialects.0.insert(stream.name.clone(), dialect);
        }
    }
    Ok(dialects)
}
