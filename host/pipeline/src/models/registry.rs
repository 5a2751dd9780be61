//! Registered models, asked of the environment's registry.

use std::sync::Arc;

use asgard_contract::deployer::{Model, RegistryInformation};
use asgard_contract::log::Discard;
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};

use crate::Pipeline;
use crate::environments::Active;

/// The model side of an environment as a whole.
#[derive(Debug, Clone)]
pub struct ModelStatus {
    /// None when the tracker does not answer; why is in `unavailable`.
    pub registry: Option<RegistryInformation>,
    pub unavailable: Option<String>,
    /// None when the feature store does not answer.
    pub feature_views: Option<u64>,
}

impl Pipeline {
    /// All registered models.
    ///
    /// # Errors
    /// `unavailable` when the registry does not answer.
    pub async fn models(&self, active: &Arc<Active>) -> Result<Vec<Model>> {
        let bound = self.required(active, Role::Training).await?;
        let call = bound.call("models", Arc::new(Discard)).await?;
        bound.plugin.model_registry(call).list_models().await
    }

    /// One registered model.
    ///
    /// # Errors
    /// `not-found`; `unavailable`.
    pub async fn model(&self, active: &Arc<Active>, name: &str) -> Result<Model> {
        let bound = self.required(active, Role::Training).await?;
        let call = bound.call("model", Arc::new(Discard)).await?;
        bound.plugin.model_registry(call).get_model(name).await
    }

    /// Whether registry and feature store answer, and what they hold. A backend that is away is an answer here.
    ///
    /// # Errors
    /// Those of the host itself.
    pub async fn model_status(&self, active: &Arc<Active>) -> Result<ModelStatus> {
        let registry = async {
            let bound = self.required(active, Role::Training).await?;
            let call = bound.call("model-status", Arc::new(Discard)).await?;
            bound.plugin.model_registry(call).information().await
        };
        let (registry, unavailable) = match registry.await {
            Ok(information) => (Some(information), None),
            // The last: no plugin is bound.
            Err(error @ (Error::Unavailable { .. } | Error::Unsupported { .. } | Error::InvalidInput { .. })) => {
                (None, Some(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        let feature_views = self.feature_status(active).await.ok().map(|status| status.views.len() as u64);
        Ok(ModelStatus { registry, unavailable, feature_views })
    }
}
