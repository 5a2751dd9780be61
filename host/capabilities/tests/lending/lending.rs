use std::collections::BTreeSet;

use asgard_capabilities::Lent;
use asgard_contract::Error;
use asgard_contract::manifest::Capability;

use crate::host::TestHost;

fn names(lent: &Lent) -> BTreeSet<&'static str> {
    [
        ("http", lent.http.is_some()),
        ("sockets", lent.sockets.is_some()),
        ("credentials", lent.credentials.is_some()),
        ("processes", lent.processes.is_some()),
        ("services", lent.services.is_some()),
        ("objects", lent.objects.is_some()),
        ("key-value", lent.key_value.is_some()),
        ("lakehouse", lent.lakehouse.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_lent)| is_lent.then_some(name))
    .collect()
}

const EVERYTHING: &str = r#"
    programs.sh = { type = "path", path = "sh" }
    [silver.grants]
    http = [{ host = "example.com:443" }]
    sockets = ["example.com:5432"]
    processes = ["sh"]
    services = ["sh"]
    objects = true
    key_value = true
    lakehouse = { read = ["bronze"] }
"#;

#[tokio::test]
async fn a_capability_is_lent_when_the_manifest_asks_and_the_grant_allows() {
    let host = TestHost::new(EVERYTHING);
    assert_eq!(names(&host.lent()).len(), 8);
    let some = host.lent_when_asked("t", &[Capability::Objects, Capability::Kubernetes]).unwrap();
    assert_eq!(names(&some), BTreeSet::from(["objects"]));
    // A proof shows no more than the connection that it is for, so it needs no grant of its own.
    assert_eq!(names(&TestHost::new("").lent()), BTreeSet::from(["credentials"]));
}

#[tokio::test]
async fn what_is_wrong_in_an_environment_is_told_with_its_field() {
    for (environment, wrong) in [
        (r#"silver.grants.sockets = ["db:1", "db"]"#, "silver.grants.sockets[1]"),
        (r#"silver.grants.http = [{ host = "db" }]"#, "silver.grants.http[0].host"),
        (r#"silver.grants.http = [{ host = "${services.mlflow.address}" }]"#, "silver.grants.http[0].host"),
        (r#"silver.grants.processes = ["python"]"#, "silver.grants.processes[0]"),
        (r#"silver.grants.lakehouse = { write = ["platinum"] }"#, "silver.grants.lakehouse.write[0]"),
        (
            r#"silver.grants.kubernetes = [{ namespaces = ["a"], kinds = ["v1/Pod"], verbs = ["get"] }]"#,
            "silver.grants.kubernetes",
        ),
        (
            "kubernetes.type = \"in_cluster\"\nsilver.grants.kubernetes = [{ namespaces = [\"a\"], kinds = [\"Pod\"], verbs = [\"get\"] }]",
            "silver.grants.kubernetes[0].kinds[0]",
        ),
        (r#"silver.configuration = { uri = "${services.x.url}" }"#, "silver.configuration"),
        (r#"silver.configuration = { uri = ["${services.x}"] }"#, "silver.configuration.uri[0]"),
        (r#"services.x = { program = "none", health_path = "/" }"#, "services.x.program"),
        (
            "[[ingestion]]\nplugin = \"p\"\n[[ingestion]]\nplugin = \"p\"\ngrants.sockets = [\"x\"]",
            "ingestion[1].grants.sockets[0]",
        ),
    ] {
        let error = TestHost::refused(environment);
        assert!(
            matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == wrong),
            "{environment}: {error:?}"
        );
    }
}

#[tokio::test]
async fn values_of_a_plugin_are_kept_by_bucket() {
    let host = TestHost::new("silver.grants.key_value = true");
    let values = host.lent().key_value.unwrap();
    values.set_many("online", vec![("a".to_owned(), b"1".to_vec())]).await.unwrap();
    let keys = ["b".to_owned(), "a".to_owned()];
    assert_eq!(values.get_many("online", &keys).await.unwrap(), [None, Some(b"1".to_vec())]);
    values.replace("online", vec![("b".to_owned(), b"2".to_vec())]).await.unwrap();
    assert_eq!(values.get_many("online", &keys).await.unwrap(), [Some(b"2".to_vec()), None]);
}
