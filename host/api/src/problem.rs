//! Errors as clients see them: RFC 9457 problem bodies. The one place where an error becomes an HTTP status.

use asgard_contract::Error;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of problem bodies.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// What handlers answer.
pub(crate) type Result<T> = std::result::Result<T, Problem>;

/// What was wrong with one field of the request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// A path into the request: `config.host`, `features[2].dtype`.
    pub(crate) field: String,
    pub(crate) message: String,
}

/// A problem body (RFC 9457, `application/problem+json`).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    pub(crate) r#type: String,
    /// The status in words.
    pub(crate) title: String,
    pub(crate) status: u16,
    /// What was wrong, what was expected, what to do.
    pub(crate) detail: String,
    /// The fields that are wrong; empty unless the request is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<FieldError>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem with this status.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds: None,
        }
    }

    /// The client may ask again then.
    pub(crate) fn retry_after(mut self, seconds: f64) -> Self {
        let whole = std::time::Duration::try_from_secs_f64(seconds.ceil()).map_or(1, |wait| wait.as_secs());
        self.retry_after_seconds = Some(whole.max(1));
        self
    }

    /// 422 for one field.
    pub(crate) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: {message}"));
        problem.errors.push(FieldError { field, message });
        problem
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidInput { field: Some(field), message } => Self::field(field, message),
            Error::InvalidInput { field: None, message }
            | Error::Unauthenticated { message }
            | Error::Unsupported { message } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, message),
            Error::Forbidden { message } => Self::new(StatusCode::FORBIDDEN, message),
            Error::NotFound { message } => Self::new(StatusCode::NOT_FOUND, message),
            Error::Conflict { message } => Self::new(StatusCode::CONFLICT, message),
            Error::Unavailable { message, retry_after_ms } => {
                let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
                problem.retry_after_seconds = Some(retry_after_ms.map_or(1, |ms| ms.div_ceil(1000).max(1)));
                problem
            }
            Error::Internal { message } => {
                tracing::error!(%message, "request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }
}

impl From<asgard_store::StoreError> for Problem {
    fn from(error: asgard_store::StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<asgard_tasks::TasksError> for Problem {
    fn from(error: asgard_tasks::TasksError) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Gives the framework's own refusals (a method that a route lacks, a body over the limit) the shape of all others.
pub(crate) async fn refusals(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let mut problem = Problem::new(response.status(), format!("{path} has no {method}: GET /docs shows what there is"))
        .into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_status() {
        for (error, status) in [
            (Error::invalid("a", "b"), 422),
            (Error::unauthenticated("b"), 422),
            (Error::unsupported("b"), 422),
            (Error::forbidden("b"), 403),
            (Error::not_found("b"), 404),
            (Error::conflict("b"), 409),
            (Error::unavailable("b"), 503),
            (Error::internal("b"), 500),
        ] {
            assert_eq!(Problem::from(error).status, status);
        }
    }

    #[test]
    fn wrong_input_names_its_field_in_detail_and_in_errors() {
        let problem = Problem::from(Error::invalid("config.host", "is missing"));
        assert_eq!(problem.detail, "config.host: is missing");
        assert_eq!(problem.errors[0].field, "config.host");
    }
}
