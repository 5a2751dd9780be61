//! Views: a statement under a name, in Iceberg's own format for views.
//!
//! A view may take the place of a table and the other way round, as in dbt when a model's materialization is changed: in one
//! compare-and-swap, so there is no moment without either.

use std::collections::HashMap;

use arrow_schema::SchemaRef;
use asgard_contract::lakehouse::{Dialect, Written};
use asgard_contract::{Error, Result, TableName};
use iceberg::io::FileIO;
use iceberg::spec::{ViewMetadata, ViewMetadataBuilder, ViewRepresentations, ViewVersion};
use iceberg::{NamespaceIdent, ViewCreation, ViewUpdate};
use serde_json::json;

use super::undo::Uncommitted;
use super::write::notes;
use super::{Current, Tables, ViewState, evolution};
use crate::catalog::{Catalog, Kind, NAME, SqliteCatalog};
use crate::error;
use crate::types::from_arrow;

/// Commits of one view that meet each other are rare; each attempt that loses means that another one won.
const ATTEMPTS: u32 = 20;

/// A view to be put.
#[derive(Debug, Clone)]
pub(crate) struct ViewDefinition {
    pub(crate) sql: String,
    pub(crate) dialect: Dialect,
    /// Of the view's rows.
    pub(crate) schema: SchemaRef,
}

impl Tables {
    /// Makes or replaces a view; a table of that name is dropped.
    ///
    /// # Errors
    /// `invalid-input` for columns that Iceberg has no type for.
    pub(crate) async fn put_view(&self, view: &TableName, key: &str, definition: ViewDefinition) -> Result<Written> {
        for _ in 0..ATTEMPTS {
            if let Some(answer) = self.committed(view, key).await? {
                return Ok(answer);
            }
            let current = self.inner.current(view).await?;
            let (metadata, changes) = self.next_version(view, key, &definition, current.as_ref())?;
            let location = metadata.location().to_owned();
            let done = match &self.inner.catalog {
                Catalog::Sqlite(catalog) => self.swap_view(catalog, view, current.as_ref(), &metadata).await?,
                Catalog::Rest(catalog) => {
                    let before = match &current {
                        Some(Current::View(state)) => Some(state.metadata.as_ref()),
                        Some(table @ Current::Table(_)) => {
                            catalog.remove(view, table).await?;
                            None
                        }
                        None => None,
                    };
                    catalog.commit_view(view, before, &metadata, changes).await?
                }
            };
            if done.is_some() {
                return Ok(Written { location, ..Written::default() });
            }
        }
        Err(Error::unavailable(format!("`{view}` is written to by too many at a time: try again")))
    }

    /// None: another commit came in between.
    async fn swap_view(
        &self,
        catalog: &SqliteCatalog,
        view: &TableName,
        current: Option<&Current>,
        metadata: &ViewMetadata,
    ) -> Result<Option<()>> {
        let (version, name) = (metadata.current_version_id(), uuid::Uuid::new_v4());
        let location = format!("{}/metadata/{version:05}-{name}.metadata.json", metadata.location());
        let written = Uncommitted::default();
        written.add(&self.inner.io, location.clone());
        let text = serde_json::to_vec(metadata).map_err(|error| Error::internal(error.to_string()))?;
        let output = self.inner.io.new_output(&location).map_err(error::iceberg("writing a view's metadata"))?;
        output.write(text.into()).await.map_err(error::iceberg("writing a view's metadata"))?;
        written.hold();
        if !catalog.swap(view, current.map(Current::location), Kind::View, &location).await? {
            written.release();
            return Ok(None);
        }
        if let Some(table) = current.and_then(Current::table) {
            catalog.remember_dropped(&table.location).await?;
        }
        Ok(Some(()))
    }

    fn next_version(
        &self,
        view: &TableName,
        key: &str,
        definition: &ViewDefinition,
        current: Option<&Current>,
    ) -> Result<(ViewMetadata, Vec<ViewUpdate>)> {
        let dialect = match definition.dialect {
            Dialect::Spark => "spark",
            Dialect::Trino => "trino",
        };
        let representations: ViewRepresentations =
            serde_json::from_value(json!([{"type": "sql", "sql": definition.sql, "dialect": dialect}]))
                .map_err(|error| Error::internal(error.to_string()))?;
        let schema = evolution::created(&from_arrow(&definition.schema)?)?;
        let namespace = NamespaceIdent::new(view.namespace.clone());
        let summary =
            HashMap::from([("engine-name".to_owned(), "asgard".to_owned()), (notes::KEY.to_owned(), key.to_owned())]);
        let what = || error::iceberg("changing a view's metadata");
        let builder = match current {
            Some(Current::View(state)) => {
                let next = state.metadata.versions().map(|version| version.version_id()).max().unwrap_or(0) + 1;
                let version = ViewVersion::builder()
                    .with_version_id(next)
                    .with_schema_id(schema.schema_id())
                    .with_timestamp_ms(chrono::Utc::now().timestamp_millis())
                    .with_summary(summary)
                    .with_representations(representations)
                    .with_default_catalog(Some(NAME.to_owned()))
                    .with_default_namespace(namespace)
                    .build();
                ViewMetadata::clone(&state.metadata)
                    .into_builder()
                    .set_current_version(version, schema)
                    .map_err(what())?
            }
            _ => ViewMetadataBuilder::from_view_creation(
                ViewCreation::builder()
                    .name(view.name.clone())
                    .location(self.inner.location_of(view))
                    .representations(representations)
                    .schema(schema)
                    .default_namespace(namespace)
                    .default_catalog(Some(NAME.to_owned()))
                    .summary(summary)
                    .build(),
            )
            .map_err(what())?,
        };
        let built = builder.build().map_err(what())?;
        Ok((built.metadata, built.changes))
    }
}

pub(super) async fn read(io: &FileIO, location: &str) -> Result<ViewState> {
    let what = format!("reading `{location}`");
    let input = io.new_input(location).map_err(error::iceberg(&what))?;
    let text = input.read().await.map_err(error::iceberg(&what))?;
    let metadata: ViewMetadata =
        serde_json::from_slice(&text).map_err(|error| Error::internal(format!("{what} failed: {error}")))?;
    Ok(ViewState { location: location.to_owned(), metadata: metadata.into() })
}

/// What the version that was made with this key answered.
pub(super) fn answer_of(metadata: &ViewMetadata, key: &str) -> Option<Written> {
    let made = metadata.versions().any(|version| version.summary().get(notes::KEY).is_some_and(|noted| noted == key));
    made.then(|| Written { location: metadata.location().to_owned(), ..Written::default() })
}
