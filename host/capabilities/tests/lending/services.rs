use std::sync::Arc;
use std::time::Duration;

use asgard_capabilities::http::Request;
use asgard_capabilities::processes::{Content, File};
use asgard_capabilities::services::{ServiceState, ServiceStatus, Services, Spec};
use asgard_contract::Error;
use serde_json::json;

use crate::host::{TestHost, processes_with, soon};

const PYTHON: &str = r#"
    programs.python = { type = "python", requirements = [] }
    silver.grants.services = ["python"]
    silver.grants.http = [{ host = "127.0.0.1:*" }]
"#;

/// Answers with `ANSWER` on every path; `/crash` ends it, and it is not ready before `DELAY` seconds.
const SERVER: &str = r"
import http.server, os, sys, time
print('starting', os.environ['ANSWER'], flush=True)
time.sleep(float(os.environ.get('DELAY', '0')))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/crash': os._exit(9)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ['ANSWER'].encode())
    def log_message(self, *args): pass
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

fn spec(answer: &str, delay: &str) -> Spec {
    Spec {
        program: "python".to_owned(),
        arguments: vec!["server.py".to_owned(), "{port}".to_owned()],
        environment: vec![("ANSWER".to_owned(), answer.to_owned()), ("DELAY".to_owned(), delay.to_owned())],
        files: vec![File { path: "server.py".to_owned(), content: Content::Inline(SERVER.into()) }],
        memory_bytes: None,
        health_path: "/health".to_owned(),
        ready_timeout_ms: 20_000,
    }
}

async fn ready(services: &Services, name: &str) -> ServiceStatus {
    soon(&format!("service {name} is ready"), async || {
        let status = services.status(name).await.unwrap();
        (status.state == ServiceState::Ready).then_some(status)
    })
    .await
}

