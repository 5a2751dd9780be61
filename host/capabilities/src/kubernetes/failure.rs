//! The API server's errors in the contract's words.
//!
//! | answer | error |
//! | --- | --- |
//! | 401 | `unauthenticated` |
//! | 403 | `forbidden`: the cluster's own rules, which the grants here cannot change; or a quota, in the server's words |
//! | 404 | `not-found` |
//! | 409 | `conflict` |
//! | 400, 422 | `invalid-input` with the field of the manifest |
//! | 408, 429, 500, 502, 503, 504, no answer | `unavailable`, with the server's own wish for a delay |

use asgard_contract::Error;
use kube::core::Status;

use super::Reference;

/// What `error` means to whoever asked for the resource.
pub(super) fn of(error: kube::Error, reference: &Reference) -> Error {
    match error {
        kube::Error::Api(status) => of_status(&status, reference),
        kube::Error::Auth(error) => {
            Error::Unauthenticated { message: format!("the cluster's credentials cannot be had: {error}") }
        }
        kube::Error::SerdeError(error) => {
            Error::internal(format!("the API server's answer about {} cannot be read: {error}", reference.shown()))
        }
        other => Error::unavailable(format!("the API server did not answer: {}", with_causes(&other))),
    }
}

fn of_status(status: &Status, reference: &Reference) -> Error {
    let shown = reference.shown();
    let message = format!("{shown}: {}", status.message);
    match status.code {
        401 => {
            Error::Unauthenticated { message: format!("the API server does not know the host's account: {message}") }
        }
        403 => Error::forbidden(format!("the cluster does not allow it: {message}")),
        404 => Error::not_found(message),
        409 => Error::conflict(message),
        400 | 422 => {
            let field = status.details.as_ref().and_then(|details| details.causes.first());
            match field.filter(|cause| !cause.field.is_empty()) {
                Some(cause) => Error::invalid(cause.field.clone(), message),
                None => Error::InvalidInput { field: None, message },
            }
        }
        408 | 429 | 500.. => {
            let seconds = status.details.as_ref().map_or(0, |details| u64::from(details.retry_after_seconds));
            Error::Unavailable { message, retry_after_ms: (seconds > 0).then_some(seconds * 1000) }
        }
        code => Error::internal(format!("the API server answered with {code}: {message}")),
    }
}

/// The answer in the place of a log.
pub(super) fn of_log(code: u16, body: &str, reference: &Reference) -> Error {
    let status = serde_json::from_str::<Status>(body).unwrap_or_else(|_| Status::failure(body.trim(), ""));
    // The node has not made the container yet: the API server calls that a bad request.
    if code == 400 && status.message.contains("waiting to start") {
        return Error::unavailable(format!("{}: {}", reference.shown(), status.message));
    }
    of_status(&Status { code, ..status }, reference)
}

/// A message with those below it, which say the reason.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(cause) = inner {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        inner = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Reference {
        Reference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: "jobs".to_owned(),
            name: "x".to_owned(),
        }
    }

    fn answered(status: serde_json::Value) -> Error {
        of(kube::Error::Api(serde_json::from_value(status).unwrap()), &pod())
    }

    #[test]
    fn answers_have_the_contracts_meaning() {
        let error = answered(json!({
            "kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid", "message": "Job is invalid",
            "details": {"causes": [{"reason": "FieldValueRequired", "field": "spec.template", "message": "Required"}]},
        }));
        assert_eq!(error, Error::invalid("spec.template", "v1/Pod jobs/x: Job is invalid"));
        let error = answered(json!({
            "status": "Failure", "code": 429, "message": "busy", "details": {"retryAfterSeconds": 7},
        }));
        assert!(matches!(error, Error::Unavailable { retry_after_ms: Some(7000), .. }));
        let error = answered(json!({"status": "Failure", "code": 403, "message": "exceeded quota: small"}));
        assert!(matches!(&error, Error::Forbidden { message } if message.contains("exceeded quota")));
        assert!(matches!(answered(json!({"status": "Failure", "code": 404, "message": "m"})), Error::NotFound { .. }));
        assert!(matches!(answered(json!({"status": "Failure", "code": 409, "message": "m"})), Error::Conflict { .. }));
        assert!(matches!(
            answered(json!({"status": "Failure", "code": 401, "message": "m"})),
            Error::Unauthenticated { .. }
        ));
    }

    #[test]
    fn a_log_that_has_not_begun_can_be_asked_for_again() {
        let waiting = json!({
            "status": "Failure", "code": 400,
            "message": "container \"main\" in pod \"x\" is waiting to start: ContainerCreating",
        });
        assert!(matches!(of_log(400, &waiting.to_string(), &pod()), Error::Unavailable { .. }));
        assert!(matches!(of_log(404, "no page", &pod()), Error::NotFound { .. }));
    }
}
