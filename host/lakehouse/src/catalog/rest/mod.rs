//! A catalog of another program, reached by the Iceberg REST protocol: Nessie, Polaris, another host's `/iceberg`.
//!
//! The catalog writes the metadata files; we send what changes and what must still be true. What our SQLite catalog decides by
//! one comparison (the metadata is the one that the commit was made from) the protocol decides by requirements, and none of
//! them covers a table's properties. A sync's checkpoint and the name of its writer are properties. So every commit here
//! makes a snapshot, an empty one if need be, and requires the one before: of two commits that were made from the same
//! table one wins, whatever they change.
//!
//! # What differs between catalogs
//! - Replacing a table by a view, or a view by a table, takes two requests here: for a moment there is neither. A view is put back
//!   when the table does not come.
//! - A dropped table's files are the catalog's to remove; some never do.
//! - Nessie shows the newest snapshot of a table alone. Reading a table as it was goes by its own commits there.

mod auth;
mod branches;
mod client;
#[cfg(test)]
mod tests;
mod updates;

use asgard_contract::{Error, Result, TableName};
use iceberg::spec::{MAIN_BRANCH, TableMetadata, ViewMetadata};
use iceberg::{TableRequirement, TableUpdate, ViewUpdate};
use reqwest::Method;
use serde_json::json;

pub use auth::Authorization;
pub(crate) use client::RestConfig;

use self::client::{Answer, Client};
use super::{Kind, Listed};
use crate::iceberg_rest::wire::{
    CommitTable, CommitView, CommittedTable, Identifier, Identifiers, LoadedTable, LoadedView, Namespaces,
    ViewRequirement,
};
use crate::tables::{Current, TableState, ViewState};

/// A catalog behind a URL. Nothing is asked of it before it is needed.
#[derive(Debug)]
pub(crate) struct RestCatalog {
    client: Client,
}

impl RestCatalog {
    pub(crate) fn new(config: RestConfig) -> Result<Self> {
        Ok(Self { client: Client::new(config)? })
    }

    /// Where it is.
    pub(crate) fn uri(&self) -> &str {
        self.client.uri()
    }

    /// The namespaces that are in no other.
    pub(crate) async fn namespaces(&self) -> Result<Vec<String>> {
        let found: Answer<Namespaces> = self.client.send(Method::GET, &["namespaces"], None).await?;
        let all = found.found()?.map(|found| found.namespaces).unwrap_or_default();
        Ok(all.into_iter().filter_map(|levels| <[String; 1]>::try_from(levels).ok()).map(|[name]| name).collect())
    }

    /// Tables and views of a namespace, by name; none where there is no such namespace.
    pub(crate) async fn list(&self, namespace: &str) -> Result<Vec<Listed>> {
        let mut entries = Vec::new();
        for (path, kind) in [("tables", Kind::Table), ("views", Kind::View)] {
            let path = ["namespaces", namespace, path];
            let found: Answer<Identifiers> = self.client.send(Method::GET, &path, None).await?;
            match found {
                Answer::Done(found) => entries.extend(
                    found
                        .identifiers
                        .into_iter()
                        .map(|found| Listed { name: TableName::new(namespace, found.name), kind }),
                ),
                // A catalog without views has no such path.
                Answer::Missing(_) | Answer::Unsupported(_) => {}
                Answer::Conflict(message) => return Err(Error::unavailable(message)),
            }
        }
        entries.sort();
        // Some catalogs list views among the tables too.
        entries.dedup_by(|later, earlier| later.name == earlier.name);
        Ok(entries)
    }

    pub(crate) async fn find(&self, name: &TableName) -> Result<Option<Current>> {
        let found: Answer<LoadedTable> = self.client.send(Method::GET, &path(name, "tables"), None).await?;
        if let Some(table) = found.found()? {
            // A table is known by its metadata's location; a catalog that keeps it to itself still says when it changed.
            let location = table
                .metadata_location
                .unwrap_or_else(|| format!("{}#{}", table.metadata.location(), table.metadata.last_updated_ms()));
            return Ok(Some(Current::Table(TableState { location, metadata: table.metadata })));
        }
        let found: Answer<LoadedView> = self.client.send(Method::GET, &path(name, "views"), None).await?;
        Ok(found
            .found()?
            .map(|view| Current::View(ViewState { location: view.metadata_location, metadata: view.metadata })))
    }

