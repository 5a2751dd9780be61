//! `asgard:plugin/types`: errors, progress, names of tables and columns.

use asgard_contract::{Column, Error, Progress, Status, TableName};

use crate::host::Host;
pub(super) use crate::v0_1_0::bindings::imports::asgard::plugin::types as wit;

impl wit::Host for Host {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::InvalidInput(wit::InvalidInput { field, message }) => Self::InvalidInput { field, message },
            wit::Error::Unauthenticated(message) => Self::Unauthenticated { message },
            wit::Error::Forbidden(message) => Self::Forbidden { message },
            wit::Error::NotFound(message) => Self::NotFound { message },
            wit::Error::Conflict(message) => Self::Conflict { message },
            wit::Error::Unavailable(wit::Unavailable { message, retry_after_ms }) => {
                Self::Unavailable { message, retry_after_ms }
            }
            wit::Error::Unsupported(message) => Self::Unsupported { message },
            wit::Error::Internal(message) => Self::Internal { message },
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidInput { field, message } => Self::InvalidInput(wit::InvalidInput { field, message }),
            Error::Unauthenticated { message } => Self::Unauthenticated(message),
            Error::Forbidden { message } => Self::Forbidden(message),
            Error::NotFound { message } => Self::NotFound(message),
            Error::Conflict { message } => Self::Conflict(message),
            Error::Unavailable { message, retry_after_ms } => {
                Self::Unavailable(wit::Unavailable { message, retry_after_ms })
            }
            Error::Unsupported { message } => Self::Unsupported(message),
            Error::Internal { message } => Self::Internal(message),
        }
    }
}

impl From<wit::Progress> for Progress {
    fn from(progress: wit::Progress) -> Self {
        let fraction =
            progress.fraction.filter(|fraction| fraction.is_finite()).map(|fraction| fraction.clamp(0.0, 1.0));
        Self { message: progress.message, fraction }
    }
}

impl From<Progress> for wit::Progress {
    fn from(progress: Progress) -> Self {
        Self { message: progress.message, fraction: progress.fraction }
    }
}

pub(super) fn running<T>(running: wit::Running) -> Status<T> {
    Status::Running { progress: running.progress.into(), poll_after_ms: running.poll_after_ms }
}

impl From<wit::TableName> for TableName {
    fn from(name: wit::TableName) -> Self {
        Self { namespace: name.namespace, name: name.name }
    }
}

impl From<TableName> for wit::TableName {
    fn from(name: TableName) -> Self {
        Self { namespace: name.namespace, name: name.name }
    }
}

impl From<wit::Column> for Column {
    fn from(column: wit::Column) -> Self {
        Self { name: column.name, data_type: column.data_type, nullable: column.nullable, doc: column.doc }
    }
}

impl From<Column> for wit::Column {
    fn from(column: Column) -> Self {
        Self { name: column.name, data_type: column.data_type, nullable: column.nullable, doc: column.doc }
    }
}

/// A whole list.
pub(super) fn list<From, To: std::convert::From<From>>(items: Vec<From>) -> Vec<To> {
    items.into_iter().map(Into::into).collect()
}
