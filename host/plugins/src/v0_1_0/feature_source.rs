//! Interface `feature-source`.

use asgard_contract::features::{
    BackendInformation, EntityRows, Feature, FeatureService, FeatureView, OnlineRequest, Outcome, Request, Selection,
};
use asgard_contract::{Error, Result, Step};
use serde_json::{Map, Value};

use crate::v0_1_0::bindings::feature_source::FeatureSourcePluginPre;
use crate::v0_1_0::bindings::feature_source::exports::asgard::feature_source::feature_source as wit;
use crate::v0_1_0::types::list;
use crate::v0_1_0::{concealed, dtypes, handle, step, step_types};

handle!(
    /// Feature views over gold tables.
    FeatureSource,
    FeatureSource,
    feature_source,
    FeatureSourcePluginPre<crate::host::Host>
);

impl FeatureSource {
    /// Checks table, columns and types, and makes the view known to the backend. May be repeated.
    ///
    /// # Errors
    /// `invalid-input` with the field of the view.
    pub async fn register_view(&self, view: &FeatureView) -> Result<()> {
        let view = wit::FeatureView::from(view.clone());
        step!(self, asgard_feature_source_feature_source.call_register_view(&view))
    }

    /// Removes it again.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn remove_view(&self, view: &FeatureView) -> Result<()> {
        let view = wit::FeatureView::from(view.clone());
        step!(self, asgard_feature_source_feature_source.call_remove_view(&view))
    }

    /// Makes a service over `views` known to the backend. May be repeated.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn register_service(&self, service: &FeatureService, views: &[FeatureView]) -> Result<()> {
        let FeatureService { name, views: names, description, tags } = service.clone();
        let service = wit::FeatureService { name, views: names, description, tags };
        let views: Vec<wit::FeatureView> = list(views.to_vec());
        step!(self, asgard_feature_source_feature_source.call_register_service(&service, &views))
    }

    /// Removes it again.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn remove_service(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        step!(self, asgard_feature_source_feature_source.call_remove_service(&name))
    }

    /// The first step of a join or a materialisation.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn start(&self, request: &Request) -> Result<Step<Outcome>> {
        let request = wit::Request::from(request.clone());
        Ok(concealed(&self.call, step!(self, asgard_feature_source_feature_source.call_start(&request))?.into()))
    }

    /// The next step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        let state = state.to_vec();
        Ok(concealed(&self.call, step!(self, asgard_feature_source_feature_source.call_advance(&state))?.into()))
    }

    /// Ends the work. May be repeated.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn cancel(&self, state: &[u8]) -> Result<()> {
        let state = state.to_vec();
        step!(self, asgard_feature_source_feature_source.call_cancel(&state))
    }

    /// The latest features of entities, one object per entity row in order.
    ///
    /// # Errors
    /// The plugin's own; `internal` when the answer has another shape.
    pub async fn online(&self, request: &OnlineRequest) -> Result<Vec<Map<String, Value>>> {
        let rows = request.entities.len();
        let request = wit::OnlineRequest {
            selections: list(request.selections.clone()),
            full_names: request.full_names,
            entities: serde_json::to_string(&request.entities)
                .map_err(|error| Error::internal(format!("the entities have no JSON form: {error}")))?,
        };
        let answer = step!(self, asgard_feature_source_feature_source.call_online(&request))?;
        let found: Vec<Map<String, Value>> = serde_json::from_str(&answer).map_err(|error| {
            Error::internal(format!("the plugin answered features that are no JSON array of objects: {error}"))
        })?;
        if found.len() != rows {
            return Err(Error::internal(format!("the plugin answered {} rows for {rows} entities", found.len())));
        }
        Ok(found)
    }

    /// What the backend is.
    ///
    /// # Errors
    /// `unavailable` when it does not answer.
    pub async fn information(&self) -> Result<BackendInformation> {
        let information = step!(self, asgard_feature_source_feature_source.call_information())?;
        Ok(BackendInformation {
            registry_type: information.registry_type,
            online_store_type: information.online_store_type,
            offline_store_type: information.offline_store_type,
        })
    }
}

step_types!(wit);

impl From<wit::Step> for Step<Outcome> {
    fn from(step: wit::Step) -> Self {
        Self { state: step.state, status: step.status.into(), details: Value::Object(Map::new()) }
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        Self { rows: outcome.rows, snapshots: outcome.snapshots }
    }
}

impl From<FeatureView> for wit::FeatureView {
    fn from(view: FeatureView) -> Self {
        Self {
            name: view.name,
            entities: view.entities,
            features: list(view.features),
            source: view.source.into(),
            timestamp_field: view.timestamp_field,
            created_timestamp_column: view.created_timestamp_column,
            ttl_seconds: view.ttl_seconds,
            description: view.description,
            tags: view.tags,
            online: view.online,
        }
    }
}

impl From<Feature> for wit::Feature {
    fn from(feature: Feature) -> Self {
        Self { name: feature.name, dtype: feature.dtype.into(), description: feature.description, tags: feature.tags }
    }
}

dtypes!(wit);

impl From<Selection> for wit::Selection {
    fn from(selection: Selection) -> Self {
        Self { view: selection.view.into(), features: selection.features }
    }
}

impl From<Request> for wit::Request {
    fn from(request: Request) -> Self {
        match request {
            Request::Historical(join) => Self::Historical(wit::HistoricalRequest {
                rows: match join.rows {
                    EntityRows::ArrowIpc(bytes) => wit::EntityRows::ArrowIpc(bytes),
                    EntityRows::Table(table) => wit::EntityRows::Table(table.into()),
                    EntityRows::Latest => wit::EntityRows::Latest,
                },
                selections: list(join.selections),
                full_names: join.full_names,
                output: join.output,
            }),
            Request::Materialise(view) => Self::Materialise(wit::MaterialiseRequest { view: view.into() }),
        }
    }
}
