use asgard_contract::Error;
use asgard_contract::manifest::Capability;

use crate::host::TestHost;

#[tokio::test]
async fn a_path_in_a_granted_folder_is_located_and_others_are_denied_with_what_to_add() {
    let there = tempfile::tempdir().unwrap();
    let granted = there.path().display().to_string();
    let host = TestHost::new(&format!("silver.grants.files = [\"{granted}\", \"own\"]"));
    let files = host.lent().files.unwrap();
    assert_eq!(files.locate(&format!("{granted}/a//b.csv")).await.unwrap(), format!("{granted}/a/b.csv"));
    let own = host.path("own/a.csv");
    assert_eq!(files.locate("own/a.csv").await.unwrap(), own.display().to_string());
    assert!(host.path("own").is_dir(), "the environment's own folder is made");

    for path in ["/etc/passwd", &format!("{granted}-beside/a.csv"), "lakehouse/a.parquet"] {
        let error = files.locate(path).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{path}: {error:?}");
        assert!(error.to_string().contains("to `silver.grants.files` of environment `test`"), "{error}");
    }
    let error = files.locate(&format!("{granted}/../x")).await.unwrap_err();
    assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
}

#[tokio::test]
async fn a_granted_folder_that_is_not_there_is_told() {
    let host = TestHost::new("silver.grants.files = [\"/no/such/folder\"]");
    let error = host.lent().files.unwrap().locate("/no/such/folder/a.csv").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(error.to_string().contains("`silver.grants.files`"), "{error}");
}

#[tokio::test]
async fn folders_are_lent_only_when_asked_and_granted() {
    let granted = TestHost::new("silver.grants.files = [\"own\"]");
    assert!(granted.lent().files.is_some());
    assert!(granted.lent_when_asked("t", &[Capability::Objects]).unwrap().files.is_none());
    assert!(TestHost::new("").lent().files.is_none());
}

#[tokio::test]
async fn the_hosts_own_data_is_never_granted() {
    let error = TestHost::refused("silver.grants.files = [\"/\"]");
    assert!(
        matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "silver.grants.files[0]"),
        "{error:?}"
    );
}
