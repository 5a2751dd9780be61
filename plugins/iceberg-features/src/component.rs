//! The component's exports.

use asgard_sdk::feature_source::{
    BackendInformation, FeatureService, FeatureView, Guest, OnlineRequest, Request, Step,
};
use asgard_sdk::{Result, feature_push};

use crate::{online, push, registration, run};

struct IcebergFeatures;

impl Guest for IcebergFeatures {
    fn register_view(view: FeatureView) -> Result<()> {
        registration::register(&view)
    }

    fn remove_view(view: FeatureView) -> Result<()> {
        online::forget(&view)
    }

    /// A service is names of views, which the host keeps.
    fn register_service(_: FeatureService, _: Vec<FeatureView>) -> Result<()> {
        Ok(())
    }

    fn remove_service(_: String) -> Result<()> {
        Ok(())
    }

    fn start(request: Request) -> Result<Step> {
        run::start(request)
    }

    fn advance(state: Vec<u8>) -> Result<Step> {
        run::advance(&state)
    }

    fn cancel(state: Vec<u8>) -> Result<()> {
        run::cancel(&state)
    }

    fn online(request: OnlineRequest) -> Result<String> {
        online::read(&request)
    }

    fn information() -> Result<BackendInformation> {
        Ok(BackendInformation {
            registry_type: "asgard".to_owned(),
            online_store_type: "key-value".to_owned(),
            offline_store_type: "iceberg".to_owned(),
        })
    }
}

impl feature_push::Guest for IcebergFeatures {
    fn push(request: feature_push::Request) -> Result<feature_push::Outcome> {
        push::push(request)
    }
}

asgard_sdk::export_feature_push!(IcebergFeatures with_types_in asgard_sdk::bindings::feature_push);
asgard_sdk::export_feature_source!(IcebergFeatures with_types_in asgard_sdk::bindings::feature_source);
