//! Files of web servers.

use asgard_contract::Error;
use asgard_contract::connector::SyncMode::{FullRefreshOverwrite, IncrementalAppend};
use serde_json::{Value, json};

use crate::host::Host;
use crate::lake::Lake;
use crate::web::{Manners, Web};

fn good() -> Manners {
    Manners { ranges: true, head: true, tags: true, ..Manners::default() }
}

fn at(url: &str) -> Value {
    json!({"location": {"provider": "http"}, "streams": [{"name": "a", "files": [url], "format": {"type": "csv"}}]})
}

/// More than two parts.
fn long() -> Vec<u8> {
    let line = format!("1,{}\n", "x".repeat(998));
    format!("id,text\n{}", line.repeat(10_000)).into_bytes()
}

#[tokio::test]
async fn a_large_file_is_fetched_in_parts_where_the_server_can_and_as_a_whole_where_not() {
    for manners in [good(), Manners { head: false, ..good() }, Manners { ranges: false, ..good() }, Manners::default()]
    {
        let web = Web::start(long(), manners.clone());
        let host = Host::new().await;
        let lake = Lake::filled(&host, &at(&web.url("a.csv?token=x")), FullRefreshOverwrite).await;
        assert_eq!(lake.rows.len(), 10_000);
        let parts = web.seen().iter().filter(|head| head.contains("range: bytes=4194304-")).count();
        assert_eq!(parts > 0, manners.ranges, "{:?}", web.seen());
    }
}

#[tokio::test]
async fn an_empty_file_and_a_missing_one_are_told() {
    let web = Web::start("", good());
    let host = Host::new().await;
    assert!(host.shown(&at(&web.url("a.csv"))).await.contains("they are empty"));
    let error = host.check(&at(&web.url("missing.csv"))).await.unwrap_err();
    assert!(
        matches!(error, Error::InvalidInput { .. }) && error.to_string().contains("missing.csv` is not there"),
        "{error:?}"
    );
    let error = host.check(&at("a.csv")).await.unwrap_err();
    assert!(error.to_string().contains("base_url"), "{error}");
    let error = host.check(&at("http://10.0.0.1/a.csv")).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn credentials_are_added_by_the_host() {
    for (location, wants) in [
        (json!({"provider": "http", "bearer_token": "secret://token"}), "Bearer token-value"),
        (json!({"provider": "http", "username": "ada", "password": "secret://p"}), "Basic YWRhOnAtdmFsdWU="),
    ] {
        let web = Web::start("a\n1\n", Manners { wants: Some(wants), ..good() });
        let host = Host::new().await;
        let mut configuration = at(&web.url("a.csv"));
        let error = host.check(&configuration).await.unwrap_err();
        assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
        configuration["location"] = location;
        let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
        assert_eq!(lake.column("a"), ["1"]);
    }
}

#[tokio::test]
async fn a_file_that_changes_between_two_parts_is_noticed() {
    let mut longer = long();
    longer.extend(b"2,y\n");
    let mut alike = long();
    alike[0] = b'I';
    for changed in [longer, alike] {
        let web = Web::start(long(), Manners { changes_from: Some((4 << 20, changed)), ..good() });
        let host = Host::new().await;
        let mut lake = Lake::new(&host, &at(&web.url("a.csv")), FullRefreshOverwrite).await;
        let error = lake.sync(&host).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("changed while it was read"), "{error:?}");
        assert!(lake.rows.is_empty());
    }
}

#[tokio::test]
async fn an_incremental_stream_reads_a_file_again_when_its_tag_changes() {
    let host = Host::new().await;
    let web = Web::start("a\n1\n", good());
    let mut lake = Lake::filled(&host, &at(&web.url("a.csv")), IncrementalAppend).await;
    lake.sync(&host).await.unwrap();
    assert_eq!(lake.column("a"), ["1"]);

    let untagged = Web::start("a\n1\n", Manners { tags: false, ..good() });
    let mut lake = Lake::new(&host, &at(&untagged.url("a.csv")), IncrementalAppend).await;
    lake.sync(&host).await.unwrap();
    assert!(lake.told().contains("neither `ETag` nor `Last-Modified`"), "{}", lake.told());
}
