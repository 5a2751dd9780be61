//! The engines that are attached, to be asked alike.

use asgard_live::rows::Answer;

use crate::lake::Lake;
use crate::world::World;

/// An engine beside the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Trino,
    Spark,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Trino, Self::Spark];

    /// As the first word of a test's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trino => "trino",
            Self::Spark => "spark",
        }
    }

    /// Runs a statement that must succeed.
    pub(crate) fn sql(self, world: &World, sql: &str) -> Answer {
        self.tries(world, sql).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a statement; answers with the engine's own error when it fails.
    pub(crate) fn tries(self, world: &World, sql: &str) -> Result<Answer, String> {
        let answer = match self {
            Self::Trino => world.trino().sql(sql),
            Self::Spark => world.spark().sql(sql),
        };
        answer.map_err(|error| format!("{error:#}"))
    }

    /// A table as it was, in the engine's words.
    pub(crate) fn as_of(self, table: &str, snapshot: &str) -> String {
        match self {
            Self::Trino => format!("SELECT * FROM {table} FOR VERSION AS OF {snapshot}"),
            Self::Spark => format!("SELECT * FROM {table} VERSION AS OF {snapshot}"),
        }
    }

    /// What the host answered, as this engine has it.
    pub(crate) fn has(self, answer: Answer) -> Answer {
        match self {
            Self::Trino => answer.as_trino_has_it().sorted(),
            Self::Spark => answer.as_spark_has_it().sorted(),
        }
    }

    /// Asserts that this engine, the host's SQL and the host's pages have the same rows of a table, types and all; answers with
    /// them.
    pub(crate) fn agrees(self, world: &World, catalog: &str, lake: &Lake, table: &str) -> Answer {
        let host = lake.query(&format!("SELECT * FROM {table}")).sorted();
        assert_same(&format!("{table} by pages"), &lake.pages(table).sorted(), &host);
        let theirs = self.sql(world, &format!("SELECT * FROM {catalog}.{table}")).sorted();
        assert_same(&format!("{table} in {self:?}"), &theirs, &self.has(host.clone()));
        host
    }
}

/// Asserts that two answers are the same; shows the first rows that differ, not all.
pub(crate) fn assert_same(what: &str, found: &Answer, expected: &Answer) {
    assert_eq!(found.columns, expected.columns, "columns of {what}");
    for (row, (found, expected)) in found.rows.iter().zip(&expected.rows).enumerate() {
        assert_eq!(found, expected, "row {row} of {what}");
    }
    assert_eq!(found.rows.len(), expected.rows.len(), "rows of {what}");
}
