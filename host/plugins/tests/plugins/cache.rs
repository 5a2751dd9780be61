//! Compiled code on disk.

use std::path::{Path, PathBuf};

use asgard_contract::environment::Limits;
use asgard_plugins::{Plugin, Runtime, RuntimeConfig};

use crate::setup::{call, component, manifest, run};

/// As a host does after a restart.
async fn load(cache: &Path, fixture: &str) -> Plugin {
    let runtime = Runtime::new(RuntimeConfig { cache: Some(cache.to_owned()) }).unwrap();
    runtime.load(component(fixture), &manifest(fixture)).await.unwrap()
}

async fn works(plugin: &Plugin) -> bool {
    plugin.transform(call(Limits::default()).0).start(&run("SELECT 1")).await.is_ok()
}

fn files(cache: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
}

#[tokio::test]
async fn what_is_on_disk_is_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    assert!(works(&load(folder.path(), "echo").await).await);
    let echo = files(folder.path());
    assert_eq!(echo.len(), 1);

    // Another plugin's code in its place shows where the code comes from.
    load(folder.path(), "hostile").await;
    let hostile = files(folder.path()).into_iter().find(|file| *file != echo[0]).unwrap();
    std::fs::copy(hostile, &echo[0]).unwrap();
    assert!(!works(&load(folder.path(), "echo").await).await);
}

#[tokio::test]
async fn a_damaged_file_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    load(folder.path(), "echo").await;
    let file = files(folder.path()).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &[], b"no code at all", &flipped] {
        std::fs::write(&file, damaged).unwrap();
        assert!(works(&load(folder.path(), "echo").await).await);
        assert_eq!(std::fs::read(&file).unwrap().len(), whole.len());
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_no_reason_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    assert!(works(&load(&file, "echo").await).await);
}

#[tokio::test]
async fn code_of_other_engines_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("00000000deadbeef");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("sha256-0"), "old code").unwrap();
    load(folder.path(), "echo").await;
    assert!(!other.exists());
}
