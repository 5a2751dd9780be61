//! The interface's functions: which mode runs a model, and its steps as the contract has them.
//!
//! The mode is in the state: a run ends in the one that it began in, whatever becomes of the binding.

use asgard_sdk::context::Level;
use asgard_sdk::json::{self, Value};
use asgard_sdk::transform::{GoldModel, Outcome, QueryPlan, Request, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, TableName, decode, encode};
use serde::{Deserialize, Serialize};

use crate::branch::Branch;
use crate::configuration::{Configuration, Mode};
use crate::host::Host;
use crate::names::Name;
use crate::trino::{Client, NO_CATALOG};
use crate::{dbt, model, plan, statements, target};

/// Where a run is after a step.
#[derive(Debug)]
pub enum Now {
    Running { progress: Progress, poll_after_ms: u32, details: Option<Value> },
    Succeeded { outcome: Outcome, details: Value },
    Failed { error: Error, details: Value },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Statements(statements::State),
    Dbt(dbt::State),
}

impl State {
    /// Whether something goes on that the next step looks at.
    fn is_under_way(&self) -> bool {
        match self {
            Self::Statements(state) => state.query.is_some(),
            Self::Dbt(state) => state.end.is_none(),
        }
    }
}

/// Runs gold models of one binding.
pub struct Gold<'a> {
    host: &'a dyn Host,
    configuration: Configuration,
    branch: Option<Branch>,
}

impl<'a> Gold<'a> {
    /// For the binding's configuration.
    ///
    /// # Errors
    /// `invalid-input` with its field.
    pub fn new(host: &'a dyn Host, configuration: &Configuration) -> Result<Self> {
        configuration.check()?;
        let branch = Branch::of(configuration)?;
        let configuration = branch.as_ref().map_or_else(|| configuration.clone(), Branch::configuration);
        Ok(Self { host, configuration, branch })
    }

    fn client(&self) -> Client<'a> {
        Client::new(self.host, &self.configuration)
    }

    /// Columns, tables and compiled SQL, without running.
    ///
    /// # Errors
    /// `invalid-input` with line and column; Trino's own.
    pub fn plan(&self, request: Request) -> Result<QueryPlan> {
        let model = model::of(request)?;
        let client = self.client();
        let existing = target::existing(&client, &Name::from(&model.target))?;
        let prepared = model::prepared(self.host, &self.configuration, &model, existing)?;
        plan::plan(&client, prepared, &self.configuration.catalog)
    }

    /// Trino's own plan of a model as it was compiled.
    ///
    /// # Errors
    /// Trino's own.
    pub fn explain(&self, compiled_sql: &str) -> Result<String> {
        plan::explained(&self.client(), compiled_sql)
    }

    /// The first step.
    ///
    /// # Errors
    /// As [`plan`](Self::plan); those of starting dbt, and of the branch's catalog.
    pub fn start(&self, request: Request) -> Result<Step> {
        let model = model::of(request)?;
        let Some(branch) = &self.branch else { return self.begin(&model) };
        branch.make(self.host)?;
        let step = self.begin(&model);
        // Without a state nobody asks the plugin to end anything, and a step that is repeated makes it again.
        if !step.as_ref().is_ok_and(|step| matches!(step.status, Status::Running(_))) {
            branch.leave(self.host);
        }
        step
    }

    fn begin(&self, model: &GoldModel) -> Result<Step> {
        let client = self.client();
        let existing = target::existing(&client, &Name::from(&model.target))?;
        let prepared = model::prepared(self.host, &self.configuration, model, existing)?;
        match self.configuration.mode {
            Mode::Statements => {
                let (state, now) = statements::start(&client, &self.configuration, model, &prepared)?;
                let target = state.target.clone();
                self.step(&State::Statements(state), &target, now)
            }
            Mode::Dbt => {
                let (state, now) = dbt::start(&client, &self.configuration, model, &prepared)?;
                let target = state.target.clone();
                self.step(&State::Dbt(state), &target, now)
            }
        }
    }

    /// The next step.
    ///
    /// # Errors
    /// `unavailable` where it is to be taken again; `internal` for a state that is none.
    pub fn advance(&self, state: &[u8]) -> Result<Step> {
        let state: State = decode(state)?;
        let Some(branch) = &self.branch else { return self.go_on(state) };
        let under_way = state.is_under_way();
        if !under_way {
            // An earlier try of this step may have dropped it.
            branch.make(self.host)?;
        }
        let step = match self.go_on(state.clone()) {
            // A Trino that was started again may not have it any more.
            Err(Error::InvalidInput(input)) if under_way && input.field.as_deref() == Some(NO_CATALOG) => {
                branch.make(self.host)?;
                self.go_on(state)
            }
            step => step,
        };
        let goes_on = match &step {
            Ok(step) => matches!(step.status, Status::Running(_)),
            Err(Error::Unavailable(_)) => under_way,
            Err(_) => false,
        };
        if !goes_on {
            branch.leave(self.host);
        }
        step
    }

    fn go_on(&self, state: State) -> Result<Step> {
        let client = self.client();
        match state {
            State::Statements(mut state) => {
                let now = statements::advance(&client, &mut state)?;
                let target = state.target.clone();
                self.step(&State::Statements(state), &target, now)
            }
            State::Dbt(mut state) => {
                let now = dbt::advance(&client, &self.configuration, &mut state)?;
                let target = state.target.clone();
                self.step(&State::Dbt(state), &target, now)
            }
        }
    }

    /// Ends the work. May be repeated.
    ///
    /// # Errors
    /// `unavailable` where it is to be tried again.
    pub fn cancel(&self, state: &[u8]) -> Result<()> {
        let client = self.client();
        match decode(state)? {
            State::Statements(state) => statements::cancel(&client, &state)?,
            State::Dbt(state) => dbt::cancel(&client, &state)?,
        }
        self.branch.as_ref().map_or(Ok(()), |branch| branch.remove(self.host))
    }

    /// Drops a model's table or view.
    ///
    /// # Errors
    /// Trino's own.
    pub fn drop(&self, target: &TableName) -> Result<()> {
        target::drop_whatever(&self.client(), &Name::from(target))
    }

    fn step(&self, state: &State, target: &Name, now: Now) -> Result<Step> {
        let (status, details) = match now {
            Now::Running { progress, poll_after_ms, details } => {
                (Status::Running(Running { progress, poll_after_ms }), details.unwrap_or_default())
            }
            Now::Succeeded { outcome, details } => {
                let message = told(target, &outcome);
                self.host.event("Normal", "Completed", &message);
                self.host.log(Level::Info, &message);
                (Status::Succeeded(outcome), details)
            }
            Now::Failed { error, details } => (Status::Failed(error), details),
        };
        let details =
            if details.is_object() { json::to_string(&details).map_err(Error::internal)? } else { "{}".to_owned() };
        Ok(Step { state: encode(state)?, status, details })
    }
}

fn told(target: &Name, outcome: &Outcome) -> String {
    let Some(snapshot) = outcome.snapshot else { return format!("{target} is in place") };
    format!(
        "read {} rows, wrote {} rows ({} bytes) to {target}, which has {} now, snapshot {snapshot}",
        outcome.rows_read, outcome.rows_written, outcome.bytes_written, outcome.total_rows
    )
}
