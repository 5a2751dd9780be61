//! What is read of the host's machine: granted folders, and nothing else.

use asgard_contract::Error;
use asgard_contract::connector::SyncMode;
use serde_json::json;

use crate::host::{Host, local};
use crate::lake::Lake;

fn in_folder(folder: &str, files: &str) -> serde_json::Value {
    json!({"location": {"provider": "local", "folder": folder}, "streams": [{"name": "a", "files": [files]}]})
}

#[tokio::test]
async fn a_folder_that_is_not_granted_is_denied_with_what_to_add() {
    let host = Host::new().await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("a.csv"), "a\n1\n").unwrap();
    let error = host.check(&in_folder(&outside.path().display().to_string(), "*.csv")).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
    assert!(error.to_string().contains("grants.files"), "{error}");
}

#[tokio::test]
async fn without_the_grant_there_are_no_folders() {
    let host = Host::granting("").await;
    let error = host.check(&in_folder("data", "*.csv")).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
    assert!(error.to_string().contains("capability `files`"), "{error}");
}

#[tokio::test]
async fn a_granted_folder_by_its_absolute_path_is_read() {
    let granted = tempfile::tempdir().unwrap();
    let path = granted.path().display().to_string();
    let host = Host::granting(&format!("ingestion.grants.files = [\"{path}\"]")).await;
    std::fs::create_dir(granted.path().join("x")).unwrap();
    std::fs::write(granted.path().join("x/a.csv"), "a\n1\n").unwrap();
    let lake = Lake::filled(&host, &in_folder(&format!("{path}/x"), "*.csv"), SyncMode::FullRefreshOverwrite).await;
    assert_eq!(lake.column("a"), ["1"]);
}

#[tokio::test]
async fn paths_and_links_do_not_lead_out() {
    let host = Host::new().await;
    host.write("in.csv", "a\n1\n");
    std::fs::write(host.folder.path().join("own/out.csv"), "a\nsecret\n").unwrap();
    for (folder, files) in
        [("data", "../out.csv"), ("data/..", "out.csv"), ("data", "x/../../out.csv"), ("data", "/etc/passwd")]
    {
        let error = host.check(&in_folder(folder, files)).await.unwrap_err();
        assert!(matches!(error, Error::InvalidInput { .. }), "{folder} {files}: {error:?}");
    }
    std::os::unix::fs::symlink(host.folder.path().join("own/out.csv"), host.data().join("link.csv")).unwrap();
    std::os::unix::fs::symlink(host.folder.path().join("own"), host.data().join("up")).unwrap();
    std::os::unix::fs::symlink("in.csv", host.data().join("inner.csv")).unwrap();
    for files in ["link.csv", "up/out.csv"] {
        let error = host.check(&in_folder("data", files)).await.unwrap_err();
        assert!(!matches!(error, Error::Internal { .. }), "{files}: {error:?}");
    }
    let error = host.check(&in_folder("data", "link.csv")).await.unwrap_err();
    assert!(error.to_string().contains("leads out of the granted folder"), "{error}");
    let lake = Lake::filled(&host, &in_folder("data", "in*.csv"), SyncMode::FullRefreshOverwrite).await;
    assert_eq!(lake.column("a"), ["1", "1"], "a link within the folder is followed");
}

#[tokio::test]
async fn no_file_that_matches_is_told_and_a_table_is_not_emptied() {
    let host = Host::new().await;
    let path = host.write("a.csv", "a\n1\n");
    let configuration = local(json!({"name": "a", "files": ["a*.csv"]}));
    let mut lake = Lake::filled(&host, &configuration, SyncMode::FullRefreshOverwrite).await;
    std::fs::remove_file(path).unwrap();
    lake.sync(&host).await.unwrap();
    assert!(lake.told().contains("no file of `data` matches `a*.csv`"), "{}", lake.told());
    assert_eq!(lake.column("a"), ["1"]);
    let error = host.check(&configuration).await.unwrap_err();
    assert!(
        matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "config.streams[0].files"),
        "{error:?}"
    );
}
