//! Plugins on a running host: versions side by side, from files, the web and registries, and none taken off that is needed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::modeller;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::swaps::{register, stored};
use crate::world::{World, gold, refused, refused_field, test, until};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "versions_are_side_by_side_and_a_bound_one_stays", versions),
        test(world, "a_plugin_that_a_task_runs_on_is_not_removed", in_use),
        test(world, "a_binding_may_name_the_bytes_it_wants", digests),
        test(world, "a_plugin_comes_from_a_file_the_web_or_a_registry", fetched),
        test(world, "a_plugin_that_cannot_run_is_refused_with_the_line_to_change", refusals),
        test(world, "a_component_that_was_stored_long_ago_still_runs", stored_ones),
        test(world, "a_stored_component_is_lent_what_is_granted_and_told_what_is_not", lent),
    ]
}

/// What a command said, and its exit code.
fn asgard(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(&world.built().asgard)
        .args(arguments)
        .env("ASGARD_URL", world.light().base())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), said)
}

/// A stored plugin under another name, so that tests keep out of each other's way.
fn named(stored_name: &str, name: &str, version: &str) -> (String, Vec<u8>) {
    let (manifest, component) = stored(stored_name);
    let manifest = manifest.replace(&format!("name = \"{stored_name}\""), &format!("name = \"{name}\""));
    (manifest.replace("0.1.0", version), component)
}

/// The same code in other bytes: a custom section at its end, which says nothing.
pub(crate) fn other_bytes(component: &[u8], mark: &str) -> Vec<u8> {
    let mut other = component.to_vec();
    let name = u8::try_from(mark.len()).unwrap();
    other.extend([0, name + 1, name]);
    other.extend(mark.as_bytes());
    other
}

fn environment(world: &World, name: &str, changes: Value) -> Value {
    let client = world.light();
    let mut document = client.get("/environments/local").unwrap()["document"].clone();
    document["name"] = json!(name);
    document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let put = client.send("PUT", &format!("/environments/{name}"), Some(&document), &[]).unwrap();
    assert_eq!(put.status, 200, "{}", put.body);
    document
}

