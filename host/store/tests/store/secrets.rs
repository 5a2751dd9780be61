//! Secrets at rest: nothing in the data folder tells them without the key, and the key is nobody else's to read.

use asgard_contract::Error;
use asgard_store::{StoreError, testing};

const SECRET: &str = "correct horse battery staple";

#[tokio::test]
async fn no_file_of_the_data_folder_holds_a_secret_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    store.set_secret("local", "erp", SECRET).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!found, "{} holds the secret", path.display());
    }
    assert!(!format!("{store:?}").contains("battery"));
    assert_eq!(store.secret("local", "erp").await.unwrap(), SECRET);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_key_and_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    store.set_secret("local", "erp", SECRET).await.unwrap();
    let database: &[&str] = if testing::on_postgres() { &[] } else { &["asgard.db", "asgard.db-wal"] };
    for file in database.iter().chain(&["secret.key"]) {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_missing_secret_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    store.set_secret("local", "erp", SECRET).await.unwrap();
    assert_eq!(store.secrets("local").await.unwrap()[0].name, "erp");
    store.delete_secret("local", "erp").await.unwrap();
    let error: Error = store.secret("local", "erp").await.unwrap_err().into();
    assert_eq!(
        error,
        Error::not_found(
            "environment `local` has no secret `erp`: set it with `asgard secret set erp --environment local`"
        )
    );
}

#[tokio::test]
async fn a_lost_or_foreign_key_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("secret.key");
    let store = testing::open(folder.path()).await.unwrap();
    store.set_secret("local", "erp", SECRET).await.unwrap();
    store.close().await;
    let mine = std::fs::read(&key).unwrap();

    std::fs::remove_file(&key).unwrap();
    let error = testing::open(folder.path()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Folder(text) if text.contains("is gone")), "{error}");
    assert!(!key.exists(), "a new key would hide the loss");

    let other = tempfile::tempdir().unwrap();
    testing::open(other.path()).await.unwrap();
    std::fs::copy(other.path().join("secret.key"), &key).unwrap();
    let error = testing::open(folder.path()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Folder(text) if text.contains("is not the one")), "{error}");

    std::fs::write(&key, mine).unwrap();
    assert_eq!(testing::open(folder.path()).await.unwrap().secret("local", "erp").await.unwrap(), SECRET);
}

#[tokio::test]
async fn a_sealed_value_opens_only_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    store.set_secret("local", "harmless", "x").await.unwrap();
    store.set_secret("production", "erp", SECRET).await.unwrap();
    let swapped = "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'erp') WHERE name = 'harmless'";
    testing::execute(folder.path(), swapped).await.unwrap();
    let error = store.secret("local", "harmless").await.unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
}
