//! A closed and reopened store has everything that a call was told is stored.

use std::time::Duration;

use asgard_contract::environment::Environment;
use asgard_contract::log::Level;
use asgard_contract::manifest::Manifest;
use asgard_store::tasks::{Limits, NewLogLine, NewTask, Next, StepWrite, TaskFilter, TaskStatus};
use asgard_store::{CatchUp, Claim, Overlap, ResourceKind, Schedule, StoreError, StoredAnswer, testing};
use chrono::Utc;
use serde_json::{Value, json};

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let environment: Environment = serde_json::from_value(json!({"name": "local"})).unwrap();
    let manifest: Manifest =
        serde_json::from_value(json!({"name": "sql", "version": "0.1.0", "summary": "SQL", "exports": ["transform"]}))
            .unwrap();
    let task = NewTask::new("local", "sync").subject("i1").plugin("p@1 sha256:ab").request(json!({"a": 1}));
    let answer = StoredAnswer { status: 201, content_type: Some("application/json".into()), body: b"{}".to_vec() };

    let store = testing::open(folder.path()).await.unwrap();
    store.put_environment(&environment, 0, "ada", "first").await.unwrap();
    store.put_new("local", ResourceKind::Source, "s1", "erp", &json!({"type": "postgres"})).await.unwrap();
    store.set_secret("local", "erp", "hunter2").await.unwrap();
    let installation = store.installation().await.unwrap();
    store.add_plugin(&manifest, "sha256:ab", b"\0asm").await.unwrap();
    store.key_values_set("local/sql", "online", vec![("k".into(), vec![1, 2])]).await.unwrap();
    store.claim_key("local", "key", "POST /sink").await.unwrap();
    store.keep_answer("local", "key", &answer).await.unwrap();
    let schedule = Schedule {
        environment: "local".into(),
        id: "i1".into(),
        cron: "0 12 * * *".into(),
        time_zone: "UTC".into(),
        catch_up: CatchUp::Latest,
        overlap: Overlap::Skip,
        last_at: None,
        task: task.clone(),
        next_at: chrono::DateTime::from_timestamp_millis(4_000_000_000_000),
    };
    store.put_schedule(&schedule).await.unwrap();
    let task = store.insert_task(&task).await.unwrap();
    let kinds = ["sync".to_owned()];
    let leased = store.lease_due("host", &kinds, Duration::from_secs(9), 9, &Limits::new()).await.unwrap().remove(0);
    let line = NewLogLine { time: Utc::now(), level: Level::Warn, message: "slow".into() };
    let step = StepWrite {
        state: Some(&json!({"step": 1})),
        progress: None,
        details: Some(&json!({"pod": "x"})),
        plugin: Some("sql@0.1.0"),
        log: &[line],
        events: &[],
        next: Next::Succeeded { outcome: json!(7) },
    };
    store.write_step(&leased.lease, step).await.unwrap();
    store.close().await;

    let store = testing::open(folder.path()).await.unwrap();
    let revision = store.environment("local").await.unwrap().unwrap();
    assert_eq!((revision.revision, revision.author.as_str(), revision.document), (1, "ada", environment));
    let source = store.get_by_name::<Value>("local", ResourceKind::Source, "erp").await.unwrap().unwrap();
    assert_eq!((source.id.as_str(), source.body), ("s1", json!({"type": "postgres"})));
    assert_eq!(store.secret("local", "erp").await.unwrap(), "hunter2");
    assert_eq!(store.installation().await.unwrap(), installation);
    assert_eq!(store.plugin_component("sha256:ab").await.unwrap().unwrap(), b"\0asm");
    assert_eq!(store.plugin_manifests("sha256:ab").await.unwrap(), [manifest]);
    let keys = ["none".to_owned(), "k".to_owned()];
    assert_eq!(store.key_values_get("local/sql", "online", &keys).await.unwrap(), [None, Some(vec![1, 2])]);
    assert_eq!(store.claim_key("local", "key", "POST /sink").await.unwrap(), Claim::Answered(answer));
    assert_eq!(store.schedule("local", "i1").await.unwrap().unwrap(), schedule);
    let (tasks, total) = store.tasks(&TaskFilter::default().subject("i1"), 10, 0).await.unwrap();
    assert_eq!((total, tasks[0].id.as_str(), tasks[0].status), (1, task.id.as_str(), TaskStatus::Succeeded));
    assert_eq!((&tasks[0].state, &tasks[0].outcome), (&json!({"step": 1}), &Some(json!(7))));
    assert_eq!(tasks[0].plugin.as_deref(), Some("sql@0.1.0"));
    let log = store.task_log(&task.id, 0, 10).await.unwrap();
    assert_eq!((log[0].position, log[0].level, log[0].message.as_str()), (1, Level::Warn, "slow"));
}

#[tokio::test]
async fn revisions_of_an_environment_are_numbered_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let mut document: Environment = serde_json::from_value(json!({"name": "dev"})).unwrap();
    store.put_environment(&document, 0, "ada", "first").await.unwrap();
    document.description = Some("changed".into());
    store.put_environment(&document, 1, "bob", "second").await.unwrap();
    assert_eq!(store.environment("dev").await.unwrap().unwrap().document, document);
    let all = store.environment_revisions("dev").await.unwrap();
    let shown: Vec<_> = all.iter().map(|r| (r.revision, r.author.as_str(), r.note.as_str())).collect();
    assert_eq!(shown, [(2, "bob", "second"), (1, "ada", "first")]);
    assert_eq!(all[1].document.description, None);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    testing::open(folder.path()).await.unwrap().close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT 9999, description, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
    testing::execute(folder.path(), newer).await.unwrap();
    let error = testing::open(folder.path()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Folder(text) if text.contains("newer version of asgard")), "{error}");
}
