//! Interface `feature-source`.

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::features::{
    Dtype, EntityRows, Feature, FeatureService, FeatureView, HistoricalRequest, OnlineRequest, Outcome, Request,
    Selection,
};
use asgard_contract::lakehouse::{Dialect, Output, Statement, TableWrite, WriteMode};
use asgard_contract::{Error, Progress, Result, Step, TableName};
use asgard_plugins::FeatureSource;
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, ensure, fail, said};
use crate::stepper::{self, Stepper};

const NAMES: [&str; 7] = [
    "the backend tells about itself",
    "a view of a column that is not there is refused with its field",
    "a view and a service are registered twice",
    "historical features are found, whatever crashes",
    "a materialised view is read online, with nulls for entities that are not there",
    "a state that it never gave is refused, and traps nothing",
    "view and service are removed twice",
];

/// Every check.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    if !bench.shares_lakehouse() {
        suite.skipped(&NAMES, "it does not ask for the lakehouse, where the suite makes its tables");
        return;
    }
    let [information, refused, registered, historical, online, foreign, removed] = NAMES;
    let asked = async {
        source(bench, "information").await?.information().await?;
        Ok(())
    };
    suite.check(information, configured(bench, asked)).await;
    suite.check("a table for the views is made", table(bench, 2)).await;
    suite.check(refused, configured(bench, refuses(bench))).await;
    suite.check(registered, configured(bench, registers(bench))).await;
    suite.check(historical, configured(bench, joins(bench))).await;
    suite.check(online, configured(bench, reads_online(bench))).await;
    let foreign_state =
        async { stepper::refuses_foreign_states(&work(bench, "foreign", Request::Materialise(view())).await?).await };
    suite.check(foreign, configured(bench, foreign_state)).await;
    suite.check(removed, configured(bench, removes(bench))).await;
}

pub(crate) async fn source(bench: &Bench, task: &str) -> Found<FeatureSource> {
    Ok(bench.plugin.feature_source(bench.call(&format!("conformance-{task}")).await?))
}

/// Two operators, one of them with two rows, the later one of a given day of 2024-01.
pub(crate) async fn table(bench: &Bench, day: u32) -> Found {
    let sql = format!(
        "SELECT * FROM (VALUES (1, 10, TIMESTAMP '2024-01-01 00:00:00'), (1, 11, TIMESTAMP '2024-01-{day:02} 00:00:00'), \
        (2, 20, TIMESTAMP '2024-01-01 00:00:00')) AS t (operator, speed, seen)"
    );
    let statement = Statement { sql, dialect: Dialect::Trino, inputs: Vec::new() };
    let output = Output::Table(TableWrite {
        table: view().source,
        mode: WriteMode::Replace,
        key: Vec::new(),
        properties: Vec::new(),
    });
    let (progress, _told) = watch::channel(Progress::default());
    bench.lakehouse.run(&format!("conformance-features-{day}"), statement, output, progress).await?;
    Ok(())
}

pub(crate) fn view() -> FeatureView {
    FeatureView {
        name: "conformance_operators".to_owned(),
        entities: vec!["operator".to_owned()],
        features: vec![feature("speed")],
        source: TableName::new("gold", "conformance_operators"),
        timestamp_field: Some("seen".to_owned()),
        created_timestamp_column: None,
        ttl_seconds: 0,
        description: None,
        tags: Vec::new(),
        online: true,
    }
}

fn feature(name: &str) -> Feature {
    Feature { name: name.to_owned(), dtype: Dtype::Int64, description: None, tags: Vec::new() }
}

fn service() -> FeatureService {
    FeatureService {
        name: "conformance_service".to_owned(),
        views: vec![view().name],
        description: None,
        tags: Vec::new(),
    }
}

fn selection() -> Selection {
    Selection { view: view(), features: vec!["speed".to_owned()] }
}

async fn refuses(bench: &Bench) -> Found {
    let wrong = FeatureView { features: vec![feature("no_such_column")], ..view() };
    match source(bench, "refused").await?.register_view(&wrong).await {
        Err(Error::InvalidInput { field: Some(_), .. }) => Ok(()),
        Err(error) => fail(format!("expected invalid-input with a field, found {}", said(&error))),
        Ok(()) => fail("it was registered"),
    }
}

async fn registers(bench: &Bench) -> Found {
    let source = source(bench, "register").await?;
    for _ in 0..2 {
        source.register_view(&view()).await?;
        source.register_service(&service(), &[view()]).await?;
    }
    Ok(())
}

async fn removes(bench: &Bench) -> Found {
    let source = source(bench, "remove").await?;
    for _ in 0..2 {
        source.remove_service(&service().name).await?;
        source.remove_view(&view()).await?;
    }
    Ok(())
}

pub(crate) struct Work {
    source: FeatureSource,
    request: Request,
}

#[async_trait]
impl Stepper for Work {
    type Outcome = Outcome;
    async fn start(&self) -> Result<Step<Outcome>> {
        self.source.start(&self.request).await
    }
    async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        self.source.advance(state).await
    }
    async fn cancel(&self, state: &[u8]) -> Result<()> {
        self.source.cancel(state).await
    }
}

pub(crate) async fn work(bench: &Bench, task: &str, request: Request) -> Found<Work> {
    Ok(Work { source: source(bench, task).await?, request })
}

async fn joins(bench: &Bench) -> Found {
    let request = Request::Historical(HistoricalRequest {
        rows: EntityRows::Latest,
        selections: vec![selection()],
        full_names: false,
        output: "conformance/historical.parquet".to_owned(),
    });
    let outcome = stepper::to_its_end(&work(bench, "historical", request).await?).await?;
    ensure(outcome.rows == 2, || format!("expected the latest row of two entities, found {} rows", outcome.rows))
}

async fn reads_online(bench: &Bench) -> Found {
    stepper::to_its_end(&work(bench, "materialise", Request::Materialise(view())).await?).await?;
    let speeds = online(bench, &view(), &[1, 3, 2]).await?;
    ensure(speeds == [json!(11), Value::Null, json!(20)], || {
        format!("expected the newest speeds 11, none and 20, found {speeds:?}")
    })
}

/// The speeds of operators as a view's online store has them.
pub(crate) async fn online(bench: &Bench, view: &FeatureView, operators: &[i64]) -> Found<Vec<Value>> {
    let entity = |id: &i64| [("operator".to_owned(), json!(id))].into_iter().collect();
    let request = OnlineRequest {
        selections: vec![Selection { view: view.clone(), features: vec!["speed".to_owned()] }],
        full_names: false,
        entities: operators.iter().map(entity).collect(),
    };
    let rows = source(bench, "online").await?.online(&request).await?;
    Ok(rows.iter().map(|row| row.get("speed").cloned().unwrap_or_default()).collect())
}
