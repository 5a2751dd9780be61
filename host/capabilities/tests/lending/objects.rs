use asgard_contract::Error;

use crate::host::TestHost;

#[tokio::test]
async fn objects_are_put_listed_read_and_deleted_by_key() {
    let host = TestHost::new("silver.grants.objects = true");
    let objects = host.lent().objects.unwrap();
    for (key, data) in [("runs/a/model.pkl", "old"), ("runs/a/model.pkl", "new"), ("runs/ab", "x"), ("other", "")] {
        objects.put(key, data.into()).await.unwrap();
    }
    assert_eq!(objects.get("runs/a/model.pkl").await.unwrap(), b"new");
    let keys = async |prefix: &str| -> Vec<(String, u64)> {
        objects.list(prefix).await.unwrap().into_iter().map(|info| (info.key, info.size)).collect()
    };
    assert_eq!(keys("runs/a").await, [("runs/a/model.pkl".to_owned(), 3), ("runs/ab".to_owned(), 1)]);
    assert_eq!(keys("runs/a/").await, [("runs/a/model.pkl".to_owned(), 3)]);
    assert_eq!(keys("").await.len(), 3);
    assert_eq!(keys("none/").await, []);

    let location = objects.location("runs/a/model.pkl").unwrap();
    assert_eq!(location, format!("file://{}", host.path("objects/runs/a/model.pkl").display()));
    assert_eq!(location, host.lender.object_location("runs/a/model.pkl").unwrap());

    objects.delete("runs/a/model.pkl").await.unwrap();
    objects.delete("runs/a/model.pkl").await.unwrap();
    assert!(matches!(objects.get("runs/a/model.pkl").await, Err(Error::NotFound { .. })));
    assert!(!host.path("objects/runs/a").exists());
    host.lender.delete_object("other").await.unwrap();
    assert_eq!(keys("").await.len(), 1);
}

#[tokio::test]
async fn keys_stay_below_the_environment_and_do_not_hide_one_another() {
    let objects = TestHost::new("silver.grants.objects = true").lent().objects.unwrap();
    for key in ["../escape", "/etc/passwd", "a//b", ""] {
        assert!(matches!(objects.put(key, Vec::new()).await, Err(Error::InvalidInput { .. })), "{key}");
        assert!(objects.location(key).is_err());
    }
    objects.put("a/b", Vec::new()).await.unwrap();
    for key in ["a", "a/b/c"] {
        assert!(matches!(objects.put(key, Vec::new()).await, Err(Error::Conflict { .. })), "{key}");
    }
    assert!(matches!(objects.get("a").await, Err(Error::NotFound { .. })));
    objects.delete("a").await.unwrap();
    assert_eq!(objects.list("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn readers_see_the_old_object_or_the_new_one() {
    let objects = TestHost::new("silver.grants.objects = true").lent().objects.unwrap();
    objects.put("k", vec![0; 1 << 20]).await.unwrap();
    let writing = async {
        for round in 1..20 {
            objects.put("k", vec![round; 1 << 20]).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..40 {
            let data = objects.get("k").await.unwrap();
            assert_eq!(data.len(), 1 << 20);
            assert!(data.iter().all(|byte| *byte == data[0]));
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn an_object_that_no_plugin_could_hold_is_refused_with_its_size() {
    let host = TestHost::new("limits.memory_bytes = 2000\nsilver.grants.objects = true");
    let objects = host.lent().objects.unwrap();
    objects.put("k", vec![0; 1001]).await.unwrap();
    let error = objects.get("k").await.unwrap_err();
    assert!(error.to_string().contains("1001 bytes"), "{error}");
}
