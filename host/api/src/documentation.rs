//! `/openapi.json`, and the page at `/docs` to read it and try it.

use axum::Router;
use axum::http::Method;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, openapi};
use utoipa_swagger_ui::SwaggerUi;

use crate::access;
use crate::problem::{FieldError, PROBLEM_JSON, Problem};

#[derive(utoipa::OpenApi)]
#[openapi(
    components(schemas(Problem, FieldError)),
    tags(
        (name = "Ingestion", description = "Sources, sinks, and the syncs between them"),
        (name = "Silver", description = "Spark SQL that cleans bronze tables"),
        (name = "Gold", description = "dbt models"),
        (name = "Pipelines", description = "All steps as one graph: run, scheduled, repeated from where it failed, for each date of a range"),
        (name = "Lakehouse", description = "Tables: what is in them, their history, changes, maintenance, SQL"),
        (name = "Features", description = "Feature views, point-in-time joins, online reads"),
        (name = "Models", description = "Training, registry and serving"),
        (name = "Access", description = "Who may ask for what, and who did: API tokens, the audit trail"),
        (name = "Platform", description = "Environments, plugins, secrets, tasks, health"),
    )
)]
struct Heading;

pub(crate) fn heading() -> OpenApi {
    let mut document = Heading::openapi();
    document.info = InfoBuilder::new()
        .title("Asgard")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "From raw tables to a deployed model. Every route that names no environment acts on the default one; \
             `/environments/{name}` in front of it acts on that one. `Idempotency-Key` is honoured on every POST. \
             `x-role` is the role that an operation wants of its caller: `viewer`, `operator` or `admin`. \
             Below `/iceberg` the lakehouse is an Iceberg REST catalog, in that protocol's own words.",
        ))
        .build();
    document
}

/// How a caller says who they are, by this name in the document.
const BEARER: &str = "bearer";

/// What every operation has in common: all errors are problem bodies, and a role is wanted of the caller.
pub(crate) fn finished(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.responses.responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(problem()));
            match access::role_of(&method, path) {
                Some(role) => {
                    let role = ExtensionsBuilder::new().add("x-role", role.as_str()).build();
                    operation.extensions.get_or_insert_default().merge(role);
                }
                None => operation.security = Some(Vec::new()),
            }
        }
    }
    // The second requirement is empty: a host that listens on loopback only may want nothing.
    document.security = Some(vec![SecurityRequirement::new(BEARER, [""; 0]), SecurityRequirement::default()]);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API token (`asgard token create`), a token of the host's OpenID Connect issuer, or the token that it was \
             started with"))
        .build();
    document.components.get_or_insert_default().add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn problem() -> openapi::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description("What was wrong").content(PROBLEM_JSON, content).build()
}

/// The document and its page.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>(document: OpenApi) -> Router<S> {
    SwaggerUi::new("/docs").url("/openapi.json", finished(document)).into()
}
