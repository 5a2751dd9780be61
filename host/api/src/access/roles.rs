//! Which role each route wants: the one table of it.
//!
//! Routes are told apart by their first segment and by whether they only read. A route that no line knows wants an admin of
//! the whole host, so a new resource is closed until its line is written; a test names the routes without one.

use asgard_store::AccessRole;
use axum::http::Method;

/// What a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing that environments keep apart.
    Anywhere,
    /// The environment of the base URL, or the one that `/environments/{name}` names.
    Environment,
    /// The host as a whole, with what all environments share.
    Host,
}

/// What a route wants of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// None: everyone may.
    pub(super) role: Option<AccessRole>,
    pub(super) place: Place,
    /// Whether what there is may be another after it.
    pub(super) changes: bool,
}

const fn rule(role: AccessRole, place: Place) -> Rule {
    Rule { role: Some(role), place, changes: false }
}

const OPEN: Rule = Rule { role: None, place: Place::Anywhere, changes: false };
const VIEWER: Rule = rule(AccessRole::Viewer, Place::Environment);
const OPERATOR: Rule = rule(AccessRole::Operator, Place::Environment);
const ADMIN: Rule = rule(AccessRole::Admin, Place::Environment);
const VIEWER_ANYWHERE: Rule = rule(AccessRole::Viewer, Place::Anywhere);
const ADMIN_OF_HOST: Rule = rule(AccessRole::Admin, Place::Host);

/// Its routes name the environment themselves.
const ENVIRONMENTS: &str = "environments";

/// First segment, what reading wants, what changing wants.
const AREAS: [(&str, Rule, Rule); 20] = [
    // Probes carry no token; the page and the document are in the source, and the page is where one types a token in.
    ("health", OPEN, OPEN),
    ("ready", OPEN, OPEN),
    ("docs", OPEN, OPEN),
    ("openapi.json", OPEN, OPEN),
    ("datasource", VIEWER, OPERATOR),
    ("sink", VIEWER, OPERATOR),
    ("ingestion", VIEWER, OPERATOR),
    ("spark", VIEWER, OPERATOR),
    ("dbt", VIEWER, OPERATOR),
    ("feast", VIEWER, OPERATOR),
    ("mlops", VIEWER, OPERATOR),
    ("pipelines", VIEWER, OPERATOR),
    ("lineage", VIEWER, OPERATOR),
    ("lakehouse", VIEWER, OPERATOR),
    ("tasks", VIEWER, OPERATOR),
    ("iceberg", VIEWER, OPERATOR),
    (ENVIRONMENTS, VIEWER, ADMIN),
    ("secrets", ADMIN, ADMIN),
    ("plugins", VIEWER_ANYWHERE, ADMIN_OF_HOST),
    ("access", ADMIN_OF_HOST, ADMIN_OF_HOST),
];

/// Routes that are not as the others of their area.
const EXCEPTIONS: [(Method, &str, Rule); 7] = [
    (Method::POST, "/lakehouse/query", VIEWER),
    (Method::POST, "/feast/features/online", VIEWER),
    // How a scan went; clients that read send it unasked.
    (Method::POST, "/iceberg/v1/namespaces/{namespace}/tables/{table}/metrics", VIEWER),
    (Method::GET, "/access/me", VIEWER_ANYWHERE),
    // They change nothing and ask nobody.
    (Method::POST, "/environments/{name}/plan", VIEWER),
    (Method::POST, "/pipelines/{name}/plan", VIEWER),
    // It changes nothing, and asks every backend with the environment's own credentials.
    (Method::POST, "/environments/{name}/check", OPERATOR),
];

/// Whether routes that begin with this segment act on the environment of the base URL.
pub(crate) fn is_of_an_environment(segment: &str) -> bool {
    segment != ENVIRONMENTS && area(segment).is_some_and(|(reads, _)| reads.place == Place::Environment)
}

