//! Views: listed, loaded, made, replaced, renamed, dropped.
//!
//! A view may have its statement in several dialects; one of them must be one that is run here.

use std::collections::BTreeMap;

use asgard_contract::{Error, TableName};
use iceberg::ViewUpdate;
use iceberg::spec::{ViewFormatVersion, ViewMetadata, ViewMetadataBuilder, ViewRepresentation};

use super::rules::{Places, columns_of};
use super::wire::{CommitView, CreateView, Identifiers, LoadedView, Rename, ViewRequirement};
use super::{RestError, RestResult, ServedCatalog, names};
use crate::catalog::{Files, Kind};
use crate::error;
use crate::tables::{Current, Uncommitted, ViewState};

/// As for tables.
const ATTEMPTS: u32 = 20;

/// The dialects that are run here.
const DIALECTS: [&str; 2] = ["spark", "trino"];

impl ServedCatalog {
    /// # Errors
    /// [`RestError::NoSuchNamespace`].
    pub async fn views(&self, namespace: &[String]) -> RestResult<Identifiers> {
        self.identifiers(namespace, Kind::View).await
    }

    /// # Errors
    /// [`RestError::NoSuchView`], for a table too.
    pub async fn view(&self, namespace: &[String], name: &str) -> RestResult<LoadedView> {
        let view = names::known(namespace, name);
        Ok(self.loaded(self.view_state(&view).await?))
    }

    /// # Errors
    /// [`RestError::NoSuchView`].
    pub async fn view_exists(&self, namespace: &[String], name: &str) -> RestResult<()> {
        self.entry(&names::known(namespace, name), Kind::View).await.map(|_| ())
    }

    /// # Errors
    /// [`RestError::AlreadyExists`], and [`RestError::Unsupported`] for a dialect that is not run here.
    pub async fn create_view(&self, namespace: &[String], request: CreateView) -> RestResult<LoadedView> {
        let view = self.new_name(namespace, &request.name, None).await?;
        if self.catalog.get(&view).await?.is_some() {
            return Err(RestError::AlreadyExists(format!("`{view}`")));
        }
        let location = match &request.location {
            Some(location) => self.free_location(&view, location).await?,
            None => self.new_location(&view).await?,
        };
        let version = request.view_version;
        let (schema, properties) = (request.schema, request.properties);
        let metadata = ViewMetadataBuilder::new(location, schema, version, ViewFormatVersion::V1, properties)?;
        let metadata = metadata.build()?.metadata;
        match self.swap_view(&view, None, metadata).await? {
            Some(state) => Ok(self.loaded(state)),
            None => Err(RestError::AlreadyExists(format!("`{view}`"))),
        }
    }

    /// Replaces a view's statement, or changes its properties.
    ///
    /// # Errors
    /// [`RestError::NoSuchView`], [`RestError::CommitFailed`] for a requirement that is not met.
    pub async fn commit_view(&self, namespace: &[String], name: &str, commit: CommitView) -> RestResult<LoadedView> {
        let view = names::known(namespace, name);
        for _ in 0..ATTEMPTS {
            let state = self.view_state(&view).await?;
            for ViewRequirement::Uuid { uuid } in &commit.requirements {
                if state.metadata.uuid() != *uuid {
                    return Err(RestError::CommitFailed(format!("`{view}` is another view than {uuid}")));
                }
            }
            let mut builder = ViewMetadata::clone(&state.metadata).into_builder();
            for update in &commit.updates {
                builder = apply(builder, update.clone())?;
            }
            let metadata = builder.build()?.metadata;
            if let Some(state) = self.swap_view(&view, Some(&state), metadata).await? {
                return Ok(self.loaded(state));
            }
        }
        Err(RestError::CommitFailed(format!("`{view}` was changed by others too many times: try again")))
    }

    /// # Errors
    /// [`RestError::NoSuchView`].
    pub async fn drop_view(&self, namespace: &[String], name: &str) -> RestResult<()> {
        self.drop_entry(&names::known(namespace, name), Kind::View, Files::Deleted).await
    }

    /// # Errors
    /// [`RestError::NoSuchView`], [`RestError::NoSuchNamespace`], [`RestError::AlreadyExists`].
    pub async fn rename_view(&self, rename: Rename) -> RestResult<()> {
        self.rename_entry(rename, Kind::View).await
    }

    async fn view_state(&self, view: &TableName) -> RestResult<ViewState> {
        match self.inner().current(view).await? {
            Some(Current::View(state)) => Ok(state),
            _ => Err(RestError::NoSuchView(view.clone())),
        }
    }

    /// None: another commit came in between.
    async fn swap_view(
        &self,
        view: &TableName,
        before: Option<&ViewState>,
        metadata: ViewMetadata,
    ) -> RestResult<Option<ViewState>> {
        self.check_view(&metadata, before)?;
        let (version, id) = (metadata.current_version_id(), uuid::Uuid::new_v4());
        let location = format!("{}/metadata/{version:05}-{id}.metadata.json", metadata.location());
        let written = Uncommitted::default();
        written.add(&self.inner().io, location.clone());
        let text = serde_json::to_vec(&metadata).map_err(|error| Error::internal(error.to_string()))?;
        let what = || error::iceberg("writing a view's metadata");
        let output = self.inner().io.new_output(&location).map_err(what())?;
        output.write(text.into()).await.map_err(what())?;
        written.hold();
        let expected = before.map(|state| state.location.as_str());
        let done = self.catalog.swap(view, expected, Kind::View, &location).await;
        if !done.map_err(|error| RestError::CommitStateUnknown(error.to_string()))? {
            written.release();
            return Ok(None);
        }
        let state = ViewState { location, metadata: metadata.into() };
        self.inner().remember(view, Current::View(state.clone()));
        Ok(Some(state))
    }

    fn check_view(&self, metadata: &ViewMetadata, before: Option<&ViewState>) -> RestResult<()> {
        let moved = before.is_none_or(|before| before.metadata.location() != metadata.location());
        if moved {
            Places::of(self.inner(), None).check("the view's location", metadata.location())?;
        }
        columns_of(metadata.current_schema())?;
        let version = metadata.current_version();
        let known = version
            .representations()
            .iter()
            .any(|ViewRepresentation::Sql(sql)| DIALECTS.contains(&sql.dialect.to_ascii_lowercase().as_str()));
        if known {
            return Ok(());
        }
        Err(RestError::unsupported(
            "the view is written in no dialect that is run here: add a representation of dialect `spark` or `trino`",
        ))
    }

    fn loaded(&self, state: ViewState) -> LoadedView {
        // A view has no files that a client would read.
        LoadedView { metadata_location: state.location, metadata: state.metadata, config: BTreeMap::new() }
    }
}

fn apply(builder: ViewMetadataBuilder, update: ViewUpdate) -> RestResult<ViewMetadataBuilder> {
    Ok(match update {
        ViewUpdate::AssignUuid { uuid } => builder.assign_uuid(uuid),
        ViewUpdate::UpgradeFormatVersion { format_version } => builder.upgrade_format_version(format_version)?,
        ViewUpdate::AddSchema { schema, .. } => builder.add_schema(schema),
        ViewUpdate::SetLocation { location } => builder.set_location(location),
        ViewUpdate::SetProperties { updates } => builder.set_properties(updates)?,
        ViewUpdate::RemoveProperties { removals } => builder.remove_properties(&removals),
        ViewUpdate::AddViewVersion { view_version } => builder.add_version(view_version)?,
        ViewUpdate::SetCurrentViewVersion { view_version_id } => builder.set_current_version_id(view_version_id)?,
    })
}
