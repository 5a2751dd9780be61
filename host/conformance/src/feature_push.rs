//! Interface `feature-push`, beside `feature-source`.

use asgard_contract::features::{FeatureView, PushOutcome, PushRequest, Request};
use asgard_contract::manifest::Interface;
use serde_json::{Value, json};

use crate::bench::{Bench, configured};
use crate::feature_source::{self as source, online, work};
use crate::report::{Found, Suite, ensure};
use crate::stepper;

const NAMES: [&str; 4] = [
    "a view to push to is registered and materialised",
    "a pushed row is read at once, and an older one changes nothing",
    "a push that is repeated changes nothing",
    "a newer row of the table replaces one that was pushed",
];

/// Every check.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    if !bench.shares_lakehouse() || !bench.plugin.interfaces().contains(&Interface::FeatureSource) {
        suite.skipped(&NAMES, "it needs `feature-source` and the lakehouse, where the suite makes its tables");
        return;
    }
    let [made, read, repeated, replaced] = NAMES;
    suite.check(made, configured(bench, is_made(bench))).await;
    suite.check(read, configured(bench, is_read(bench))).await;
    suite.check(repeated, configured(bench, is_repeated(bench))).await;
    suite.check(replaced, configured(bench, is_replaced(bench))).await;
}

/// Of a name of its own: backends may remember one that was removed.
fn view() -> FeatureView {
    FeatureView { name: "conformance_pushed".to_owned(), ..source::view() }
}

async fn is_made(bench: &Bench) -> Found {
    source::table(bench, 2).await?;
    source::source(bench, "register-pushed").await?.register_view(&view()).await?;
    materialised(bench, "first").await
}

async fn materialised(bench: &Bench, which: &str) -> Found {
    let request = Request::Materialise(view());
    stepper::to_its_end(&work(bench, &format!("materialise-pushed-{which}"), request).await?).await?;
    Ok(())
}

/// Pushes (operator, speed, day of 2024-01).
async fn pushed(bench: &Bench, rows: &[(i64, i64, u32)]) -> Found<(u64, u64)> {
    let row = |(operator, speed, day): &(i64, i64, u32)| {
        let row = json!({"operator": operator, "speed": speed, "seen": format!("2024-01-{day:02}T00:00:00Z")});
        row.as_object().cloned().unwrap_or_default()
    };
    let request = PushRequest { view: view(), rows: rows.iter().map(row).collect() };
    let call = bench.call("conformance-push").await?;
    let PushOutcome { written, older } = bench.plugin.feature_push(call).push(&request).await?;
    Ok((written, older))
}

async fn reads(bench: &Bench, expected: [Value; 3]) -> Found {
    let speeds = online(bench, &view(), &[1, 2, 3]).await?;
    ensure(speeds == expected, || format!("expected the speeds {expected:?}, found {speeds:?}"))
}

async fn is_read(bench: &Bench) -> Found {
    let counts = pushed(bench, &[(1, 12, 3), (3, 30, 1)]).await?;
    ensure(counts == (2, 0), || format!("expected 2 rows written and none older, found {counts:?}"))?;
    reads(bench, [json!(12), json!(20), json!(30)]).await?;
    let counts = pushed(bench, &[(1, 9, 1), (2, 21, 2)]).await?;
    ensure(counts == (1, 1), || format!("expected one row written and one older, found {counts:?}"))?;
    reads(bench, [json!(12), json!(21), json!(30)]).await
}

async fn is_repeated(bench: &Bench) -> Found {
    for _ in 0..2 {
        pushed(bench, &[(1, 12, 3), (2, 21, 2)]).await?;
    }
    reads(bench, [json!(12), json!(21), json!(30)]).await
}

async fn is_replaced(bench: &Bench) -> Found {
    source::table(bench, 4).await?;
    materialised(bench, "second").await?;
    let speeds = online(bench, &view(), &[1, 3]).await?;
    ensure(speeds == [json!(11), json!(30)], || {
        format!("expected the table's speed 11 and the pushed 30, found {speeds:?}")
    })?;
    Ok(source::source(bench, "remove-pushed").await?.remove_view(&view()).await?)
}
