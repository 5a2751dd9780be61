//! Errors in the protocol's shape: `{"error": {"message", "type", "code"}}`. Clients choose their exception by status and type.

use asgard_contract::Error;
use asgard_lakehouse::iceberg_rest::RestError;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use serde::Serialize;

use super::BASE;
use crate::problem::Problem;

/// Problem bodies are far smaller.
const LARGEST_PROBLEM: usize = 1 << 20;

/// What handlers of the protocol answer.
pub(super) type Result<T> = std::result::Result<T, CatalogError>;

/// An error as the protocol has it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CatalogError {
    message: String,
    r#type: &'static str,
    code: u16,
}

impl CatalogError {
    pub(super) fn new(status: StatusCode, r#type: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), r#type, code: status.as_u16() }
    }
}

impl From<RestError> for CatalogError {
    fn from(error: RestError) -> Self {
        let (status, kind) = match &error {
            RestError::NoSuchNamespace(_) => (StatusCode::NOT_FOUND, "NoSuchNamespaceException"),
            RestError::NoSuchTable(_) => (StatusCode::NOT_FOUND, "NoSuchTableException"),
            RestError::NoSuchView(_) => (StatusCode::NOT_FOUND, "NoSuchViewException"),
            RestError::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExistsException"),
            RestError::NamespaceNotEmpty(_) => (StatusCode::CONFLICT, "NamespaceNotEmptyException"),
            RestError::CommitFailed(_) => (StatusCode::CONFLICT, "CommitFailedException"),
            RestError::CommitStateUnknown(_) => (StatusCode::INTERNAL_SERVER_ERROR, "CommitStateUnknownException"),
            RestError::BadRequest(_) => (StatusCode::BAD_REQUEST, "BadRequestException"),
            RestError::Unsupported(_) => (StatusCode::NOT_ACCEPTABLE, "UnsupportedOperationException"),
            RestError::Other(other) => of_contract(other),
        };
        if status.is_server_error() {
            tracing::error!(%error, "a request of the Iceberg catalog failed");
        }
        Self::new(status, kind, error.to_string())
    }
}

fn of_contract(error: &Error) -> (StatusCode, &'static str) {
    match error {
        Error::InvalidInput { .. } | Error::Unauthenticated { .. } => (StatusCode::BAD_REQUEST, "BadRequestException"),
        Error::Unsupported { .. } => (StatusCode::NOT_ACCEPTABLE, "UnsupportedOperationException"),
        Error::Forbidden { .. } => (StatusCode::FORBIDDEN, "ForbiddenException"),
        Error::NotFound { .. } => (StatusCode::NOT_FOUND, "NotFoundException"),
        Error::Conflict { .. } => (StatusCode::CONFLICT, "CommitFailedException"),
        Error::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException"),
        Error::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException"),
    }
}

impl From<Problem> for CatalogError {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, of_status(status), problem.detail)
    }
}

impl IntoResponse for CatalogError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Answer {
            error: CatalogError,
        }
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(Answer { error: self })).into_response()
    }
}

fn of_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "NotAuthorizedException",
        StatusCode::FORBIDDEN => "ForbiddenException",
        StatusCode::NOT_FOUND => "NotFoundException",
        StatusCode::METHOD_NOT_ALLOWED => "UnsupportedOperationException",
        StatusCode::CONFLICT => "CommitFailedException",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequestsException",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableException",
        status if status.is_client_error() => "BadRequestException",
        _ => "InternalServerException",
    }
}

/// What the layers around the handlers refuse (a missing token, an unknown route, a body over the limit) comes as a problem
/// body; a client of the protocol gets it in the protocol's shape.
pub(crate) async fn as_protocol(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let of_protocol = path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let response = next.run(request).await;
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if !of_protocol || !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, LARGEST_PROBLEM).await.unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let message = problem.get("detail").and_then(serde_json::Value::as_str).unwrap_or("the request was refused");
    let (own, body) = CatalogError::new(parts.status, of_status(parts.status), message).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(own.headers);
    Response::from_parts(parts, Body::new(body))
}
