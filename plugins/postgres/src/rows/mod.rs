//! Rows: from the bytes of a binary COPY, and from the texts of the log, to Arrow.

mod array;
mod batch;
mod copy;
mod fault;
mod numeric;
mod text;
mod values;

pub use batch::{Batch, ColumnFault, ColumnPlan, TextValue};
pub use copy::CopyReader;
pub use fault::Fault;
pub use text::TextForm;