fn versions(world: &World) {
    let client = world.light();
    let (manifest, component) = named("hello", "side", "0.1.0");
    register(&client, &manifest, &component);
    register(&client, &manifest, &component);
    let changed = other_bytes(&component, "changed");
    let body = json!({"manifest": manifest, "component": STANDARD.encode(&changed)});
    let detail = refused(&client.send("POST", "/plugins", Some(&body), &[]).unwrap(), 409);
    assert!(detail.contains("new version"), "{detail}");
    register(&client, &manifest.replace("0.1.0", "0.2.0"), &changed);
    environment(world, "side", json!({"ingestion": [{"plugin": "side", "version": "0.1.0"}]}));
    environment(world, "side-newest", json!({"ingestion": [{"plugin": "side"}]}));

    let plugins = client.get("/plugins").unwrap();
    let bound: Vec<(&str, &Value)> = plugins["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|plugin| plugin["name"] == "side")
        .map(|plugin| (plugin["version"].as_str().unwrap(), &plugin["bound"]))
        .collect();
    let expected = [("0.2.0", &json!(["side-newest ingestion[0]"])), ("0.1.0", &json!(["side ingestion[0]"]))];
    assert_eq!(bound, expected);
    let detail = refused(&client.send("DELETE", "/plugins/side/0.1.0", None, &[]).unwrap(), 409);
    assert!(detail.contains("side ingestion[0]"), "{detail}");
    let (code, said) = asgard(world, &["plugin", "remove", "side@0.2.0"]);
    assert!(code == 1 && said.contains("side-newest ingestion[0]"), "{said}");

    environment(world, "side", json!({"ingestion": [{"plugin": "side", "version": "0.2.0"}]}));
    let (code, said) = asgard(world, &["plugin", "remove", "side@0.1.0"]);
    assert_eq!(code, 0, "{said}");
    let (_, listed) = asgard(world, &["plugin", "list"]);
    assert!(listed.contains("side 0.2.0 sha256:") && !listed.contains("side 0.1.0"), "{listed}");
    assert!(listed.contains("bound in side ingestion[0], side-newest ingestion[0]"), "{listed}");
    refused(&client.send("DELETE", "/plugins/side/0.1.0", None, &[]).unwrap(), 404);
    refused_field(&client.send("DELETE", "/plugins/side/one", None, &[]).unwrap(), "version");
    let back = client.send("POST", "/environments/side/rollback", Some(&json!({"revision": 1})), &[]).unwrap();
    assert!(refused_field(&back, "ingestion[0].plugin").contains("0.1.0"));
}

fn in_use(world: &World) {
    let client = world.light();
    let (manifest, component) = named("patient", "needed", "0.1.0");
    register(&client, &manifest, &other_bytes(&component, "needed"));
    environment(world, "needing", json!({"silver": {"plugin": "needed", "configuration": {"label": "x"}}}));
    let body = json!({"sql": "SELECT 1 AS one", "source_path": "bronze.x"});
    let run = client.post("/environments/needing/spark/transform", &body).unwrap();
    environment(world, "needing", json!({}));
    let detail = refused(&client.send("DELETE", "/plugins/needed/0.1.0", None, &[]).unwrap(), 409);
    assert!(detail.contains("silver ") && detail.contains("cancel"), "{detail}");
    let status = format!("/environments/needing/spark/transform/{}/status", run["run_id"].as_str().unwrap());
    until("the run ends", Duration::from_secs(30), || {
        (client.get(&status).unwrap()["state"] == "COMPLETED").then_some(())
    });
    assert_eq!(client.send("DELETE", "/plugins/needed/0.1.0", None, &[]).unwrap().status, 204);
}

fn digests(world: &World) {
    let client = world.light();
    let (manifest, component) = named("hello", "exact", "0.1.0");
    let first = register(&client, &manifest, &component)["digest"].clone();
    let mut document =
        environment(world, "exact", json!({"ingestion": [{"plugin": "exact", "version": "0.1.0", "digest": first}]}));
    document["ingestion"][0]["digest"] = json!(format!("sha256:{}", "0".repeat(64)));
    let answer = client.send("PUT", "/environments/exact", Some(&document), &[]).unwrap();
    assert!(refused_field(&answer, "ingestion[0].plugin").contains("sha256:000"));
    document["ingestion"][0]["digest"] = first;
    document["ingestion"][0]["version"] = json!("0.2.0");
    let answer = client.send("PUT", "/environments/exact", Some(&document), &[]).unwrap();
    assert!(refused_field(&answer, "ingestion[0].plugin").contains("0.1.0"));
}

/// Answers GET requests by path; a path below `/v2/` wants the token that `/token` gives.
fn serve(files: HashMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = address.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            for line in BufReader::new(&stream).lines() {
                let line = line.unwrap();
                if line.is_empty() {
                    break;
                }
                head.push(line);
            }
            let path = head[0].split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
            let authorized = head.iter().any(|line| line.eq_ignore_ascii_case("authorization: bearer a-token"));
            let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{own}/token\",service=\"r\"\r\n");
            let (status, more, body) = match files.get(&path) {
                Some(_) if path.starts_with("/v2/") && !authorized => {
                    ("401 Unauthorized", challenge.as_str(), &b""[..])
                }
                Some(body) => ("200 OK", "", body.as_slice()),
                None => ("404 Not Found", "", &b""[..]),
            };
            let head =
                format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    address
}

fn digest(world: &World, bytes: &[u8]) -> String {
    let file = world.folder("digests").join("bytes");
    std::fs::write(&file, bytes).unwrap();
    let output = Command::new("sha256sum").arg(&file).output().unwrap();
    format!("sha256:{}", String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap())
}

