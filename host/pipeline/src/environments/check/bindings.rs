//! Asks the plugin of one binding whether its backend is there.

use std::sync::Arc;

use asgard_contract::environment::Binding;
use asgard_contract::log::Discard;
use asgard_contract::manifest::{Interface, Role};
use asgard_contract::transform::{
    Compute, GoldModel, IncrementalStrategy, Materialization, Request, SilverRun, WriteMode,
};
use asgard_contract::{Error, Result, TableName};

use super::{Finding, grants, patiently};
use crate::Pipeline;
use crate::environments::Active;
use crate::roles::Bound;

/// In the place of a task's id.
const CALLER: &str = "check";

/// Planned, never run.
const STATEMENT: &str = "SELECT 1 AS one";

impl Pipeline {
    /// What is to be said of a binding that is no connector.
    pub(super) async fn binding_findings(
        &self,
        active: &Arc<Active>,
        role: Role,
        place: &str,
        binding: &Binding,
    ) -> Vec<Finding> {
        let bound = match self.bound_as(active, binding).await {
            Ok(bound) => bound,
            Err(error) => return vec![Finding::of(place, Err(error))],
        };
        let mut findings =
            vec![Finding::of(place, patiently(ask(&bound, role)).await.map_err(|error| about(&bound, error)))];
        findings.extend(grants::findings(place, bound.plugin.manifest(), &binding.grants));
        findings
    }
}

/// Puts the plugin's name before what it said.
pub(super) fn about(bound: &Bound, error: Error) -> Error {
    let name = &bound.plugin.manifest().name;
    match error {
        Error::Unsupported { message } => Error::unsupported(message),
        Error::Unavailable { .. } => error.about(&format!("plugin `{name}` fails its check")),
        other => Error::internal(format!("plugin `{name}` fails its check: {other}")),
    }
}

async fn ask(bound: &Bound, role: Role) -> Result<String> {
    let call = bound.call(CALLER, Arc::new(Discard)).await?;
    let (plugin, pin) = (&bound.plugin, bound.name());
    if plugin.interfaces().contains(&Interface::Readiness) {
        let told = plugin.readiness(call).check().await?;
        return Ok(format!("{pin}: {told}"));
    }
    match role {
        Role::Silver | Role::Gold => match plugin.transform(call).plan(&statement(role)).await {
            Ok(_) => Ok(format!("{pin} plans statements")),
            Err(Error::Unsupported { .. }) => {
                Err(Error::unsupported(format!("{pin} cannot plan without running: its backend was not asked")))
            }
            Err(error) => Err(error),
        },
        Role::Features => {
            let backend = plugin.feature_source(call).information().await?;
            Ok(format!("{pin} answers: registry {}, online store {}", backend.registry_type, backend.online_store_type))
        }
        Role::Training => {
            let backend = plugin.model_registry(call).information().await?;
            Ok(format!("{pin} answers at {}: {} models", backend.tracking_uri, backend.registered_models))
        }
        Role::Build | Role::Serving => {
            Err(Error::unsupported(format!("{pin} fits; it does not export `readiness`, so its backend was not asked")))
        }
        Role::Ingestion => Err(Error::internal("connectors are asked together")),
    }
}

fn statement(role: Role) -> Request {
    let target = |namespace: &str| TableName { namespace: namespace.to_owned(), name: "asgard_check".to_owned() };
    if role == Role::Gold {
        return Request::Gold(GoldModel {
            name: "asgard_check".to_owned(),
            sql: STATEMENT.to_owned(),
            target: target("gold"),
            materialization: Materialization::Table,
            incremental_strategy: IncrementalStrategy::Append,
            unique_key: Vec::new(),
            description: None,
            tags: Vec::new(),
            owner: CALLER.to_owned(),
            models: Vec::new(),
        });
    }
    Request::Silver(SilverRun {
        run_id: CALLER.to_owned(),
        sql: STATEMENT.to_owned(),
        inputs: Vec::new(),
        target: target("silver"),
        write_mode: WriteMode::Overwrite,
        compute: Compute::default(),
    })
}
