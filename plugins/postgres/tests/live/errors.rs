//! Looking into errors.

use asgard_sdk::Error;

/// The field of wrong input.
#[track_caller]
pub(crate) fn field(error: &Error) -> &str {
    match error {
        Error::InvalidInput(input) => input.field.as_deref().unwrap_or_default(),
        other => panic!("not about input: {other:?}"),
    }
}

/// The message.
pub(crate) fn words(error: &Error) -> &str {
    match error {
        Error::InvalidInput(input) => &input.message,
        Error::Unavailable(unavailable) => &unavailable.message,
        Error::Unauthenticated(text)
        | Error::Forbidden(text)
        | Error::NotFound(text)
        | Error::Conflict(text)
        | Error::Unsupported(text)
        | Error::Internal(text) => text,
    }
}
