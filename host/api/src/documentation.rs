//! `/openapi.json`, and the page at `/docs` to read it and try it.

use axum::Router;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi as _, openapi};
use utoipa_swagger_ui::SwaggerUi;

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
             Below `/iceberg` the lakehouse is an Iceberg REST catalog, in that protocol's own words.",
        ))
        .build();
    document
}

/// What every operation has in common: all errors are problem bodies.
pub(crate) fn finished(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.responses.responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(problem()));
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn problem() -> openapi::Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description("What was wrong").content(PROBLEM_JSON, content).build()
}

/// The document and its page.
pub(crate) fn pages<S: Clone + Send + Sync + 'static>(document: OpenApi) -> Router<S> {
    SwaggerUi::new("/docs").url("/openapi.json", finished(document)).into()
}
