//! Models by dbt itself.
//!
//! | file | what it does |
//! | --- | --- |
//! | `project` | the project as files, in dbt's usual layout |
//! | `yaml` | how its settings are written |
//! | `process`, `job` | where dbt runs: a granted program of this machine, or a Job of a cluster |
//! | `results` | what dbt says of its run, and its errors as the contract's |
//! | `run` | the steps |
//!
//! The project holds one model. Everything that it refers to is a source: other models are tables of the lakehouse by now, whoever
//! made them, and are not run along.
//!
//! # What dbt is kept from
//! dbt-trino replaces a table by renaming two, and deletes and inserts in two statements; a reader or a crash in between finds no
//! table, or half of its rows. The project makes each of them one statement.

mod job;
mod process;
mod project;
mod results;
mod run;
mod state;
mod yaml;

pub use project::{Address, files};
pub use results::{Results, failure, read};
pub use run::{advance, cancel, start};
pub use state::{End, How, Place, State};
