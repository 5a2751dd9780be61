//! `EXPLAIN` before a query, and the plan of a dry run: as text, with the tables that would be read. Nothing is run.
//!
//! The plan is the engine's own, after its rules; its form may change with the engine, and says nothing of how Spark or Trino
//! would run the statement.

use std::sync::Arc;

use asgard_contract::lakehouse::{Dialect, Statement};
use asgard_contract::{Column, Result, TableName};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};

use super::output::Naming;
use super::run::{Engine, as_ipc};
use super::text::{Place, wrong};
use super::{Answer, Query};
use crate::tables::AsOf;

const WORD: &str = "EXPLAIN";

/// The statement that is to be explained, its words where they stood; none: nothing is.
///
/// # Errors
/// For the forms that ask for more, such as `EXPLAIN ANALYZE`, which runs the statement.
pub(super) fn explained(statement: &Statement) -> Result<Option<Statement>> {
    let sql = &statement.sql;
    let begin = sql.len() - sql.trim_start().len();
    let Some(word) = sql.get(begin..begin + WORD.len()).filter(|word| word.eq_ignore_ascii_case(WORD)) else {
        return Ok(None);
    };
    let rest = &sql[begin + word.len()..];
    if rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
        return Ok(None);
    }
    let next: String =
        rest.trim_start().chars().take_while(|letter| letter.is_alphabetic() || *letter == '(').collect();
    let is_query = ["SELECT", "WITH", "VALUES", "CREATE", "(SELECT", "(WITH", "(VALUES", "FROM", ""]
        .iter()
        .any(|word| next.eq_ignore_ascii_case(word));
    if !is_query {
        let before = &sql[..sql.len() - rest.trim_start().len()];
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() as u64 + 1;
        return Err(wrong(
            Some(Place { line, column }),
            format!("`EXPLAIN {next}` is not supported: expected EXPLAIN, and then a SELECT or WITH"),
        ));
    }
    let blank = format!("{}{}{rest}", &sql[..begin], " ".repeat(WORD.len()));
    Ok(Some(Statement { sql: blank, ..statement.clone() }))
}

impl Engine {
    /// The plan and the tables as text, and the tables themselves with the snapshot of each.
    pub(super) async fn plan_text(
        &self,
        statement: &Statement,
        as_of: Option<AsOf>,
    ) -> Result<(String, Vec<(TableName, Option<i64>)>)> {
        let prepared = self.prepare_as_of(statement, Naming::Optional, as_of, self.sessions.memory_bytes).await?;
        let plan = prepared.optimized()?.display_indent().to_string();
        let mut text = format!("{plan}\n\nTables read:");
        if prepared.snapshots.is_empty() {
            text.push_str(" none");
        }
        for (table, snapshot) in &prepared.snapshots {
            text.push_str(&match snapshot {
                Some(snapshot) => format!("\n  {table}, snapshot {snapshot}"),
                None => format!("\n  {table}"),
            });
        }
        Ok((text, prepared.snapshots))
    }

    pub(super) async fn explain(&self, statement: &Statement, query: &Query) -> Result<Answer> {
        let (text, snapshots) = self.plan_text(statement, query.as_of).await?;
        let name = match statement.dialect {
            Dialect::Trino => "Query Plan",
            Dialect::Spark => "plan",
        };
        let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]));
        let shown = usize::from(query.offset == 0 && query.max_rows > 0);
        let rows: ArrayRef = Arc::new(StringArray::from(vec![text; shown]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![rows])
            .map_err(|error| asgard_contract::Error::internal(format!("a plan cannot be told: {error}")))?;
        let column = Column { name: name.to_owned(), data_type: "string".to_owned(), nullable: true, doc: None };
        Ok(Answer { columns: vec![column], rows: as_ipc(&schema, &[batch])?, more: false, snapshots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> Result<Option<String>> {
        let statement = Statement { sql: sql.to_owned(), dialect: Dialect::Trino, inputs: Vec::new() };
        explained(&statement).map(|found| found.map(|statement| statement.sql))
    }

    #[test]
    fn only_the_plain_form_is_taken_and_words_stay_in_their_places() {
        assert_eq!(of("explain\nSELECT 1").unwrap().as_deref(), Some("       \nSELECT 1"));
        assert_eq!(of(" EXPLAIN (SELECT 1)").unwrap().as_deref(), Some("         (SELECT 1)"));
        assert_eq!(of("SELECT 1").unwrap(), None);
        assert_eq!(of("explained").unwrap(), None);
        for sql in ["EXPLAIN ANALYZE SELECT 1", "EXPLAIN EXTENDED SELECT 1", "EXPLAIN (TYPE IO) SELECT 1"] {
            assert!(of(sql).unwrap_err().to_string().contains("line 1, column 9"), "{sql}");
        }
    }
}
