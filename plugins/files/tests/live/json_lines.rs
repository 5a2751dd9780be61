//! JSON lines.

use asgard_contract::connector::SyncMode::FullRefreshOverwrite;
use serde_json::json;

use crate::host::{Host, local};
use crate::lake::Lake;

#[tokio::test]
async fn values_keep_their_types_and_nested_ones_their_text() {
    let host = Host::new().await;
    let text = r#"{"id":1,"big":123456789012345678901234567890,"text":"5","at":"2024-02-29T12:00:00Z","o":{"b" : [1, {"c":null}]},"ok":true}
{"id":2.5,"list":[1,2],"ok":null,"Größe":"ü"}
"#;
    host.write("a.jsonl", text);
    let configuration = local(json!({"name": "a", "files": ["a.jsonl"]}));
    assert_eq!(
        host.shown(&configuration).await,
        "id:double, big:decimal(38,0), text:string, at:timestamptz, o:string, ok:boolean, list:string, Größe:string"
    );
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    assert_eq!(lake.column("id"), ["1.0", "2.5"]);
    assert_eq!(lake.column("big"), ["123456789012345678901234567890", "∅"]);
    assert_eq!(lake.column("o"), [r#"{"b" : [1, {"c":null}]}"#, "∅"]);
    assert_eq!(lake.column("list"), ["∅", "[1,2]"]);
    assert_eq!(lake.column("Größe"), ["∅", "ü"]);
}

#[tokio::test]
async fn a_key_that_comes_after_the_sample_is_a_new_column() {
    let host = Host::new().await;
    let mut text: String = (1..=30_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    text.push_str("{\"id\":30001,\"late\":1}\n{\"id\":30002,\"late\":1.5}\n");
    host.write("a.jsonl", text);
    let configuration = local(json!({"name": "a", "files": ["a.jsonl"]}));
    assert_eq!(host.shown(&configuration).await, "id:long");
    let lake = Lake::filled(&host, &configuration, FullRefreshOverwrite).await;
    assert_eq!(lake.rows.len(), 30_002);
    assert_eq!(lake.column("late")[29_999..], ["∅", "1.0", "1.5"]);
}

#[tokio::test]
async fn a_line_that_is_no_object_is_told() {
    let host = Host::new().await;
    host.write("a.json", "[{\"a\":1}]\n");
    let told = host.shown(&local(json!({"name": "a", "files": ["a.json"]}))).await;
    assert!(told.contains("line 1") && told.contains("jq"), "{told}");
}
