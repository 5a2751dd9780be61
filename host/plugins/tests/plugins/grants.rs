//! Nothing is lent by default.

use asgard_contract::Error;
use asgard_contract::environment::Limits;

use crate::setup::{call, plugin, run};

#[tokio::test]
async fn a_capability_without_a_grant_is_forbidden_with_what_to_add() {
    let greedy = plugin("greedy").await;
    let cases = [
        ("http", "grants.http"),
        ("sockets", "grants.sockets"),
        ("processes", "grants.processes"),
        ("services", "grants.services"),
        ("objects", "grants.objects = true"),
        ("files", "grants.files"),
        ("key-value", "grants.key_value = true"),
        ("lakehouse", "grants.lakehouse"),
    ];
    for (capability, grant) in cases {
        let error = greedy.transform(call(Limits::default()).0).start(&run(capability)).await.unwrap_err();
        let Error::Forbidden { message } = &error else { panic!("{capability}: {error:?}") };
        assert!(
            message.starts_with(&format!("plugin `greedy` was not granted the capability `{capability}`: add `")),
            "{message}"
        );
        assert!(message.contains(grant) && message.contains("environment `local`"), "{message}");
    }
}
