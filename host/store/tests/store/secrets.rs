//! Secrets at rest: nothing in the data folder tells them without the key, and the key is nobody else's to read.

use asgard_contract::Error;
use asgard_store::{KeySource, Store, StoreConfig, StoreError, StoreResult, testing};

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

fn key(byte: u8) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [byte; 32])
}

async fn with_key(folder: &std::path::Path, source: KeySource) -> StoreResult<Store> {
    Store::open_with(folder, StoreConfig { database_url: testing::url(folder).await?, key: source }).await
}

#[tokio::test]
async fn the_key_comes_from_a_file_a_text_or_a_command() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("key");
    std::fs::write(&file, key(7)).unwrap();
    let sources = [
        KeySource::Text(key(7)),
        KeySource::File(file.clone()),
        KeySource::Command(format!("cat {}", file.display())),
        KeySource::Text(format!("{} {}", key(1), key(7))),
    ];
    let folder = tempfile::tempdir().unwrap();
    for source in sources {
        assert!(!format!("{source:?}").contains(&key(7)), "a key is never shown");
        let store = with_key(folder.path(), source).await.unwrap();
        match store.secret("local", "erp").await {
            Ok(value) => assert_eq!(value, SECRET),
            Err(_) => store.set_secret("local", "erp", SECRET).await.unwrap(),
        }
    }
    assert!(!folder.path().join("secret.key").exists());
    let wrong = [
        (KeySource::Text(key(8)), "is not the one"),
        (KeySource::Text("short".to_owned()), "expected 32 bytes in base64"),
        (KeySource::File(elsewhere.path().join("none")), "cannot be read"),
        (KeySource::Command("exit 3".to_owned()), "exit status: 3"),
    ];
    for (source, reason) in wrong {
        let error = with_key(folder.path(), source).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn a_key_is_changed_under_a_running_host() {
    let folder = tempfile::tempdir().unwrap();
    let running = testing::open(folder.path()).await.unwrap();
    running.set_secret("local", "erp", SECRET).await.unwrap();
    let file = folder.path().join("secret.key");
    let before = std::fs::read_to_string(&file).unwrap();

    let beside = testing::open(folder.path()).await.unwrap();
    assert_eq!(beside.rotate_key().await.unwrap(), 1);
    let after = std::fs::read_to_string(&file).unwrap();
    assert_ne!(before, after);
    assert_eq!(after.split_whitespace().count(), 1, "the old key is gone");

    assert_eq!(running.secret("local", "erp").await.unwrap(), SECRET);
    running.set_secret("local", "crm", "other").await.unwrap();
    let next = testing::open(folder.path()).await.unwrap();
    assert_eq!(next.secret("local", "erp").await.unwrap(), SECRET);
    assert_eq!(next.secret("local", "crm").await.unwrap(), "other");

    std::fs::write(&file, before).unwrap();
    assert!(testing::open(folder.path()).await.is_err(), "the old key opens nothing any more");
}

#[tokio::test]
async fn a_change_that_a_crash_cut_short_is_finished_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_key(folder.path(), KeySource::Text(key(1))).await.unwrap();
    store.set_secret("local", "erp", SECRET).await.unwrap();
    let error = store.rotate_key().await.unwrap_err().to_string();
    assert!(error.contains("no other key"), "{error}");

    // Both keys are there, as after a crash before the database was changed.
    let both = with_key(folder.path(), KeySource::Text(format!("{}\n{}", key(1), key(2)))).await.unwrap();
    assert_eq!(both.secret("local", "erp").await.unwrap(), SECRET);
    both.set_secret("local", "crm", "x").await.unwrap();
    assert_eq!(store.secret("local", "crm").await.unwrap(), "x", "the old key is in use until then");
    assert_eq!(both.rotate_key().await.unwrap(), 2);
    let new = with_key(folder.path(), KeySource::Text(key(2))).await.unwrap();
    assert_eq!(new.secret("local", "erp").await.unwrap(), SECRET);
    let error = store.secret("local", "erp").await.unwrap_err().to_string();
    assert!(error.contains("ASGARD_SECRET_KEY"), "{error}");
}

#[tokio::test]
async fn a_host_with_another_key_is_refused_before_it_seals_anything() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let _first = testing::open(folders[0].path()).await.unwrap();
    let Some(database_url) = testing::url(folders[0].path()).await.unwrap() else { return };
    for key in [KeySource::Folder, KeySource::Text(key(9))] {
        let config = StoreConfig { database_url: Some(database_url.clone()), key };
        let error = Store::open_with(folders[1].path(), config).await.unwrap_err().to_string();
        assert!(error.contains("secrets of other hosts") || error.contains("is not the one"), "{error}");
    }
}
