//! Who may ask: with a token configured, everyone who carries it; without one the host listens on loopback only.

use std::hint::black_box;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::App;
use crate::problem::Problem;

/// Open to everyone: probes of a load balancer carry no token.
const OPEN: [&str; 2] = ["/health", "/ready"];

pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(token) = &app.token else { return next.run(request).await };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let allowed = OPEN.contains(&request.uri().path()) || given.is_some_and(|given| same(given, token));
    if allowed {
        return next.run(request).await;
    }
    let what = "this host wants a token: send the header `Authorization: Bearer TOKEN`";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, what).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Takes the same time wherever the two differ, so that a token cannot be guessed letter by letter.
fn same(given: &str, token: &str) -> bool {
    let (given, token) = (given.as_bytes(), token.as_bytes());
    given.len() == token.len() && black_box(given.iter().zip(token).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same("secret", "secret"));
        for other in ["", "secre", "secrets", "Secret"] {
            assert!(!same(other, "secret"), "{other}");
        }
    }
}
