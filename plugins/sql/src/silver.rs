//! Silver: Spark SQL over named inputs, written to one table.

use asgard_sdk::transform::{Input, SilverRun, WriteMode};

use crate::work::{Language, Mode, Source, Target, Work};

/// What a run comes to.
pub fn prepare(run: SilverRun) -> Work {
    let source = |input| match input {
        Input::Table(table) => Source::Table(table.into()),
        Input::Location(location) => Source::Location(location),
    };
    Work {
        language: Language::Spark,
        sql: run.sql,
        inputs: run.inputs.into_iter().map(|(view, input)| (view, source(input))).collect(),
        target: Target::Table {
            table: run.target.into(),
            mode: match run.write_mode {
                WriteMode::Overwrite => Mode::Replace,
                WriteMode::Append => Mode::Append,
            },
            key: Vec::new(),
            properties: vec![("asgard.run".to_owned(), run.run_id)],
        },
        polls: 0,
    }
}
