//! Reads CSV, JSON lines and Parquet inside the sandbox and hands over Arrow rows.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`configuration`] | what a source is configured with |
//! | [`location`] | finds files on disk, in S3 and over HTTP, and reads ranges of them |
//! | [`values`], [`inference`] | texts of values, their types, and the type that many of them have together |
//! | [`text`] | CSV and JSON lines, row by row |
//! | [`columns`] | rows on their way into Arrow |
//! | [`parquet`] | Parquet, row group by row group |
//! | [`discovery`] | the columns that a stream's files have |
//! | [`sync`] | the rows, and how far a stream came |

pub mod columns;
// Its exports have names that native linkers refuse.
#[cfg(target_family = "wasm")]
mod component;
pub mod configuration;
pub mod discovery;
pub mod fault;
pub mod inference;
pub mod location;
pub mod parquet;
pub mod sync;
pub mod text;
pub mod values;
