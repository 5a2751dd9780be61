//! The interface's functions over steps. What is under way stands in the state.

use asgard_sdk::feature_source::{Outcome, Request, Status, Step};
use asgard_sdk::{Error, Progress, Result, Running, decode, encode};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::historical::Historical;
use crate::host::Host;
use crate::materialise::Materialisation;

/// What all work needs.
#[derive(Clone, Copy)]
pub struct Feast<'a> {
    pub host: &'a dyn Host,
    pub configuration: &'a Configuration,
    pub client: &'a Client<'a>,
}

/// What came of a step.
#[derive(Debug)]
pub enum Now {
    Running(Progress, u32),
    Succeeded(Outcome),
    Failed(Error),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    Historical(Historical),
    Materialisation(Materialisation),
}

/// Begins a join or a materialisation.
///
/// # Errors
/// `invalid-input` with the field, `conflict` when a table no longer fits its view.
pub fn start(feast: Feast<'_>, request: Request) -> Result<Step> {
    let work = match request {
        Request::Historical(request) => Work::Historical(Historical::begin(feast, request)?),
        Request::Materialise(request) => Work::Materialisation(Materialisation::begin(feast, &request.view)?),
    };
    let progress = Progress { message: "looking at the tables".to_owned(), fraction: None };
    step(&work, Now::Running(progress, 0))
}

/// Goes on.
///
/// # Errors
/// Those of the host and of Feast's servers.
pub fn advance(feast: Feast<'_>, state: &[u8]) -> Result<Step> {
    let mut work: Work = decode(state)?;
    let now = match &mut work {
        Work::Historical(join) => join.advance(feast)?,
        Work::Materialisation(fill) => fill.advance(feast)?,
    };
    step(&work, now)
}

/// Ends it.
///
/// # Errors
/// Those of the host.
pub fn cancel(feast: Feast<'_>, state: &[u8]) -> Result<()> {
    match decode(state)? {
        Work::Historical(join) => join.cancel(feast),
        Work::Materialisation(fill) => fill.cancel(feast),
    }
}

fn step(work: &Work, now: Now) -> Result<Step> {
    let status = match now {
        Now::Running(progress, poll_after_ms) => Status::Running(Running { progress, poll_after_ms }),
        Now::Succeeded(outcome) => Status::Succeeded(outcome),
        Now::Failed(error) => Status::Failed(error),
    };
    Ok(Step { state: encode(work)?, status })
}

/// A step that went on, with a message.
pub fn running(message: &str, poll_after_ms: u32) -> Now {
    Now::Running(Progress { message: message.to_owned(), fraction: None }, poll_after_ms)
}
