//! Interface `feature-push`.

use asgard_contract::features::{Feature, FeatureView, PushOutcome, PushRequest};
use asgard_contract::{Error, Result};

use crate::v0_1_0::bindings::feature_push::FeaturePushPluginPre;
use crate::v0_1_0::bindings::feature_push::exports::asgard::feature_push::feature_push as wit;
use crate::v0_1_0::types::list;
use crate::v0_1_0::{dtypes, handle, step};

handle!(
    /// Rows of feature views that do not wait for a table.
    FeaturePush,
    FeaturePush,
    feature_push,
    FeaturePushPluginPre<crate::host::Host>
);

impl FeaturePush {
    /// Writes rows to a view's online store. May be repeated.
    ///
    /// # Errors
    /// The plugin's own; `internal` when the outcome is not of these rows.
    pub async fn push(&self, request: &PushRequest) -> Result<PushOutcome> {
        let rows = request.rows.len() as u64;
        let request = wit::Request {
            view: request.view.clone().into(),
            rows: serde_json::to_string(&request.rows)
                .map_err(|error| Error::internal(format!("the rows have no JSON form: {error}")))?,
        };
        let wit::Outcome { written, older } = step!(self, asgard_feature_push_feature_push.call_push(&request))?;
        if written.checked_add(older) != Some(rows) {
            return Err(Error::internal(format!(
                "the plugin tells of {written} rows that it wrote and {older} that were older, of {rows} that were pushed"
            )));
        }
        Ok(PushOutcome { written, older })
    }
}

impl From<FeatureView> for wit::View {
    fn from(view: FeatureView) -> Self {
        Self {
            name: view.name,
            entities: view.entities,
            features: list(view.features),
            source: view.source.into(),
            timestamp_field: view.timestamp_field,
            created_timestamp_column: view.created_timestamp_column,
            ttl_seconds: view.ttl_seconds,
        }
    }
}

impl From<Feature> for wit::Feature {
    fn from(feature: Feature) -> Self {
        Self { name: feature.name, dtype: feature.dtype.into() }
    }
}

dtypes!(wit);
