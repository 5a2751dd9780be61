//! Parquet, row group by row group.
//!
//! | file | what it does |
//! | --- | --- |
//! | `chunks` | bytes of the file by ranges, the last ones kept |
//! | `pages` | their headers and what decompresses them, without C |
//! | `types` | what Parquet's types are in a table, and two of them together |
//! | `file` | a file: its columns, and its rows as Arrow |

mod chunks;
mod file;
mod pages;
mod types;

pub use file::{File, Next, aligned, extended};
pub use types::widest;
