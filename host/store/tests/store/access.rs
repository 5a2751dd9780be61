//! Tokens: known by their text and remembered without it. The audit trail: added to, read, and cut at its old end.

use asgard_store::{
    AccessRole, AuditFilter, AuditOutcome, AuditRetention, NewAuditEntry, NewToken, Reach, StoreError, testing,
};

fn new(name: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        role: AccessRole::Operator,
        reach: Reach::of(Some(vec!["dev".to_owned()])),
        expires_at: None,
        created_by: "local".to_owned(),
    }
}

#[tokio::test]
async fn a_token_is_known_by_its_whole_text() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    assert!(!store.has_token().await.unwrap());
    let (made, text) = store.create_token(&new("ci")).await.unwrap();
    assert_eq!(store.token_of(&text).await.unwrap(), Some(made.clone()));
    assert_eq!(store.token(&made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(store.token_named("ci").await.unwrap(), Some(made));
    for other in ["", "asgard_", &text[..text.len() - 1], &format!("{text}A"), "ci"] {
        assert_eq!(store.token_of(other).await.unwrap(), None, "{other}");
    }
    let (_, another) = store.create_token(&new("other")).await.unwrap();
    assert_ne!(text, another);
}

#[tokio::test]
async fn a_name_is_free_again_once_its_token_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let (made, text) = store.create_token(&new("ci")).await.unwrap();
    assert!(matches!(store.create_token(&new("ci")).await, Err(StoreError::Conflict(_))));
    store.revoke_token(&made.id).await.unwrap();
    let revoked_at = store.token_of(&text).await.unwrap().unwrap().revoked_at;
    assert!(revoked_at.is_some() && !store.has_token().await.unwrap());
    store.revoke_token(&made.id).await.unwrap();
    assert_eq!(store.token_of(&text).await.unwrap().unwrap().revoked_at, revoked_at);
    store.create_token(&new("ci")).await.unwrap();
    assert_eq!(store.tokens(10, 0).await.unwrap().1, 2);
    assert!(matches!(store.revoke_token("none").await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn the_last_use_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let (made, _) = store.create_token(&new("ci")).await.unwrap();
    let later = made.created_at + chrono::TimeDelta::seconds(5);
    store.note_token_use(&made.id, later).await.unwrap();
    store.note_token_use(&made.id, made.created_at).await.unwrap();
    assert_eq!(store.token(&made.id).await.unwrap().unwrap().last_used_at, Some(later));
}

fn entry(who: &str, environment: Option<&str>) -> NewAuditEntry {
    NewAuditEntry {
        who: who.to_owned(),
        token_id: None,
        method: "POST".to_owned(),
        route: "/sink".to_owned(),
        path: "/sink".to_owned(),
        environment: environment.map(str::to_owned),
        subject: None,
        outcome: AuditOutcome::Done,
        status: Some(201),
    }
}

#[tokio::test]
async fn the_trail_is_read_by_who_where_and_when() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    let abandoned = NewAuditEntry { outcome: AuditOutcome::Abandoned, status: None, ..entry("token:ci", None) };
    for each in
        [entry("token:ci", Some("dev")), entry("local", Some("dev")), entry("local", Some("prod")), abandoned.clone()]
    {
        store.record(&each).await.unwrap();
    }
    let (all, total) = store.audit_trail(&AuditFilter::default(), 2, 0).await.unwrap();
    assert_eq!((all.len(), total), (2, 4));
    assert_eq!(all[0].entry, abandoned, "the newest is first");
    let counted = async |filter: AuditFilter| store.audit_trail(&filter, 10, 0).await.unwrap().1;
    let dev = AuditFilter { environment: Some("dev".to_owned()), ..AuditFilter::default() };
    assert_eq!(counted(dev.clone()).await, 2);
    assert_eq!(counted(AuditFilter { who: Some("local".to_owned()), ..dev }).await, 1);
    let now = Some(chrono::Utc::now() + chrono::TimeDelta::seconds(1));
    assert_eq!(counted(AuditFilter { since: now, ..AuditFilter::default() }).await, 0);
    assert_eq!(counted(AuditFilter { until: now, ..AuditFilter::default() }).await, 4);
}

#[tokio::test]
async fn the_old_end_of_the_trail_goes_by_age_and_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    for number in 0..5 {
        store.record(&entry(&number.to_string(), None)).await.unwrap();
    }
    let kept = async || {
        let (entries, _) = store.audit_trail(&AuditFilter::default(), 10, 0).await.unwrap();
        entries.into_iter().map(|entry| entry.entry.who).collect::<Vec<_>>()
    };
    assert_eq!(store.trim_audit_trail(AuditRetention { days: 1, entries: 5 }).await.unwrap(), 0);
    assert_eq!(store.trim_audit_trail(AuditRetention { days: 1, entries: 2 }).await.unwrap(), 3);
    assert_eq!(kept().await, ["4", "3"]);
    // As one that was written long ago.
    let old = "INSERT INTO audit_trail (id, time, who, method, route, path, outcome) VALUES ('00', 0, 'old', '', '', '', 'done')";
    testing::execute(folder.path(), old).await.unwrap();
    assert_eq!(store.trim_audit_trail(AuditRetention { days: 1, entries: 9 }).await.unwrap(), 1);
    assert_eq!(kept().await, ["4", "3"]);
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let store = testing::open(folder.path()).await.unwrap();
    for number in 0..3 {
        store.record(&entry(&number.to_string(), None)).await.unwrap();
    }
    assert_eq!(store.trim_audit_trail(AuditRetention { days: 1, entries: 2 }).await.unwrap(), 1);
    let (before, _) = store.audit_trail(&AuditFilter::default(), 10, 0).await.unwrap();
    let replacing = format!(
        "INSERT OR REPLACE INTO audit_trail (id, time, who, method, route, path, outcome)
         VALUES ('{}', 0, 'nobody', '', '', '', 'done')",
        before[0].id
    );
    let mut acts = vec![
        "UPDATE audit_trail SET who = 'nobody'",
        "DELETE FROM audit_trail",
        "DELETE FROM audit_trail WHERE who = '2'",
        "UPDATE audit_trail_end SET id = ''",
        "DELETE FROM audit_trail_end",
    ];
    acts.push(if testing::on_postgres() { "TRUNCATE audit_trail" } else { &replacing });
    for act in acts {
        let error = testing::execute(folder.path(), act).await.unwrap_err().to_string();
        assert!(error.contains("append-only") || error.contains("forwards only"), "{act}: {error}");
    }
    assert_eq!(store.audit_trail(&AuditFilter::default(), 10, 0).await.unwrap().0, before);
}
