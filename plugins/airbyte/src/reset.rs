//! A reset of an ingestion, as Airbyte does it.
//!
//! The host counts resets, and Airbyte keeps by itself how far a connection's syncs came. So the count of the last reset that Airbyte
//! knows of is remembered, and a sync that comes with a higher one has Airbyte forget first:
//!
//! - Airbyte's own reset is a job that empties the connection's tables too. The next sync fills them with all rows, which is what the
//!   host's reset means for streams that are merged or replaced.
//! - Rows of a stream that appends are to stay. A connection with such a stream is made anew, and its state goes with the one before.

use asgard_sdk::connector::{Ingestion, SyncMode};
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::configuration::Configuration;
use crate::host::Host;
use crate::inventory::Inventory;
use crate::jobs::{newest, wait_for_others};
use crate::wire::{Job, NewJob};

const KEY: &str = "resets";

/// Airbyte's word for the job.
const KIND: &str = "reset";

/// What is remembered of an ingestion.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Noted {
    /// Resets of the host that Airbyte knows of.
    done: u32,
    under_way: Option<UnderWay>,
}

/// A reset that Airbyte is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UnderWay {
    resets: u32,
    connection: String,
    /// The newest reset of the connection before it, 0 where there was none: as with syncs, it is asked for once.
    before: i64,
    job: Option<i64>,
}

fn bucket(ingestion: &Ingestion) -> String {
    format!("ingestion-{}", ingestion.id)
}

fn recall(host: &dyn Host, ingestion: &Ingestion) -> Result<Noted> {
    let noted = host.recall(&bucket(ingestion), KEY)?.map(|bytes| asgard_sdk::decode(&bytes)).transpose()?;
    Ok(noted.unwrap_or_default())
}

fn note(host: &dyn Host, ingestion: &Ingestion, noted: &Noted) -> Result<()> {
    host.remember(&bucket(ingestion), KEY, &asgard_sdk::encode(noted)?)
}

/// Airbyte keeps nothing of the time before the ingestion's last reset: its job has ended, or the connection was just made.
///
/// # Errors
/// `forbidden` without the grant.
pub fn done(host: &dyn Host, ingestion: &Ingestion) -> Result<()> {
    if host.resets() == 0 {
        return Ok(());
    }
    note(host, ingestion, &Noted { done: host.resets(), under_way: None })
}

/// The reset's job did not do it: the next sync asks for another.
fn failed(host: &dyn Host, ingestion: &Ingestion) -> Result<()> {
    note(host, ingestion, &Noted { under_way: None, ..recall(host, ingestion)? })
}

/// The ingestion is no more.
///
/// # Errors
/// `forbidden` without the grant.
pub fn forget(host: &dyn Host, ingestion: &Ingestion) -> Result<()> {
    if host.resets() == 0 { Ok(()) } else { host.forget(&bucket(ingestion)) }
}

fn appends(mode: SyncMode) -> bool {
    matches!(mode, SyncMode::FullRefreshAppend | SyncMode::IncrementalAppend)
}

/// Has Airbyte forget what it kept before the ingestion's last reset; answers with the job to wait for, if one does it.
///
/// # Errors
/// `unavailable` while somebody else's sync runs; those of the server.
pub fn begin(host: &dyn Host, configuration: &Configuration, ingestion: &Ingestion) -> Result<Option<i64>> {
    if host.resets() == 0 {
        return Ok(None);
    }
    let noted = recall(host, ingestion)?;
    if noted.done >= host.resets() {
        return Ok(None);
    }
    let (inventory, client) = (Inventory::new(host, configuration)?, Client::new(host, configuration));
    if ingestion.streams.iter().any(|stream| appends(stream.sync_mode)) {
        match inventory.connection(ingestion) {
            Ok(connection) => wait_for_others(newest(&client, &connection, "sync")?.as_ref())?,
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        inventory.renew(ingestion)?;
        return Ok(None);
    }
    let note =
        |under_way: &UnderWay| note(host, ingestion, &Noted { done: noted.done, under_way: Some(under_way.clone()) });
    let mut under_way = match noted.under_way.clone().filter(|under_way| under_way.resets == host.resets()) {
        Some(under_way) => under_way,
        None => {
            // Streams may have other keys since the reset.
            let connection = inventory.ingestion(ingestion)?.connection;
            if recall(host, ingestion)?.done >= host.resets() {
                return Ok(None);
            }
            wait_for_others(newest(&client, &connection, "sync")?.as_ref())?;
            let before = newest(&client, &connection, KIND)?;
            wait_for_others(before.as_ref())?;
            let before = before.map_or(0, |job| job.job_id);
            let under_way = UnderWay { resets: host.resets(), connection, before, job: None };
            note(&under_way)?;
            under_way
        }
    };
    if let Some(job) = under_way.job {
        return Ok(Some(job));
    }
    let job: Job = match newest(&client, &under_way.connection, KIND)?.filter(|job| job.job_id > under_way.before) {
        Some(job) => job,
        None => client.send("POST", "/jobs", &NewJob { connection_id: &under_way.connection, job_type: KIND })?,
    };
    under_way.job = Some(job.job_id);
    note(&under_way)?;
    Ok(Some(job.job_id))
}

/// Whether the job of a reset has ended as it should.
///
/// # Errors
/// Why it has not; those of the server.
pub fn is_over(host: &dyn Host, ingestion: &Ingestion, number: i64, job: Option<&Job>) -> Result<bool> {
    let Some(job) = job else {
        failed(host, ingestion)?;
        return Err(Error::NotFound(format!("job {number}, a reset, is no longer in Airbyte: its end is not known")));
    };
    match job.status.as_str() {
        "succeeded" => done(host, ingestion).map(|()| true),
        status @ ("failed" | "cancelled") => {
            failed(host, ingestion)?;
            Err(Error::Conflict(format!(
                "job {number}, a reset, ended as {status} in Airbyte, so no sync was started: the next one asks for another reset"
            )))
        }
        _ => Ok(false),
    }
}
