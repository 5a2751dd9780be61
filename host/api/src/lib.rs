//! The REST API. The router below is its table of contents; a handler takes a request apart, calls one method of the
//! pipeline and shapes the answer. OpenAPI is generated from the handlers, so what `/docs` shows is what runs.

mod access;
mod documentation;
mod environment;
mod extract;
mod features;
mod iceberg;
mod idempotency;
mod ingestion;
mod lakehouse;
mod misspelt;
mod models;
mod peer;
mod pipelines;
mod platform;
mod problem;
mod tls;
mod transforms;

use std::future::IntoFuture;
use std::sync::Arc;

use asgard_pipeline::Pipeline;
use asgard_store::{AuditRetention, Store};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Router, ServiceExt, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::access::Access;
pub use crate::access::{Admission, Limits, OidcConfig, OidcGrant};
use crate::peer::Peer;
use crate::problem::Problem;
use crate::tls::Tls;
pub use crate::tls::TlsFiles;

/// How the API is served.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The environment of the bare routes.
    pub default_environment: String,
    /// Whom it lets in.
    pub admission: Admission,
    /// What each caller may ask of it.
    pub limits: Limits,
    /// How much of the audit trail is kept.
    pub audit: AuditRetention,
    /// None: it speaks HTTP.
    pub tls: Option<TlsFiles>,
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) default_environment: Arc<str>,
    pub(crate) access: Arc<Access>,
    /// Requests that would go on for ever end with this.
    pub(crate) stopping: CancellationToken,
}

/// The API of one host.
pub struct Api {
    router: Router,
    store: Store,
    access: Arc<Access>,
    tls: Option<Tls>,
    stopping: CancellationToken,
}

impl Api {
    /// The API over `pipeline`, which works already: its host is known to be alive. Requests that an earlier life was killed over
    /// are ended first.
    ///
    /// # Errors
    /// Those of the store; `invalid-input` for a certificate or an issuer that cannot be used.
    pub async fn open(pipeline: Arc<Pipeline>, config: ApiConfig) -> asgard_contract::Result<Self> {
        idempotency::end_abandoned(pipeline.store()).await?;
        pipeline.read_steps_by(Arc::new(pipelines::Steps));
        let store = pipeline.store().clone();
        let tls = config.tls.map(Tls::open).transpose()?;
        let access = Arc::new(Access::new(config.admission, config.limits, config.audit, store.clone())?);
        let stopping = CancellationToken::new();
        let app = App {
            pipeline,
            default_environment: config.default_environment.into(),
            access: Arc::clone(&access),
            stopping: stopping.clone(),
        };
        let (routes, document) = routes().split_for_parts();
        let layers = ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(middleware::from_fn(iceberg::as_protocol))
            .layer(CatchPanicLayer::custom(panicked))
            .layer(middleware::from_fn(problem::refusals))
            .layer(middleware::from_fn_with_state(app.clone(), access::guard))
            .layer(DefaultBodyLimit::max(config.limits.body))
            .layer(middleware::from_fn_with_state(app.clone(), idempotency::once));
        let router = routes
            .merge(iceberg::routes())
            .merge(documentation::pages(document))
            .fallback(unknown)
            .layer(layers)
            .with_state(app);
        Ok(Self { router, store, access, tls, stopping })
    }

    /// Serves requests until `shutdown`; those under way are finished.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        // In front of the router: the base URL of an environment is taken off before a route is looked up.
        let service = MapRequestLayer::new(environment::take_prefix).layer(self.router);
        let service = ServiceExt::<Request>::into_make_service_with_connect_info::<Peer>(service);
        let stopping = async move {
            shutdown.cancelled().await;
            self.stopping.cancel();
        };
        let serving = async {
            match &self.tls {
                None => axum::serve(listener, service).with_graceful_shutdown(stopping).await,
                Some(tls) => {
                    let serving = axum::serve(tls.listener(listener), service).with_graceful_shutdown(stopping);
                    tokio::select! {
                        served = serving.into_future() => served,
                        () = tls.follow_files() => Ok(()),
                    }
                }
            }
        };
        let served = tokio::select! {
            served = serving => served,
            () = self.access.keep_house() => Ok(()),
            () = idempotency::keep_ending_abandoned(&self.store) => Ok(()),
        };
        self.access.finish().await;
        served
    }

    /// The OpenAPI document, as `/openapi.json` gives it.
    pub fn document() -> utoipa::openapi::OpenApi {
        documentation::finished(routes().into_openapi())
    }
}

