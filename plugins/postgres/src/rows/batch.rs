//! Rows on their way into one Arrow IPC stream.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};

use super::fault::Fault;
use super::text::TextForm;
use super::values::{Mending, Values};
use crate::types::Kind;

/// A batch is full with so many rows or bytes, whichever comes first: large enough that its fixed costs vanish, small
/// enough that a handful of them fits in a sandbox.
const FULL_ROWS: usize = 16_384;
const FULL_BYTES: usize = 4 << 20;

/// A column to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnPlan {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
    /// Part of the primary key: a value without a counterpart must not become null.
    pub key: bool,
}

/// A value of a row in its text form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextValue<'a> {
    Null,
    Text(&'a [u8], TextForm),
}

/// Rows under construction.
pub struct Batch {
    schema: Arc<Schema>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

struct Column {
    plan: ColumnPlan,
    values: Values,
    /// Values, or elements of lists, that became null or were mended.
    lost: u64,
}

/// What is wrong in which column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFault {
    pub column: String,
    pub fault: Fault,
}

impl Batch {
    /// An empty one.
    pub fn new(plans: Vec<ColumnPlan>) -> Self {
        Self::with_room(plans, FULL_ROWS)
    }

    /// An empty one with room for so many rows at first.
    pub fn with_room(plans: Vec<ColumnPlan>, rows: usize) -> Self {
        let fields: Vec<Field> =
            plans.iter().map(|plan| Field::new(&plan.name, plan.kind.arrow(), plan.nullable)).collect();
        let columns = plans.into_iter().map(|plan| Column { values: Values::new(&plan.kind, rows), plan, lost: 0 });
        Self { schema: Arc::new(Schema::new(fields)), columns: columns.collect(), rows: 0, bytes: 0 }
    }

    /// How many columns a row has.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// How many rows are in it.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// It should be taken.
    pub fn is_full(&self) -> bool {
        self.rows >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    /// Some of its values are far from small.
    pub fn is_large(&self) -> bool {
        self.bytes > 4 * FULL_BYTES
    }

    /// Takes a row: per column a length, then so many bytes; -1 is null. The lengths have been checked against the whole.
    pub(super) fn push(&mut self, row: &[u8]) -> Result<(), ColumnFault> {
        let mut rest = row;
        for column in &mut self.columns {
            let Some((length, after)) = rest.split_first_chunk::<4>() else {
                return Err(column.fault(Fault::Malformed));
            };
            // A negative length is null's, and no length of a value reaches half of the range.
            let (value, after) = match usize::try_from(i32::from_be_bytes(*length)) {
                Err(_) => (None, after),
                Ok(length) => match after.split_at_checked(length) {
                    Some((value, after)) => (Some(value), after),
                    None => return Err(column.fault(Fault::Malformed)),
                },
            };
            rest = after;
            match value {
                None => column.push_null()?,
                Some(value) => {
                    let pushed = column.values.push(value);
                    column.settle(pushed)?;
                }
            }
        }
        self.rows += 1;
        self.bytes += row.len();
        Ok(())
    }

    /// Takes a row of texts, one for each column.
    ///
    /// # Errors
    /// The column with a value that cannot be taken; the batch is of no use then.
    pub fn push_texts(&mut self, row: &[TextValue<'_>]) -> Result<(), ColumnFault> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            match value {
                TextValue::Null => column.push_null()?,
                TextValue::Text(text, form) => {
                    let pushed = column.values.push_text(text, *form);
                    column.settle(pushed)?;
                    self.bytes += text.len();
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows so far as an Arrow IPC stream; the batch is empty again.
    ///
    /// # Errors
    /// A text that is no UTF-8.
    pub fn take(&mut self) -> Result<Vec<u8>, ColumnFault> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let mending = if column.plan.key { Mending::Refused } else { Mending::Replaced };
            let (array, mended) = column.values.finish(mending).map_err(|fault| column.fault(fault))?;
            column.lost += mended;
            arrays.push(array);
        }
        // Offsets and alignment add to what the values take; growing by copying costs more than some spare room.
        let room = self.bytes + self.bytes / 4 + 4096;
        (self.rows, self.bytes) = (0, 0);
        let write = || {
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)?;
            let mut writer = StreamWriter::try_new(Vec::with_capacity(room), &self.schema)?;
            writer.write(&batch)?;
            writer.into_inner()
        };
        write().map_err(|error: arrow_schema::ArrowError| ColumnFault {
            column: String::new(),
            fault: Fault::Arrow(error.to_string()),
        })
    }

    /// Columns with values that became null or were mended, and how many.
    pub fn lost(&self) -> impl Iterator<Item = (&str, u64)> {
        self.columns.iter().filter(|column| column.lost > 0).map(|column| (column.plan.name.as_str(), column.lost))
    }
}

impl Column {
    fn push_null(&mut self) -> Result<(), ColumnFault> {
        if self.plan.key && !self.plan.nullable {
            return Err(self.fault(Fault::Null));
        }
        self.values.push_null();
        Ok(())
    }

    /// Takes note of what became of a value.
    fn settle(&mut self, pushed: Result<u64, Fault>) -> Result<(), ColumnFault> {
        match pushed {
            Ok(lost) => self.lost += lost,
            Err(Fault::NoCounterpart) if !self.plan.key => {
                self.values.push_null();
                self.lost += 1;
            }
            Err(fault) => return Err(self.fault(fault)),
        }
        Ok(())
    }

    fn fault(&self, fault: Fault) -> ColumnFault {
        ColumnFault { column: self.plan.name.clone(), fault }
    }
}

impl std::fmt::Display for ColumnFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.column.is_empty() {
            write!(f, "{}", self.fault)
        } else {
            write!(f, "column `{}`: {}", self.column, self.fault)
        }
    }
}
