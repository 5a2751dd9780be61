//! Interface `transform`.

use asgard_capabilities::lakehouse::Engine as _;
use asgard_contract::transform::{
    Compute, GoldModel, IncrementalStrategy, Materialization, Outcome, Request, SilverRun, WriteMode,
};
use asgard_contract::{Error, Result, Step, TableName};
use asgard_plugins::Transform;
use async_trait::async_trait;

use crate::bench::{Bench, configured};
use crate::report::{Found, Suite, ensure, fail, skip};
use crate::stepper::{self, Stepper};

const ONE_ROW: &str = "SELECT 1 AS one, 'a' AS letter";

/// Every check.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    let planned = configured(bench, plans(bench));
    suite.check("a statement is planned, or planning is unsupported", planned).await;
    let refused = configured(bench, refuses(bench));
    suite.check("SQL that is none is refused as invalid input with its field", refused).await;
    let overwritten = configured(bench, silver(bench, WriteMode::Overwrite));
    suite.check("a silver run ends, and survives a crash at every step", overwritten).await;
    let appended = configured(bench, silver(bench, WriteMode::Append));
    suite.check("rows are appended once, whatever crashes", appended).await;
    suite.check("a gold model is made, made again and dropped twice", configured(bench, gold(bench))).await;
    let cancelled = async {
        let work = work(bench, "conformance-cancel", request("cancelled", WriteMode::Overwrite)).await?;
        taken(&work, "silver runs").await?;
        stepper::cancelled(&work).await
    };
    suite.check("a run is cancelled twice", configured(bench, cancelled)).await;
    let foreign = async {
        let work = work(bench, "conformance-foreign", request("foreign", WriteMode::Overwrite)).await?;
        stepper::refuses_foreign_states(&work).await
    };
    suite.check("a state that it never gave is refused, and traps nothing", configured(bench, foreign)).await;
}

struct Work {
    transform: Transform,
    request: Request,
}

#[async_trait]
impl Stepper for Work {
    type Outcome = Outcome;
    async fn start(&self) -> Result<Step<Outcome>> {
        self.transform.start(&self.request).await
    }
    async fn advance(&self, state: &[u8]) -> Result<Step<Outcome>> {
        self.transform.advance(state).await
    }
    async fn cancel(&self, state: &[u8]) -> Result<()> {
        self.transform.cancel(state).await
    }
}

async fn work(bench: &Bench, task: &str, request: Request) -> Found<Work> {
    Ok(Work { transform: bench.plugin.transform(bench.call(task).await?), request })
}

fn silver_run(table: &str, sql: &str, write_mode: WriteMode) -> Request {
    Request::Silver(SilverRun {
        run_id: format!("conformance-{table}"),
        sql: sql.to_owned(),
        inputs: Vec::new(),
        target: TableName::new("silver", format!("conformance_{table}")),
        write_mode,
        compute: Compute::default(),
    })
}

fn request(table: &str, write_mode: WriteMode) -> Request {
    silver_run(table, ONE_ROW, write_mode)
}

/// Goes on where the plugin fills the role that the request is of: one of the two is enough.
async fn taken(work: &Work, what: &str) -> Found {
    match work.start().await {
        Err(Error::Unsupported { message }) => skip(format!("it does no {what}: {message}")),
        _ => Ok(()),
    }
}

async fn plans(bench: &Bench) -> Found {
    let transform = bench.plugin.transform(bench.call("conformance-plan").await?);
    match transform.plan(&request("planned", WriteMode::Overwrite)).await {
        Ok(plan) => {
            let names: Vec<&str> = plan.columns.iter().map(|column| column.name.as_str()).collect();
            ensure(names == ["one", "letter"], || format!("expected the columns `one` and `letter`, found {names:?}"))
        }
        Err(Error::Unsupported { .. }) => skip("it cannot plan without running"),
        Err(error) => Err(error.into()),
    }
}

async fn refuses(bench: &Bench) -> Found {
    let request = silver_run("refused", "SELEC 1 AS one FORM nothing", WriteMode::Overwrite);
    let work = work(bench, "conformance-refused", request).await?;
    taken(&work, "silver runs").await?;
    let planned = match work.transform.plan(&work.request).await {
        Ok(_) => return fail("it was planned"),
        Err(Error::Unsupported { .. }) => None,
        Err(error) => Some(error),
    };
    stepper::refuses_input(&work, planned).await
}

async fn silver(bench: &Bench, mode: WriteMode) -> Found {
    let table = if mode == WriteMode::Append { "appended" } else { "overwritten" };
    let work = work(bench, &format!("conformance-{table}"), request(table, mode)).await?;
    taken(&work, "silver runs").await?;
    let outcome = stepper::to_its_end(&work).await?;
    ensure(outcome.total_rows == 1, || format!("the table has {} rows after one row was written", outcome.total_rows))?;
    ensure(outcome.rows_written == 1, || {
        format!("it says that it wrote {} rows, and wrote one", outcome.rows_written)
    })?;
    if bench.shares_lakehouse() {
        let found = bench.lakehouse.describe(&TableName::new("silver", format!("conformance_{table}"))).await?;
        ensure(found.rows == Some(1), || {
            format!("the catalog's table has {:?} rows after one was written", found.rows)
        })?;
    }
    Ok(())
}

async fn gold(bench: &Bench) -> Found {
    let target = TableName::new("gold", "conformance_model");
    for (task, strategy) in [("first", Materialization::Table), ("second", Materialization::Incremental)] {
        let request = Request::Gold(GoldModel {
            name: "conformance_model".to_owned(),
            sql: ONE_ROW.to_owned(),
            target: target.clone(),
            materialization: strategy,
            incremental_strategy: IncrementalStrategy::Merge,
            unique_key: vec!["one".to_owned()],
            description: None,
            tags: Vec::new(),
            owner: "conformance".to_owned(),
            models: Vec::new(),
        });
        let work = work(bench, &format!("conformance-gold-{task}"), request).await?;
        taken(&work, "gold models").await?;
        let outcome = stepper::to_its_end(&work).await?;
        ensure(outcome.total_rows == 1, || {
            format!("the model has {} rows after its one row was made the {task} time", outcome.total_rows)
        })?;
    }
    let transform = bench.plugin.transform(bench.call("conformance-drop").await?);
    transform.drop(&target).await?;
    transform.drop(&target).await?;
    if bench.shares_lakehouse() && bench.lakehouse.describe(&target).await.is_ok() {
        return fail("the dropped model is in the catalog");
    }
    Ok(())
}
