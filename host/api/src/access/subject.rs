//! What a request made, as its answer names it.

use axum::body::{Body, to_bytes};
use axum::http::{Method, header};
use axum::response::Response;
use serde::Deserialize;

/// Answers that name something are far smaller.
const LARGEST_ANSWER: u64 = 1 << 20;

/// The names under which answers have the id of what was made. Nothing else is read: there may be secrets in an answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    connection_id: Option<String>,
    #[serde(rename = "run_id")]
    run_id: Option<String>,
    #[serde(rename = "deployment_id")]
    deployment_id: Option<String>,
    #[serde(rename = "transformation_id")]
    transformation_id: Option<String>,
    id: Option<String>,
    name: Option<String>,
}

/// The id, and the answer as it was.
pub(super) async fn of(method: &Method, response: Response) -> (Option<String>, Response) {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let size = axum::body::HttpBody::size_hint(response.body()).exact();
    let small = size.is_some_and(|size| size <= LARGEST_ANSWER);
    if *method != Method::POST || !response.status().is_success() || !is_json || !small {
        return (None, response);
    }
    let (parts, body) = response.into_parts();
    // All of it is in memory: it has an exact size.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return (None, Response::from_parts(parts, Body::empty()));
    };
    let named = serde_json::from_slice(&bytes).ok().and_then(Named::subject);
    (named, Response::from_parts(parts, Body::from(bytes)))
}

impl Named {
    fn subject(self) -> Option<String> {
        let ids = [self.connection_id, self.run_id, self.deployment_id, self.transformation_id, self.id, self.name];
        ids.into_iter().flatten().next()
    }
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::response::IntoResponse;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_for_the_id_of_what_was_made_and_passed_on() {
        for (answer, subject) in [
            (json!({"id": "1", "name": "n", "token": "secret"}), Some("1")),
            (json!({"connectionId": "2", "name": "n"}), Some("2")),
            (json!({"transformation_id": "3", "id": 7}), None),
            (json!({"run_id": "4", "name": "n"}), Some("4")),
            (json!({"name": "n"}), Some("n")),
            (json!({"token": "secret"}), None),
            (json!([1]), None),
        ] {
            let (found, response) = of(&Method::POST, Json(&answer).into_response()).await;
            assert_eq!(found.as_deref(), subject, "{answer}");
            let bytes = to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), answer);
        }
        let (found, _) = of(&Method::PUT, Json(json!({"id": "1"})).into_response()).await;
        assert_eq!(found, None);
    }
}