/// What a route wants, as the router wrote it down; none = there is no such route.
pub(super) fn wanted(method: &Method, route: Option<&str>) -> Rule {
    let Some(route) = route else { return VIEWER_ANYWHERE };
    if let Some((_, _, rule)) = EXCEPTIONS.iter().find(|(of, path, _)| of == method && *path == route) {
        return *rule;
    }
    let reads = method.is_safe();
    let (of_reads, of_changes) = area(first(route)).unwrap_or((ADMIN_OF_HOST, ADMIN_OF_HOST));
    if reads { of_reads } else { Rule { changes: of_changes.role.is_some(), ..of_changes } }
}

fn first(route: &str) -> &str {
    route.split('/').nth(1).unwrap_or_default()
}

fn area(segment: &str) -> Option<(Rule, Rule)> {
    let found = AREAS.iter().find(|(area, ..)| *area == segment);
    found.map(|(_, reads, changes)| (*reads, *changes))
}

/// The role that a route of the document wants.
pub(crate) fn role_of(method: &Method, route: &str) -> Option<AccessRole> {
    wanted(method, Some(route)).role
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_document_has_a_line() {
        let document = crate::Api::document();
        let unknown: Vec<_> = document.paths.paths.keys().filter(|route| area(first(route)).is_none()).collect();
        assert!(unknown.is_empty(), "add a line to AREAS for {unknown:?}");
    }

    #[test]
    fn every_exception_is_a_route() {
        let document = crate::Api::document();
        for (method, route, _) in EXCEPTIONS {
            let known = document.paths.paths.contains_key(route) || route.starts_with("/iceberg/");
            assert!(known, "{method} {route}");
        }
    }

    #[test]
    fn reading_wants_a_viewer_working_an_operator_and_governing_an_admin() {
        use AccessRole::{Admin, Operator, Viewer};
        for (method, route, role) in [
            (Method::GET, "/health", None),
            (Method::GET, "/datasource", Some(Viewer)),
            (Method::HEAD, "/iceberg/v1/namespaces/{namespace}/tables/{table}", Some(Viewer)),
            (Method::POST, "/lakehouse/query", Some(Viewer)),
            (Method::POST, "/datasource", Some(Operator)),
            (Method::POST, "/iceberg/v1/transactions/commit", Some(Operator)),
            (Method::DELETE, "/iceberg/v1/namespaces/{namespace}", Some(Operator)),
            (Method::POST, "/feast/features/historical", Some(Operator)),
            (Method::POST, "/feast/features/{name}/push", Some(Operator)),
            (Method::GET, "/environments/{name}", Some(Viewer)),
            (Method::PUT, "/environments/{name}", Some(Admin)),
            (Method::DELETE, "/environments/{name}", Some(Admin)),
            (Method::POST, "/environments/{name}/plan", Some(Viewer)),
            (Method::POST, "/environments/{name}/promotion", Some(Admin)),
            (Method::POST, "/pipelines/{name}/runs", Some(Operator)),
            (Method::GET, "/plugins", Some(Viewer)),
            (Method::POST, "/plugins", Some(Admin)),
            (Method::GET, "/secrets", Some(Admin)),
            (Method::GET, "/access/tokens", Some(Admin)),
            (Method::GET, "/access/me", Some(Viewer)),
            (Method::GET, "/a/route/of/tomorrow", Some(Admin)),
        ] {
            assert_eq!(role_of(&method, route), role, "{method} {route}");
        }
    }

    #[test]
    fn what_only_reads_is_no_change() {
        assert!(!wanted(&Method::POST, Some("/lakehouse/query")).changes);
        assert!(!wanted(&Method::GET, Some("/secrets")).changes);
        assert!(!wanted(&Method::DELETE, Some("/health")).changes);
        assert!(wanted(&Method::PUT, Some("/secrets/{name}")).changes);
        assert!(wanted(&Method::POST, Some("/access/tokens")).changes);
    }
}
