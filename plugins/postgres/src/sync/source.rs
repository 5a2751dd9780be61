//! What a stream's table was when it was read: kept in the stream's checkpoint, so that the next sync notices a table or a column
//! that is another one under the same name.

use std::collections::BTreeMap;

use asgard_sdk::Result;
use serde::{Deserialize, Serialize};

use crate::below::{Below, Partition};
use crate::catalog::{ReplicaIdentity, Table};
use crate::session::Session;
use crate::types::Oid;

/// The table of a stream that goes on from where it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    primary_key: Vec<String>,
    /// Numbers of the columns, those included that are gone: the lakehouse's table has them still.
    columns: BTreeMap<String, i16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Logged>,
}

/// What belongs to a captured stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Logged {
    /// What puts the table into the publication.
    publishing: Option<Oid>,
    /// By which columns the log tells rows apart, where it is by some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identity: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    partitions: BTreeMap<Oid, String>,
}

impl Source {
    pub(super) fn of(table: &Table) -> Self {
        let columns = table.columns.iter().map(|column| (column.name.clone(), column.number)).collect();
        Self { primary_key: sorted(&table.primary_key), columns, log: None }
    }

    /// Of a table whose changes are followed.
    pub(super) fn captured(table: &Table, below: &Below) -> Self {
        let identity = match &table.identity {
            ReplicaIdentity::Columns(columns) => sorted(columns),
            ReplicaIdentity::Full | ReplicaIdentity::Nothing => Vec::new(),
        };
        let partitions = below.partitions.iter().map(|partition| (partition.oid, partition.mark.clone())).collect();
        Self { log: Some(Logged { publishing: None, identity, partitions }), ..Self::of(table) }
    }

    /// Takes over the columns that are gone.
    pub(super) fn after(mut self, before: Option<&Self>) -> Self {
        for (name, number) in before.iter().flat_map(|before| &before.columns) {
            self.columns.entry(name.clone()).or_insert(*number);
        }
        self
    }

    /// Why rows that were read before cannot be told by those of now, in words.
    pub(super) fn differs(&self, before: &Self) -> Option<String> {
        if self.primary_key != before.primary_key {
            return Some(format!("its primary key is {} and was {}", key(&self.primary_key), key(&before.primary_key)));
        }
        if let (Some(now), Some(before)) = (&self.log, &before.log)
            && !now.identity.is_empty()
            && !before.identity.is_empty()
            && now.identity != before.identity
        {
            return Some(format!(
                "the log tells its rows by {} and did by {}",
                key(&now.identity),
                key(&before.identity)
            ));
        }
        let another =
            |(name, number): &(&String, &i16)| before.columns.get(*name).is_some_and(|known| known != *number);
        self.columns.iter().find(another).map(|(name, _)| {
            format!("its column `{name}` is another one than before: dropped and added again, or renamed to that")
        })
    }

    /// Notes what puts the table into the publication; false if that was something else before.
    pub(super) fn published_by(&mut self, publishing: Option<Oid>, before: Option<&Self>) -> bool {
        if let Some(log) = &mut self.log {
            log.publishing = publishing;
        }
        before.and_then(|before| before.log.as_ref()).is_none_or(|before| before.publishing == publishing)
    }

    /// The partition whose rows are not what the log told, if there is one.
    ///
    /// # Errors
    /// Those of the queries.
    pub(super) fn changed_partition(
        &self,
        before: &Self,
        below: &Below,
        session: &mut Session,
    ) -> Result<Option<String>> {
        let (Some(now), Some(before)) = (&self.log, &before.log) else { return Ok(None) };
        if before.partitions.keys().any(|oid| !now.partitions.contains_key(oid)) {
            return Ok(Some("a partition was dropped or detached".to_owned()));
        }
        for partition in &below.partitions {
            if let Some(what) = changed(partition, before.partitions.get(&partition.oid), session)? {
                return Ok(Some(format!("partition `{}` {what}", partition.name)));
            }
        }
        Ok(None)
    }
}

fn changed(partition: &Partition, before: Option<&String>, session: &mut Session) -> Result<Option<&'static str>> {
    Ok(match before {
        Some(mark) if *mark == partition.mark => None,
        Some(_) => Some("was emptied, written anew, or detached for some time"),
        None if partition.brought_rows(session)? => Some("was attached with rows"),
        None => None,
    })
}

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}

fn key(columns: &[String]) -> String {
    if columns.is_empty() { "none".to_owned() } else { format!("({})", columns.join(", ")) }
}
