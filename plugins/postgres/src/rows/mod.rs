//! Rows: from the bytes of a binary COPY to Arrow.

mod array;
mod batch;
mod copy;
mod fault;
mod numeric;
mod values;

pub use batch::{Batch, ColumnFault, ColumnPlan};
pub use copy::CopyReader;
pub use fault::Fault;
