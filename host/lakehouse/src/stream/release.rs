//! Letting go of a table that its ingestion fills no more.

use asgard_contract::{Result, TableName};
use async_trait::async_trait;
use iceberg::spec::TableMetadataBuilder;

use super::checkpoint;
use crate::error;
use crate::tables::parts::{self, Next, SYNC_CHECKPOINT, Transaction, Uncommitted};
use crate::tables::{Current, Inner, Tables};

/// Takes the checkpoint of an ingestion out of its table, which anybody may change as any other from then on. A sync that has it
/// open commits no more. Nothing happens where there is no table, or another ingestion's.
pub(crate) async fn release(tables: &Tables, table: &TableName, ingestion: &str) -> Result<()> {
    tables.inner.commit(table, &mut Release { ingestion }, &[]).await?;
    Ok(())
}

struct Release<'a> {
    ingestion: &'a str,
}

#[async_trait]
impl Transaction for Release<'_> {
    async fn next(&mut self, _: &Inner, current: Option<&Current>, _: &Uncommitted) -> Result<Next> {
        let Some(state) = current.and_then(Current::table) else { return Ok(Next::Nothing) };
        if !checkpoint::is_of(&state.metadata, self.ingestion)? {
            return Ok(Next::Nothing);
        }
        let names = state.metadata.properties().keys().filter(|name| name.starts_with(SYNC_CHECKPOINT));
        let names: Vec<String> = names.cloned().collect();
        let built = parts::changed(state)?.remove_properties(&names).and_then(TableMetadataBuilder::build);
        Ok(Next::Commit(Box::new(built.map_err(error::iceberg("taking a checkpoint out of its table"))?)))
    }
}
