//! Objects that the host's engine writes, one after the other, over several steps.

use std::hash::{DefaultHasher, Hash, Hasher};

use asgard_sdk::{Error, Progress, Result, TableName, lakehouse};
use serde::{Deserialize, Serialize};

use crate::host::Host;

/// One Parquet object to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Of the statement, within its task.
    key: String,
    sql: String,
    inputs: Vec<(String, Given)>,
    pub object: String,
    /// Once it is written.
    pub rows: Option<u64>,
}

/// What a name in a statement stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// Namespace and name.
    Table(String, String),
    /// A Parquet object.
    Object(String),
    /// An object with an Arrow IPC stream.
    Arrow(String),
}

/// How far the writes are.
#[derive(Debug)]
pub enum Look {
    Goes(Progress),
    Done,
    Failed(Error),
}

impl Write {
    /// Writes what the statement finds. `named` tells it from the others of its task.
    pub fn new(named: &str, sql: String, inputs: Vec<(String, Given)>, object: String) -> Self {
        // Keys are short names without slashes, objects and views may have long ones.
        let mut hasher = DefaultHasher::new();
        named.hash(&mut hasher);
        Self { key: format!("{:016x}", hasher.finish()), sql, inputs, object, rows: None }
    }

    /// To be written again, as another statement than that of any attempt before.
    pub fn again(&mut self, attempt: u32) {
        let named = self.key.split_once('-').map_or(self.key.as_str(), |(named, _)| named);
        self.key = format!("{named}-{attempt}");
        self.rows = None;
    }

    fn submit(&self, host: &dyn Host) -> Result<()> {
        let statement = statement(host, &self.sql, &self.inputs)?;
        host.submit(&self.key, &statement, &lakehouse::Output::Parquet(self.object.clone()))
    }

    /// Ends it.
    ///
    /// # Errors
    /// Those of the host.
    pub fn cancel(&self, host: &dyn Host) -> Result<()> {
        host.cancel(&self.key)
    }
}

/// A statement in Trino's words.
///
/// # Errors
/// `not-found` for an object that is gone.
pub fn statement(host: &dyn Host, sql: &str, inputs: &[(String, Given)]) -> Result<lakehouse::Statement> {
    let input = |given: &Given| {
        Ok(match given {
            Given::Table(namespace, name) => {
                lakehouse::Input::Table(TableName { namespace: namespace.clone(), name: name.clone() })
            }
            Given::Object(key) => lakehouse::Input::Object(key.clone()),
            Given::Arrow(key) => lakehouse::Input::Arrow(host.get_object(key)?),
        })
    };
    let inputs = inputs.iter().map(|(name, given)| Ok((name.clone(), input(given)?))).collect::<Result<_>>()?;
    Ok(lakehouse::Statement { sql: sql.to_owned(), dialect: lakehouse::Dialect::Trino, inputs })
}

/// Goes on with the first that is not written. A host that was started anew knows none of them: then it is submitted again.
///
/// # Errors
/// Those of the host.
pub fn go_on(host: &dyn Host, writes: &mut [Write]) -> Result<Look> {
    let Some(write) = writes.iter_mut().find(|write| write.rows.is_none()) else { return Ok(Look::Done) };
    match host.poll(&write.key) {
        Ok(lakehouse::Status::Running(now)) => Ok(Look::Goes(now.progress)),
        Ok(lakehouse::Status::Succeeded(written)) => {
            write.rows = Some(written.rows);
            Ok(Look::Goes(Progress { message: format!("{} rows are written", written.rows), fraction: None }))
        }
        Ok(lakehouse::Status::Failed(error)) => Ok(Look::Failed(error)),
        Err(Error::NotFound(_)) => {
            if let Err(error) = write.submit(host) {
                return Ok(Look::Failed(error));
            }
            Ok(Look::Goes(Progress { message: "writing what Feast reads".to_owned(), fraction: None }))
        }
        Err(error) => Err(error),
    }
}