async fn get(host: &TestHost, url: &str) -> Result<String, Error> {
    let request =
        Request { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: None, timeout_ms: 5000 };
    let response = host.lent().http.unwrap().send(request).await?;
    Ok(String::from_utf8(response.body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_survives_a_restart_of_the_host_on_its_port() {
    let host = TestHost::new(PYTHON);
    let services = host.lent().services.unwrap();
    services.ensure("model", spec("one", "0")).await.unwrap();
    let first = ready(&services, "model").await;
    services.ensure("model", spec("one", "0")).await.unwrap();
    assert_eq!(services.status("model").await.unwrap(), first);
    assert_eq!(get(&host, &first.url).await.unwrap(), "one");
    assert_eq!(services.output("model", 0, 100).await.unwrap().data, b"starting one\n");

    host.supervisor.shut_down().await;
    let error = get(&host, &first.url).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(matches!(services.ensure("other", spec("x", "0")).await, Err(Error::Unavailable { .. })));

    let host = TestHost::in_folder(Arc::clone(&host.folder), PYTHON);
    host.lender.start_services();
    let services = host.lent().services.unwrap();
    assert_eq!(ready(&services, "model").await.url, first.url);
    assert_eq!(get(&host, &first.url).await.unwrap(), "one");
    services.remove("model").await.unwrap();
    services.remove("model").await.unwrap();
    assert!(get(&host, &first.url).await.is_err());
    assert!(matches!(services.status("model").await, Err(Error::NotFound { .. })));
    assert_eq!(processes_with(host.folder.path()), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_ends_with_a_host_that_dies() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let path = Arc::clone(&folder);
    // A host of its own, with its own runtime, which goes without a word.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let host = TestHost::in_folder(path, PYTHON);
            let services = host.lent().services.unwrap();
            services.ensure("model", spec("one", "0")).await.unwrap();
            ready(&services, "model").await;
            std::mem::forget(host);
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
    soon("the service ends", async || processes_with(folder.path()).is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_crashes_is_started_again() {
    let host = TestHost::new(PYTHON);
    let services = host.lent().services.unwrap();
    services.ensure("model", spec("one", "0")).await.unwrap();
    let before = ready(&services, "model").await;
    assert_eq!(before.restarts, 0);
    assert!(get(&host, &format!("{}/crash", before.url)).await.is_err());
    let after = soon("it restarts", async || {
        Some(services.status("model").await.unwrap()).filter(|status| status.restarts > 0)
    });
    assert_eq!(after.await.url, before.url);
    assert_eq!(ready(&services, "model").await.restarts, 1);
    host.supervisor.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_come_up_says_why() {
    let host = TestHost::new(PYTHON);
    let services = host.lent().services.unwrap();
    let broken = Spec { arguments: vec!["-c".to_owned(), "raise ValueError('no model')".to_owned()], ..spec("", "0") };
    let slow = Spec { ready_timeout_ms: 300, ..spec("", "60") };
    services.ensure("broken", broken).await.unwrap();
    services.ensure("slow", slow).await.unwrap();
    for (name, expected) in [
        ("broken", "it exited with status 1; its last lines:\nTraceback"),
        ("broken", "ValueError: no model"),
        ("slow", "it does not answer /health with 200 within 0 s"),
    ] {
        let why = soon("it fails", async || match services.status(name).await.unwrap().state {
            ServiceState::Failed(why) => Some(why),
            _ => None,
        });
        let why = why.await;
        assert!(why.contains(expected), "{why}");
    }
    host.supervisor.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_one_answers_until_the_new_one_is_ready() {
    let host = TestHost::new(PYTHON);
    let services = host.lent().services.unwrap();
    services.ensure("model", spec("old", "0")).await.unwrap();
    let old = ready(&services, "model").await;
    services.ensure("model", spec("new", "1")).await.unwrap();
    let new = services.status("model").await.unwrap();
    assert_eq!(new.state, ServiceState::Starting);
    assert_ne!(new.url, old.url);
    while services.status("model").await.unwrap().state == ServiceState::Starting {
        assert_eq!(get(&host, &old.url).await.unwrap(), "old");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Who asked for the address just before still finds the old one there.
    assert_eq!(get(&host, &old.url).await.unwrap(), "old");
    assert_eq!(get(&host, &new.url).await.unwrap(), "new");
    soon("the old one ends", async || get(&host, &old.url).await.is_err().then_some(())).await;

    // A new one that never comes up leaves the old one where it is, to go back to.
    services.ensure("model", spec("never", "600")).await.unwrap();
    assert_eq!(get(&host, &new.url).await.unwrap(), "new");
    services.ensure("model", spec("new", "1")).await.unwrap();
    assert_eq!(services.status("model").await.unwrap(), new_ready(&new));
    host.supervisor.shut_down().await;
}

fn new_ready(status: &ServiceStatus) -> ServiceStatus {
    ServiceStatus { state: ServiceState::Ready, ..status.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_the_environment_is_reached_by_its_placeholders() {
    let environment = |answer: &str| {
        r#"
            silver.configuration = { uri = "${services.tracker.url}/x" }
            silver.grants.http = [{ host = "${services.tracker.address}" }]
            [programs.python]
            type = "python"
            requirements = []
            [services.tracker]
            program = "python"
            arguments = ["-c", """SERVER""", "{port}", "{data}"]
            environment = { ANSWER = "ANSWER {data}" }
            health_path = "/"
        "#
        .replace("ANSWER {", &format!("{answer} {{"))
        .replace("SERVER", SERVER)
    };
    let first = environment("first");
    let host = TestHost::new(&first);
    host.lender.start_services();
    let configuration = json!({ "uri": "${services.tracker.url}/x", "n": 1 });
    let resolved = host.lender.resolve(&configuration).await.unwrap();
    let url = resolved["uri"].as_str().unwrap().to_owned();
    let data = host.path("services/tracker");
    assert!(data.is_dir());
    assert_eq!(get(&host, &url).await.unwrap(), format!("first {}", data.display()));
    assert!(matches!(host.lender.resolve(&json!("${services.x.url}")).await, Err(Error::InvalidInput { .. })));
    let error = get(&host, "http://127.0.0.1:9/").await.unwrap_err();
    assert!(error.to_string().contains("add `127.0.0.1:9` to `silver.grants.http`"), "{error}");

    // Another specification takes its place, with the same port and data.
    let host = host.apply(&environment("second"));
    host.lender.start_services();
    let resolved = host.lender.resolve(&configuration).await.unwrap();
    assert_eq!(resolved["uri"], url.as_str());
    assert_eq!(get(&host, &url).await.unwrap(), format!("second {}", data.display()));

    // An environment that names it no more ends it.
    let host = host.apply(r#"silver.grants.http = [{ host = "127.0.0.1:*" }]"#);
    host.lender.start_services();
    soon("it ends", async || get(&host, &url).await.is_err().then_some(())).await;
    host.supervisor.shut_down().await;
}

/// Lays out its data in two steps, and cannot go on where it was ended between them. With `FAIL` it ends there.
const LAYING_OUT: &str = r"
import http.server, os, pathlib, sys
data = pathlib.Path(sys.argv[2])
if (data / 'half').exists(): sys.exit('half of a migration was done')
if not (data / 'whole').exists():
    (data / 'half').touch()
    if os.environ['FAIL'] == 'yes': sys.exit('ended while migrating')
    (data / 'half').rename(data / 'whole')
elif os.environ['FAIL'] == 'yes': sys.exit('ended later')
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_came_to_nothing_spoils_no_data_and_data_that_were_used_stay() {
    let environment = |fail: &str| {
        r#"
            [programs.python]
            type = "python"
            requirements = []
            [services.tracker]
            program = "python"
            arguments = ["-c", """SERVER""", "{port}", "{data}"]
            environment = { FAIL = "WHETHER" }
            health_path = "/"
        "#
        .replace("SERVER", LAYING_OUT)
        .replace("WHETHER", fail)
    };
    let tracker = json!("${services.tracker.url}");
    let host = TestHost::new(&environment("yes"));
    host.lender.start_services();
    for _ in 0..2 {
        let why = host.lender.resolve(&tracker).await.unwrap_err().to_string();
        assert!(why.contains("ended while migrating"), "{why}");
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let host = host.apply(&environment("no"));
    host.lender.start_services();
    host.lender.resolve(&tracker).await.unwrap();
    let data = host.path("services/tracker");
    assert!(data.join("whole").is_file() && host.path("services/tracker.never-ready/half").is_file());
    std::fs::write(data.join("written by others"), "").unwrap();
    // Later failures leave the data as they are.
    let host = host.apply(&environment("yes"));
    host.lender.start_services();
    let why = host.lender.resolve(&tracker).await.unwrap_err().to_string();
    assert!(why.contains("ended later"), "{why}");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(data.join("whole").is_file() && data.join("written by others").is_file());
    host.supervisor.shut_down().await;
}
