//! One file, batch by batch.

use std::sync::Arc;

use asgard_sdk::{Column, Result};

use super::checkpoint::Position;
use crate::columns::{self, Batch, Slot};
use crate::configuration::{Configuration, Format, Stream};
use crate::fault::Fault;
use crate::location::{self, Entry, Source};
use crate::parquet;
use crate::text::{self, Dialect, Place, Rows, Start};

/// A file that is being read.
pub(super) struct Reading {
    pub(super) entry: Entry,
    source: Arc<dyn Source>,
    form: Form,
}

enum Form {
    Text { rows: Box<dyn Rows>, place: Option<Place>, ended: bool },
    Parquet(Box<parquet::File>),
}

/// What a file gives.
pub(super) enum Piece {
    Rows {
        /// All columns of the stream, where some are new.
        evolved: Option<Vec<Column>>,
        data: Vec<u8>,
        rows: u64,
        bytes: u64,
    },
    /// Nothing this time.
    Nothing,
    End,
}

/// What reading needs of the stream.
pub(super) struct Needs<'a> {
    pub(super) stream: &'a Stream,
    pub(super) columns: &'a [Column],
    pub(super) primary_key: &'a [String],
}

impl Reading {
    pub(super) fn open(
        configuration: &Configuration,
        stream: &Stream,
        format: &Format,
        dialect: &Dialect,
        entry: Entry,
        position: Option<Position>,
    ) -> Result<Self> {
        let source = location::open(&configuration.location, &entry)?;
        let form = Self::form(stream, format, dialect, &entry, &source, position);
        let form = form.map_err(|fault| fault.into_error(&entry.path))?;
        Ok(Self { entry, source, form })
    }

    fn form(
        stream: &Stream,
        format: &Format,
        dialect: &Dialect,
        entry: &Entry,
        source: &Arc<dyn Source>,
        position: Option<Position>,
    ) -> std::result::Result<Form, Fault> {
        if matches!(format, Format::Parquet {}) {
            let mut file = parquet::File::open(Arc::clone(source))?;
            if let Some(Position::RowGroup(group)) = position {
                file.skip_to(group);
            }
            return Ok(Form::Parquet(Box::new(file)));
        }
        let compression = stream.compression_of(&entry.path);
        let start = match position {
            Some(Position::Text { offset, line }) => Start { offset, line },
            _ => {
                // Says what the bytes are where they are no text.
                text::sample(source, compression, 8)?;
                Start::default()
            }
        };
        let rows = text::open(source, compression, format, dialect, start)?;
        Ok(Form::Text { rows, place: None, ended: false })
    }

    /// The next rows.
    pub(super) fn next(&mut self, needs: &Needs<'_>) -> Result<Piece> {
        let read = match &mut self.form {
            Form::Text { rows, place, ended } => text_rows(rows.as_mut(), place, ended, &self.entry.path, needs),
            Form::Parquet(file) => parquet_rows(file, &self.entry.path, needs),
        };
        read.map_err(|fault| fault.into_error(&self.entry.path))
    }

    /// Where reading may go on; none where it may not.
    pub(super) fn position(&self) -> Option<Position> {
        match &self.form {
            Form::Text { place, .. } => place.map(|place| Position::Text { offset: place.end, line: place.next_line }),
            Form::Parquet(file) => file.between_groups().map(Position::RowGroup),
        }
    }

    pub(super) fn prove_unchanged(&self) -> Result<()> {
        self.source.prove_unchanged()
    }
}

fn text_rows(
    rows: &mut dyn Rows,
    reached: &mut Option<Place>,
    ended: &mut bool,
    path: &str,
    needs: &Needs<'_>,
) -> std::result::Result<Piece, Fault> {
    if *ended {
        return Ok(Piece::End);
    }
    let mut batch = Batch::new(needs.columns, needs.stream, needs.primary_key);
    let mut slots: Vec<Option<Slot>> = Vec::new();
    while !batch.is_full() {
        let mut unfit: Option<String> = None;
        let place = rows.next(&mut |index, name, value| {
            if slots.len() <= index {
                slots.resize(index + 1, None);
            }
            let slot = match slots.get(index).copied().flatten() {
                Some(slot) => slot,
                None => {
                    let slot = batch.slot(name, needs.stream)?;
                    if let Some(kept) = slots.get_mut(index) {
                        *kept = Some(slot);
                    }
                    slot
                }
            };
            if let Err(message) = batch.set(slot, &value) {
                unfit.get_or_insert(message);
            }
            Ok(())
        })?;
        let Some(place) = place else {
            *ended = true;
            break;
        };
        if unfit.is_none() {
            unfit = batch.end_row(path, place.line).err();
        }
        if let Some(message) = unfit {
            return Err(Fault::content(format!("line {}: {message}", place.line)));
        }
        *reached = Some(place);
    }
    if batch.rows() == 0 {
        return Ok(Piece::End);
    }
    let (rows, bytes) = (batch.rows() as u64, batch.bytes() as u64);
    let taken = batch.take().map_err(|message| {
        Fault::content(format!("up to line {}: {message}", reached.map_or(0, |place| place.line)))
    })?;
    Ok(Piece::Rows { evolved: taken.evolved, data: taken.data, rows, bytes })
}

fn parquet_rows(file: &mut parquet::File, path: &str, needs: &Needs<'_>) -> std::result::Result<Piece, Fault> {
    let evolved = parquet::extended(needs.columns, file.columns())?;
    let (batch, first) = match file.advance()? {
        parquet::Next::Rows { batch, first } => (batch, first),
        parquet::Next::GroupEnd => return Ok(Piece::Nothing),
        parquet::Next::End => return Ok(Piece::End),
    };
    let stream_columns = evolved.as_deref().unwrap_or(needs.columns);
    if let Some(key) = needs
        .primary_key
        .iter()
        .find(|key| batch.column_by_name(key).is_none_or(|column| arrow_array::Array::null_count(column.as_ref()) > 0))
    {
        return Err(Fault::content(format!(
            "column `{key}` is part of the primary key and has no value in some rows: choose another `primary_key`"
        )));
    }
    let file_name = needs.stream.file_columns.then_some(path);
    let aligned = parquet::aligned(&batch, stream_columns, file_name, first)?;
    let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size() as u64);
    let data = columns::write(aligned, rows).map_err(|error| Fault::content(error.to_string()))?;
    Ok(Piece::Rows { evolved, data, rows: rows as u64, bytes })
}
