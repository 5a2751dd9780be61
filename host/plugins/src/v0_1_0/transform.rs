//! Interface `transform`.

use asgard_contract::transform::{
    Compute, GoldModel, IncrementalStrategy, Input, Materialization, Outcome, QueryPlan, Request, SilverRun, WriteMode,
};
use asgard_contract::{Error, Result, Step, TableName};

use crate::v0_1_0::bindings::transform::TransformPluginPre;
use crate::v0_1_0::bindings::transform::exports::asgard::transform::transform as wit;
use crate::v0_1_0::types::list;
use crate::v0_1_0::{concealed, handle, step, step_types};

handle!(
    /// SQL that makes tables.
    Transform,
    Transform,
    transform,
    TransformPluginPre<crate::host::Host>
);

impl Transform {
    /// The shape of the result, without running.
    ///
    /// # Errors
    /// `invalid-input` for SQL that is wrong; `unsupported` where the backend cannot plan.
    pub async fn plan(&self, request: &Request) -> Result<QueryPlan> {
        let request = wit::Request::from(request.clone());
        let plan = step!(self, asgard_transform_transform.call_plan(&request))?;
        Ok(QueryPlan { columns: list(plan.columns), tables: list(plan.tables), compiled_sql: plan.compiled_sql })
    }

    /// The first step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn start(&self, request: &Request) -> Result<Step<Outcome>> {
        let request = wit::Request::from(request.clone());
        let step = step!(self, asgard_transform_transform.call_start(&request))?.try_into()?;
        Ok(concealed(&self.call, step))
    }

    /// The next step.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        let state = state.to_vec();
        let step = step!(self, asgard_transform_transform.call_advance(&state))?.try_into()?;
        Ok(concealed(&self.call, step))
    }

    /// Ends the work. May be repeated.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn cancel(&self, state: &[u8]) -> Result<()> {
        let state = state.to_vec();
        step!(self, asgard_transform_transform.call_cancel(&state))
    }

    /// Drops a model's table or view.
    ///
    /// # Errors
    /// The plugin's own.
    pub async fn drop(&self, target: &TableName) -> Result<()> {
        let target = target.clone().into();
        step!(self, asgard_transform_transform.call_drop(&target))
    }
}

step_types!(wit);

impl TryFrom<wit::Step> for Step<Outcome> {
    type Error = Error;

    fn try_from(step: wit::Step) -> Result<Self> {
        let details = match serde_json::from_str(&step.details) {
            Ok(details @ serde_json::Value::Object(_)) => details,
            Ok(_) => return Err(Error::internal("the plugin answered details that are no JSON object")),
            Err(error) => {
                return Err(Error::internal(format!("the plugin answered details that are no JSON: {error}")));
            }
        };
        Ok(Self { state: step.state, status: step.status.into(), details })
    }
}

impl From<wit::Outcome> for Outcome {
    fn from(outcome: wit::Outcome) -> Self {
        Self {
            rows_written: outcome.rows_written,
            bytes_written: outcome.bytes_written,
            rows_read: outcome.rows_read,
            bytes_read: outcome.bytes_read,
            total_rows: outcome.total_rows,
            snapshot: outcome.snapshot,
            location: outcome.location,
        }
    }
}

impl From<Request> for wit::Request {
    fn from(request: Request) -> Self {
        match request {
            Request::Silver(run) => Self::Silver(run.into()),
            Request::Gold(model) => Self::Gold(model.into()),
        }
    }
}

impl From<SilverRun> for wit::SilverRun {
    fn from(run: SilverRun) -> Self {
        Self {
            run_id: run.run_id,
            sql: run.sql,
            inputs: run.inputs.into_iter().map(|(name, input)| (name, input.into())).collect(),
            target: run.target.into(),
            write_mode: match run.write_mode {
                WriteMode::Overwrite => wit::WriteMode::Overwrite,
                WriteMode::Append => wit::WriteMode::Append,
            },
            compute: run.compute.into(),
        }
    }
}

impl From<Input> for wit::Input {
    fn from(input: Input) -> Self {
        match input {
            Input::Table(table) => Self::Table(table.into()),
            Input::Location(location) => Self::Location(location),
        }
    }
}

impl From<Compute> for wit::Compute {
    fn from(compute: Compute) -> Self {
        Self {
            executor_instances: compute.executor_instances,
            executor_cores: compute.executor_cores,
            executor_memory: compute.executor_memory,
            driver_cores: compute.driver_cores,
            driver_memory: compute.driver_memory,
        }
    }
}

impl From<GoldModel> for wit::GoldModel {
    fn from(model: GoldModel) -> Self {
        Self {
            name: model.name,
            sql: model.sql,
            target: model.target.into(),
            materialization: match model.materialization {
                Materialization::Table => wit::Materialization::Table,
                Materialization::View => wit::Materialization::View,
                Materialization::Incremental => wit::Materialization::Incremental,
            },
            incremental_strategy: match model.incremental_strategy {
                IncrementalStrategy::Append => wit::IncrementalStrategy::Append,
                IncrementalStrategy::Merge => wit::IncrementalStrategy::Merge,
                IncrementalStrategy::DeleteInsert => wit::IncrementalStrategy::DeleteInsert,
            },
            unique_key: model.unique_key,
            description: model.description,
            tags: model.tags,
            owner: model.owner,
            models: model.models.into_iter().map(|(name, table)| (name, table.into())).collect(),
        }
    }
}
