//! The same routes under another base URL: `/environments/{name}` in front of a route acts on that environment.
//!
//! The prefix is taken off before routing, so every route exists once, in the code and in the OpenAPI document. Routes of
//! the environments themselves (`/environments/{name}`, `/environments/{name}/revisions`, …) stay as they are.

use axum::http::{Request, Uri, uri::PathAndQuery};

use crate::access::is_of_an_environment;

/// The environment that a request's base URL names.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentName(pub(crate) String);

/// Takes the prefix off, and remembers the name.
pub(crate) fn take_prefix<B>(mut request: Request<B>) -> Request<B> {
    let Some((name, rest)) = split(request.uri().path()) else { return request };
    let query = request.uri().query().map_or_else(String::new, |query| format!("?{query}"));
    let (name, path) = (name.to_owned(), format!("{rest}{query}"));
    let mut parts = request.uri().clone().into_parts();
    let Ok(path_and_query) = PathAndQuery::try_from(path) else { return request };
    parts.path_and_query = Some(path_and_query);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(EnvironmentName(name));
    }
    request
}

fn split(path: &str) -> Option<(&str, &str)> {
    let (name, _) = path.strip_prefix("/environments/")?.split_once('/')?;
    let rest = &path["/environments/".len() + name.len()..];
    let first = rest[1..].split('/').next()?;
    is_of_an_environment(first).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scoped_routes_lose_their_prefix() {
        assert_eq!(split("/environments/dev/datasource/1"), Some(("dev", "/datasource/1")));
        assert_eq!(split("/environments/dev/feast/features"), Some(("dev", "/feast/features")));
        assert_eq!(split("/environments/dev/pipelines"), Some(("dev", "/pipelines")));
        for kept in [
            "/environments/dev",
            "/environments/dev/",
            "/environments/dev/revisions",
            "/environments/dev/plugins",
            "/datasource",
            "/",
        ] {
            assert_eq!(split(kept), None, "{kept}");
        }
    }

    #[test]
    fn the_query_stays() {
        let request = Request::builder().uri("/environments/dev/tasks?page=2").body(()).unwrap();
        let request = take_prefix(request);
        assert_eq!(request.uri(), "/tasks?page=2");
        assert_eq!(request.extensions().get::<EnvironmentName>().unwrap().0, "dev");
    }
}