fn routes() -> OpenApiRouter<App> {
    use access::{audit, tokens as access_tokens};
    use features::{push, retrieval, services, views};
    use ingestion::{ingestions, jobs, sinks, sources};
    use lakehouse::{changes, maintenance, query, rows, tables as lakehouse_tables};
    use models::{deployments, registry};
    use pipelines::{definitions, lineage, runs};
    use platform::{environments, follow, health, plugins, secrets, tasks};
    use transforms::{gold, silver, silver_run, tables};
    OpenApiRouter::with_openapi(documentation::heading())
        .routes(routes!(sources::create, sources::list))
        .routes(routes!(sources::get, sources::patch, sources::delete))
        .routes(routes!(sources::streams))
        .routes(routes!(sources::check))
        .routes(routes!(sinks::create, sinks::list))
        .routes(routes!(sinks::get, sinks::patch, sinks::delete))
        .routes(routes!(ingestions::create, ingestions::list))
        .routes(routes!(ingestions::get, ingestions::patch, ingestions::delete))
        .routes(routes!(ingestions::status))
        .routes(routes!(ingestions::reset))
        .routes(routes!(jobs::start))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::logs))
        .routes(routes!(silver::start))
        .routes(routes!(silver::list))
        .routes(routes!(silver::cancel))
        .routes(routes!(silver_run::status))
        .routes(routes!(silver_run::logs))
        .routes(routes!(silver_run::events))
        .routes(routes!(silver_run::metrics))
        .routes(routes!(gold::create))
        .routes(routes!(gold::list))
        .routes(routes!(gold::get, gold::delete))
        .routes(routes!(tables::silver))
        .routes(routes!(tables::gold))
        .routes(routes!(lakehouse_tables::list))
        .routes(routes!(lakehouse_tables::get, lakehouse_tables::delete, changes::patch))
        .routes(routes!(lakehouse_tables::snapshots))
        .routes(routes!(rows::rows))
        .routes(routes!(maintenance::start))
        .routes(routes!(query::query))
        .routes(routes!(views::create, views::list))
        .routes(routes!(views::get, views::delete))
        .routes(routes!(views::status))
        .routes(routes!(services::create, services::list))
        .routes(routes!(services::delete))
        .routes(routes!(retrieval::historical))
        .routes(routes!(retrieval::online))
        .routes(routes!(push::push))
        .routes(routes!(deployments::create))
        .routes(routes!(deployments::list))
        .routes(routes!(deployments::get, deployments::delete))
        .routes(routes!(deployments::logs))
        .routes(routes!(deployments::cancel))
        .routes(routes!(deployments::serve))
        .routes(routes!(registry::list))
        .routes(routes!(registry::get))
        .routes(routes!(registry::status))
        .routes(routes!(definitions::create, definitions::list))
        .routes(routes!(definitions::get, definitions::put, definitions::delete))
        .routes(routes!(definitions::plan))
        .routes(routes!(runs::start, runs::list))
        .routes(routes!(runs::backfill))
        .routes(routes!(runs::get))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::rerun))
        .routes(routes!(lineage::table))
        .routes(routes!(lineage::model))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::get))
        .routes(routes!(tasks::logs))
        .routes(routes!(tasks::events))
        .routes(routes!(follow::stream))
        .routes(routes!(tasks::cancel))
        .routes(routes!(environments::list))
        .routes(routes!(environments::get, environments::put, environments::delete))
        .routes(routes!(environments::plan::plan))
        .routes(routes!(environments::check::check))
        .routes(routes!(environments::promotion::plan, environments::promotion::promote))
        .routes(routes!(environments::revisions::list))
        .routes(routes!(environments::revisions::diff))
        .routes(routes!(environments::revisions::roll_back))
        .routes(routes!(plugins::list, plugins::add).layer(DefaultBodyLimit::max(plugins::LARGEST_REGISTRATION)))
        .routes(routes!(plugins::remove))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::delete))
        .routes(routes!(access_tokens::create, access_tokens::list))
        .routes(routes!(access_tokens::get, access_tokens::revoke))
        .routes(routes!(access_tokens::me))
        .routes(routes!(audit::list))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
}

async fn unknown(request: Request) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is no route {}: GET /docs shows those there are", request.uri().path()),
    )
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the host made a mistake; its log tells more");
    problem.into_response()
}