fn fetched(world: &World) {
    let folder = world.folder("fetched");
    let mut files = HashMap::from([("/token".to_owned(), br#"{"token": "a-token"}"#.to_vec())]);
    let plugin = |name: &str| {
        let (manifest, component) = named("hello", name, "0.1.0");
        (manifest, other_bytes(&component, name))
    };
    let (manifest, component) = plugin("from-file");
    std::fs::write(folder.join("plugin.toml"), manifest).unwrap();
    std::fs::write(folder.join("c.wasm"), component).unwrap();
    let (manifest, component) = plugin("from-web");
    files.insert("/p/c.wasm".to_owned(), component.clone());
    files.insert("/p/plugin.toml".to_owned(), manifest.into_bytes());
    let web = digest(world, &component);

    let (manifest, component) = plugin("from-registry");
    let layers =
        [(&component, "application/wasm", "plugin.wasm"), (&manifest.into_bytes(), "application/toml", "plugin.toml")];
    let mut described = Vec::new();
    for (bytes, kind, title) in layers {
        let digest = digest(world, bytes);
        files.insert(format!("/v2/acme/hello/blobs/{digest}"), bytes.clone());
        described.push(json!({"mediaType": kind, "digest": digest, "size": bytes.len(),
            "annotations": {"org.opencontainers.image.title": title}}));
    }
    let image = json!({"schemaVersion": 2, "layers": described}).to_string().into_bytes();
    let pinned = digest(world, &image);
    files.insert("/v2/acme/hello/manifests/1.0".to_owned(), image.clone());
    files.insert(format!("/v2/acme/hello/manifests/{pinned}"), image);
    let forged = format!("sha256:{}", "0".repeat(64));
    files.insert(format!("/v2/acme/hello/manifests/{forged}"), b"{}".to_vec());
    let address = serve(files);

    let file = folder.join("c.wasm");
    for (from, name) in [
        (file.to_str().unwrap().to_owned(), "from-file"),
        (format!("http://{address}/p/c.wasm"), "from-web"),
        (format!("oci://{address}/acme/hello:1.0"), "from-registry"),
        (format!("oci://{address}/acme/hello@{pinned}"), "from-registry"),
    ] {
        let (code, said) = asgard(world, &["plugin", "add", &from]);
        assert!(code == 0 && said.contains(&format!("registered {name} 0.1.0 sha256:")), "{from}: {said}");
    }
    let (code, said) = asgard(world, &["plugin", "add", &format!("oci://{address}/acme/hello@{forged}")]);
    assert!(code == 1 && said.contains("was expected"), "{said}");
    let url = format!("http://{address}/p/c.wasm");
    let (code, said) = asgard(world, &["plugin", "add", &url, "--digest", &web]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = asgard(world, &["plugin", "add", &url, "--digest", &forged]);
    assert!(code == 1 && said.contains("nothing was registered"), "{said}");
    let (code, said) = asgard(world, &["plugin", "add", &format!("http://{address}/none.wasm")]);
    assert!(code == 1 && said.contains("404"), "{said}");
}

fn refusals(world: &World) {
    let client = world.light();
    let (manifest, component) = stored("hello");
    let sql = std::fs::read(world.built().plugins.join("sql/plugin.wasm")).unwrap();
    let sql_manifest = std::fs::read_to_string(world.built().plugins.join("sql/plugin.toml")).unwrap();
    let without = sql_manifest.lines().filter(|line| !line.starts_with("capabilities")).collect::<Vec<_>>().join("\n");
    for (manifest, component, field, expected) in [
        (manifest.replace("connector", "transform"), &component, "manifest.exports", "add the export"),
        (without, &sql, "manifest.capabilities", "capabilities = ["),
        (manifest.clone(), &component[..component.len() / 2].to_vec(), "component", "truncated"),
        (manifest.replace("\"hello\"", "\"Hello!\""), &component, "manifest.name", "lower-case"),
        (manifest, &b"\0asm\x01\0\0\0".to_vec(), "component", "wasm32-wasip2"),
    ] {
        let body = json!({"manifest": manifest, "component": STANDARD.encode(component)});
        let answer = client.send("POST", "/plugins", Some(&body), &[]).unwrap();
        let detail = refused_field(&answer, field);
        assert!(detail.contains(expected), "{detail}");
    }
}

/// The whole way, with components that no change of this repository has built anew.
fn stored_ones(world: &World) {
    let client = world.light();
    let (manifest, component) = stored("hello");
    register(&client, &manifest, &component);
    for name in ["patient", "modeller"] {
        let (manifest, component) = stored(name);
        register(&client, &manifest, &component);
    }
    // Other tests build these anew.
    for name in ["shelf", "builder"] {
        let (manifest, component) = named(name, &format!("long-ago-{name}"), "0.1.0");
        register(&client, &manifest, &component);
    }
    let silver = json!({"plugin": "patient", "version": "0.1.0", "configuration": {"label": "x"}});
    let features = json!({"plugin": "long-ago-shelf", "grants": {"lakehouse": {"read": ["gold"]}, "objects": true}});
    let models = json!({"plugin": "modeller", "version": "0.1.0", "configuration": {"endpoint": client.base()},
        "grants": {"key_value": true}});
    let changes = json!({"ingestion": [{"plugin": "hello"}], "silver": silver, "features": features, "training": models,
        "build": {"plugin": "long-ago-builder"}, "serving": models});
    environment(world, "long-ago", changes);
    let base = "/environments/long-ago";
    let source = json!({"name": "greetings", "type": "hello", "config": {"names": ["Freyja", "Odin"]}});
    let source = client.post(&format!("{base}/datasource"), &source).unwrap();
    let sink = json!({"name": "lake", "type": "local", "config": {"path": "lake"}});
    let sink = client.post(&format!("{base}/sink"), &sink).unwrap();
    let body = json!({"name": "greeting", "sourceId": source["id"], "destinationId": sink["id"]});
    let ingestion = client.post(&format!("{base}/ingestion"), &body).unwrap();
    let status = format!("{base}/ingestion/{}/status", ingestion["connectionId"].as_str().unwrap());
    let job = until("the sync ends", Duration::from_secs(60), || {
        let job = client.get(&status).ok()?["job"].clone();
        matches!(job["status"].as_str(), Some("succeeded" | "failed")).then_some(job)
    });
    assert_eq!((job["status"].as_str(), job["recordsCopied"].as_u64()), (Some("succeeded"), Some(2)), "{job}");
    let run =
        client.post(&format!("{base}/spark/transform"), &json!({"sql": "SELECT 1 AS one", "source_path": "bronze.x"}));
    let status = format!("{base}/spark/transform/{}/status", run.unwrap()["run_id"].as_str().unwrap());
    until("the run ends", Duration::from_secs(30), || {
        (client.get(&status).unwrap()["state"] == "COMPLETED").then_some(())
    });
    joined_long_ago(&Client::new(format!("{}{base}", client.base())));
    let mlops = format!("{base}/mlops");
    let first = deployed(&client, &mlops, "long-ago", Duration::from_secs(60));
    let second = deployed(&client, &mlops, "long-ago", Duration::from_secs(60));
    assert_eq!((&first["model_version"], &second["model_version"]), (&json!("1"), &json!("2")));
    client.get(second["endpoints"]["health"].as_str().unwrap()).unwrap();
    let image = second["ecr_image"].as_str().unwrap();
    assert!(image.starts_with("registry.example.com/long-ago@sha256:"), "{image}");
    let versions = || client.get(&format!("{mlops}/models/long-ago")).unwrap()["latest_versions"].clone();
    let stages = |versions: &Value| (versions[0]["stage"].clone(), versions[1]["stage"].clone());
    let all = versions();
    assert_eq!((&all[0]["run_id"], &all[1]["run_id"]), (&second["run_id"], &first["run_id"]), "{all}");
    assert_eq!(stages(&all), (json!("Production"), json!("None")), "{all}");
    for deployment in [&first, &second] {
        let path = format!("{mlops}/deployments/{}", deployment["deployment_id"].as_str().unwrap());
        assert_eq!(client.send("DELETE", &path, None, &[]).unwrap().status, 204);
    }
    assert_eq!(stages(&versions()), (json!("None"), json!("None")));
}

/// A view, a service, a join of each kind of rows, and an online read.
fn joined_long_ago(client: &Client) {
    gold(client, "long_ago", "SELECT 'a' AS account, 1 AS balance").unwrap();
    let view = json!({"name": "long_ago", "entities": ["account"], "ttl_seconds": 0, "online": true,
        "features": [{"name": "balance", "dtype": "int64"}], "source": {"table_name": "long_ago"}});
    let made = client.post("/feast/features", &view).unwrap();
    assert_eq!(made["status"], "materialized", "{made}");
    let service = json!({"name": "long_ago_service", "feature_views": ["long_ago"]});
    client.post("/feast/features/service", &service).unwrap();
    let given = json!([{"account": "b", "event_timestamp": "2026-01-02T00:00:00Z"}]);
    for (entities, account) in [(given, "b"), (json!("gold.long_ago"), "a"), (Value::Null, "a")] {
        let mut join = json!({"feature_service": "long_ago_service", "full_feature_names": true});
        if !entities.is_null() {
            join["entities"] = entities;
        }
        let answer = client.post("/feast/features/historical", &join).unwrap();
        let row = &answer["rows"][0];
        assert_eq!((&row["account"], answer["row_count"].as_u64()), (&json!(account), Some(1)), "{answer}");
        assert!(row.get("long_ago__balance").is_some_and(Value::is_null), "{answer}");
    }
    let read = json!({"features": ["long_ago:balance"], "entities": [{"account": "c"}, {"account": "a"}]});
    let answer = client.post("/feast/features/online", &read).unwrap();
    let expected = json!([{"account": "c", "balance": null}, {"account": "a", "balance": null}]);
    assert_eq!(answer["rows"], expected);
}

/// One more version of a model.
pub(crate) fn deployed(client: &Client, mlops: &str, model: &str, within: Duration) -> Value {
    let made = client.post(&format!("{mlops}/deploy"), &modeller::deployment(model)).unwrap();
    let path = format!("{mlops}/deployments/{}", made["deployment_id"].as_str().unwrap());
    let made = until("the deployment ends", within, || {
        let made = client.get(&path).ok()?;
        matches!(made["status"].as_str(), Some("deployed" | "failed")).then_some(made)
    });
    assert_eq!(made["status"], "deployed", "{made}");
    made
}

fn lent(world: &World) {
    let client = world.light();
    let (manifest, component) = stored("borrower");
    register(&client, &manifest, &component);
    let file = world.folder("borrowed").join("note.txt");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "from a file").unwrap();
    let address = client.base().trim_start_matches("http://").to_owned();
    let bound = |grants: Value| {
        let configuration = json!({"address": address, "file": file});
        let silver =
            json!({"plugin": "borrower", "version": "0.1.0", "configuration": configuration, "grants": grants});
        environment(
            world,
            "borrowed",
            json!({"silver": silver, "programs": {"python": {"type": "path", "path": world.python()}}}),
        );
        let base = "/environments/borrowed/spark/transform";
        let run = json!({"sql": "SELECT 1 AS one", "source_path": "bronze.x", "table": "borrowed"});
        let run = client.post(base, &run).unwrap()["run_id"].as_str().unwrap().to_owned();
        let state = until("the run ends", Duration::from_secs(120), || {
            let state = client.get(&format!("{base}/{run}/status")).unwrap()["state"].clone();
            matches!(state.as_str(), Some("COMPLETED" | "FAILED")).then_some(state)
        });
        (state, client.get(&format!("{base}/{run}/logs")).unwrap()["logs"].as_str().unwrap().to_owned())
    };

    let (state, log) =
        bound(json!({"http": [{"host": address}], "sockets": [address], "key_value": true, "objects": true,
        "files": [file.parent().unwrap()], "lakehouse": {"write": ["silver"]}, "processes": ["python"]}));
    for line in [
        "http: 200 {\"status\":\"healthy\"",
        "sockets: HTTP/1.1 200 OK",
        "key-value: [Some([111, 110, 101]), None]",
        "objects: 1 kept",
        "files: from a file",
        "lakehouse: one,letter rows",
        "processes: from a process",
    ] {
        assert!(log.contains(line), "no `{line}` in {log}");
    }
    assert_eq!(state, "COMPLETED", "{log}");
    let rows = client.get("/environments/borrowed/lakehouse/tables/silver/borrowed/rows").unwrap();
    assert_eq!(rows["rows"], json!([{"answer": 42}]));

    let (state, log) = bound(json!({}));
    for capability in ["http", "sockets", "key-value", "objects", "files", "lakehouse", "processes"] {
        let refused = format!("{capability}: refused: Error::Forbidden");
        assert!(log.contains(&refused), "no `{refused}` in {log}");
    }
    assert_eq!(state, "FAILED", "{log}");
}