    /// Sends changes of a table. None: another commit came in between, or the table is gone.
    ///
    /// # Errors
    /// `unavailable` too when it is not known whether the commit was made.
    pub(crate) async fn commit(
        &self,
        name: &TableName,
        before: Option<&TableMetadata>,
        updates: Vec<TableUpdate>,
    ) -> Result<Option<TableState>> {
        let requirements = before.map_or_else(|| vec![TableRequirement::NotExist], requirements);
        let commit = CommitTable { identifier: Some(Identifier::from(name)), requirements, updates };
        let mut body = body(&commit)?;
        updates::plain(&mut body, before);
        let mut answer: Answer<CommittedTable> =
            self.client.send(Method::POST, &path(name, "tables"), Some(&body)).await?;
        if before.is_none() && matches!(answer, Answer::Missing(_)) {
            self.make_namespace(&name.namespace).await?;
            answer = self.client.send(Method::POST, &path(name, "tables"), Some(&body)).await?;
        }
        match answer {
            Answer::Done(done) => Ok(Some(TableState { location: done.metadata_location, metadata: done.metadata })),
            Answer::Conflict(_) => Ok(None),
            Answer::Missing(message) if before.is_none() => Err(Error::unavailable(message)),
            Answer::Missing(_) => Ok(None),
            Answer::Unsupported(message) => Err(Error::unsupported(message)),
        }
    }

    /// Makes a view or changes one. None: another commit came in between.
    pub(crate) async fn commit_view(
        &self,
        name: &TableName,
        before: Option<&ViewMetadata>,
        after: &ViewMetadata,
        updates: Vec<ViewUpdate>,
    ) -> Result<Option<()>> {
        let answer: Answer<LoadedView> = match before {
            Some(before) => {
                let requirements = vec![ViewRequirement::Uuid { uuid: before.uuid() }];
                let body = body(&CommitView { requirements, updates })?;
                self.client.send(Method::POST, &path(name, "views"), Some(&body)).await?
            }
            None => {
                self.make_namespace(&name.namespace).await?;
                let body = json!({
                    "name": name.name, "location": after.location(), "schema": after.current_schema(),
                    "view-version": after.current_version(), "properties": after.properties(),
                });
                self.client.send(Method::POST, &["namespaces", &name.namespace, "views"], Some(&body)).await?
            }
        };
        match answer {
            Answer::Done(_) => Ok(Some(())),
            Answer::Conflict(_) | Answer::Missing(_) => Ok(None),
            Answer::Unsupported(message) => {
                Err(Error::unsupported(format!("the catalog at {} has no views: {message}", self.uri())))
            }
        }
    }

    /// Drops a table or view; nothing happens if there is none.
    pub(crate) async fn remove(&self, name: &TableName, current: &Current) -> Result<()> {
        let (kind, query) = match current {
            Current::Table(_) => ("tables", Some(("purgeRequested", "true"))),
            Current::View(_) => ("views", None),
        };
        self.client.delete(&path(name, kind), query).await
    }

    /// Makes a branch of all tables as they are now, unless it is there; answers with the address of the catalog on it.
    ///
    /// # Errors
    /// `unsupported` for a catalog that has none.
    pub(crate) async fn make_branch(&self, name: &str, namespace: &str) -> Result<String> {
        if let Some(address) = branches::find(&self.client, name).await? {
            return Ok(address);
        }
        // Two branches of an empty history have no commit in common, and cannot be merged.
        self.make_namespace(namespace).await?;
        branches::make(&self.client, name).await
    }

    /// # Errors
    /// `unsupported` for a catalog that has no branches.
    pub(crate) async fn check_branches(&self) -> Result<()> {
        branches::check(&self.client).await
    }

    /// Merges a branch, all or nothing, and deletes it.
    ///
    /// # Errors
    /// `conflict` where a table was changed on both.
    pub(crate) async fn merge_branch(&self, name: &str) -> Result<()> {
        branches::merge(&self.client, name).await
    }

    /// Deletes a branch. Nothing happens if there is none.
    pub(crate) async fn delete_branch(&self, name: &str) -> Result<()> {
        branches::delete(&self.client, name).await
    }

    async fn make_namespace(&self, namespace: &str) -> Result<()> {
        let body = json!({"namespace": [namespace], "properties": {}});
        let made: Answer<serde_json::Value> = self.client.send(Method::POST, &["namespaces"], Some(&body)).await?;
        match made {
            // Conflict: it is there.
            Answer::Done(_) | Answer::Conflict(_) => Ok(()),
            Answer::Missing(message) | Answer::Unsupported(message) => Err(Error::unsupported(message)),
        }
    }
}

fn path<'a>(name: &'a TableName, kind: &'a str) -> [&'a str; 4] {
    ["namespaces", &name.namespace, kind, &name.name]
}

fn body(value: &impl serde::Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| Error::internal(error.to_string()))
}

/// That the table is as it was, as far as the protocol can say so.
fn requirements(before: &TableMetadata) -> Vec<TableRequirement> {
    vec![
        TableRequirement::UuidMatch { uuid: before.uuid() },
        TableRequirement::RefSnapshotIdMatch {
            r#ref: MAIN_BRANCH.to_owned(),
            snapshot_id: before.current_snapshot_id(),
        },
        TableRequirement::CurrentSchemaIdMatch { current_schema_id: before.current_schema_id() },
        TableRequirement::LastAssignedFieldIdMatch { last_assigned_field_id: before.last_column_id() },
        TableRequirement::DefaultSpecIdMatch { default_spec_id: before.default_partition_spec_id() },
        TableRequirement::DefaultSortOrderIdMatch { default_sort_order_id: before.default_sort_order_id() },
    ]
}
