//! The figures of `docs/sql.md` hold: nothing that was right has become refused or wrong.

#![recursion_limit = "256"]

use anyhow::Result;
use asgard_parity::{Engine, Outcome, Report, compare};

async fn compared(engine: Engine) -> Result<(Report, Vec<String>)> {
    let mut wrong = Vec::new();
    let report = compare(engine, None, &mut |sql, outcome| {
        if let Outcome::Wrong(how) = outcome {
            wrong.push(format!("{sql}\n    {how}"));
        }
    })
    .await?;
    Ok((report, wrong))
}

#[tokio::test]
async fn what_spark_answers_is_answered_the_same_or_refused() -> Result<()> {
    let (report, wrong) = compared(Engine::Spark).await?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(report.all.same >= 1121, "{report:?}");
    assert!(report.examples.same >= 950, "{report:?}");
    Ok(())
}

#[tokio::test]
async fn what_trino_answers_is_answered_the_same_or_refused() -> Result<()> {
    let (report, wrong) = compared(Engine::Trino).await?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(report.all.same >= 363, "{report:?}");
    Ok(())
}
