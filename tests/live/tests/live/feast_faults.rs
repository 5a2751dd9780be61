//! A network that fails between the host and Feast's servers. What a task does is tried again until it is done; what somebody waits for
//! is answered or told with its reason, and may be asked again: nothing is there twice.

use std::sync::Arc;
use std::time::Duration;

use asgard_journey::client::Answer;
use asgard_journey::faults::{Fault, Faults, Seen};
use asgard_live::bindings;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::feast::FILLED_WITHIN;
use crate::lake::Lake;
use crate::world::{World, test, until};

/// Each once, for one request.
const ALL: [Fault; 4] =
    [Fault::LostRequest, Fault::LostAnswer, Fault::RetryAfter(503, 1), Fault::Delay(Duration::from_secs(3))];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "a_view_is_registered_once_over_a_network_to_feast_that_fails", registered),
        test(world, "an_online_store_is_filled_read_and_pushed_to_over_a_network_to_feast_that_fails", online),
    ]
}

/// An environment with Feast behind two networks.
struct Network {
    lake: Lake,
    registry: Faults,
    server: Faults,
}

impl Network {
    fn of(world: &World, name: &str) -> Self {
        let feast = world.feast();
        let registry = Faults::before(feast.registry()).unwrap();
        let server = Faults::before(feast.server()).unwrap();
        let mut binding = bindings::feast(feast);
        let features = &mut binding["features"];
        features["configuration"]["registry"] = json!(registry.url());
        features["configuration"]["feature_server"] = json!(server.url());
        let hosts = [&registry, &server].map(|faults| json!({"host": faults.url().trim_start_matches("http://")}));
        features["grants"]["http"] = json!(hosts);
        let lake = Lake(world.environment_with(name, &[], &binding).unwrap());
        Self { lake, registry, server }
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.lake.0.send("POST", path, Some(body), &[]).unwrap()
    }

    /// How often the environment lists the view.
    fn listed(&self, view: &str) -> usize {
        let views = self.lake.0.get("/feast/features").unwrap();
        views.as_array().unwrap().iter().filter(|listed| listed["name"] == view).count()
    }
}

/// That one request met the fault; answers with those after it.
fn met(seen: &[Seen], fault: Fault) -> &[Seen] {
    let met: Vec<usize> = (0..seen.len()).filter(|&at| seen[at].fault == Some(fault)).collect();
    assert_eq!(met.len(), 1, "one request meets {fault:?}: {seen:?}");
    &seen[met[0] + 1..]
}

/// That somebody who waited was told what happened, unless there was an answer, which came late.
fn told(answer: &Answer, fault: Fault) -> bool {
    if matches!(fault, Fault::Delay(_)) {
        assert!(answer.status < 300, "{fault:?}: {}", answer.body);
        return false;
    }
    assert_eq!(answer.status, 503, "{fault:?}: {}", answer.body);
    assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{fault:?}: {}", answer.body);
    assert!(answer.header("retry-after").is_some(), "{fault:?}: {}", answer.body);
    true
}

fn view(name: &str, table: &str, online: bool) -> Value {
    json!({"name": name, "entities": ["line"], "features": [{"name": "speed", "dtype": "int64"}], "ttl_seconds": 0,
        "online": online, "source": {"table_name": table, "timestamp_field": "seen"}})
}

const LINES: &str = "SELECT line, speed, CAST(seen AS TIMESTAMP(6)) AS seen FROM (VALUES
    ('L-1', 10, TIMESTAMP '2025-01-01 00:00:00'), ('L-2', 20, TIMESTAMP '2025-01-01 00:00:00')) AS t (line, speed, seen)";

fn registered(world: &World) {
    let network = Network::of(world, "feast-network-registry");
    network.lake.gold("lines", LINES);
    for (number, fault) in ALL.into_iter().enumerate() {
        for kind in ["entities", "data_sources", "feature_views"] {
            let name = format!("over_{kind}_{number}");
            let asked = view(&name, "lines", false);
            network.registry.mend();
            network.registry.fail("POST", &format!("/api/v1/{kind}"), 0..1, fault);
            let answer = network.post("/feast/features", &asked);
            met(&network.registry.mend(), fault);
            if told(&answer, fault) {
                // The host knows no view that Feast may not have.
                assert_eq!(network.listed(&name), 0, "{kind}, {fault:?}");
                network.lake.0.post("/feast/features", &asked).unwrap();
            }
            assert_eq!(network.listed(&name), 1, "{kind}, {fault:?}");
            let known = world.feast().registered("feature_views", &name).unwrap();
            assert_eq!(known["spec"]["entities"], json!(["line"]), "{kind}, {fault:?}: {known}");
        }

        // A view that is gone in Feast already can still be removed from the host.
        let path = format!("/feast/features/over_entities_{number}");
        network.registry.fail("DELETE", "/api/v1/feature_views", 0..1, fault);
        let remove = || network.lake.0.send("DELETE", &path, None, &[]).unwrap();
        let answer = remove();
        met(&network.registry.mend(), fault);
        if told(&answer, fault) {
            let again = remove();
            assert!(again.status < 300, "{fault:?}: {}", again.body);
        }
        assert_eq!(network.listed(&format!("over_entities_{number}")), 0, "{fault:?}");

        network.registry.fail("GET", "/api/v1/version", 0..1, fault);
        let status = network.lake.0.send("GET", "/feast/status", None, &[]).unwrap();
        let seen = network.registry.mend();
        // A request without effects, on a connection that had been kept open, is made again by the host's client itself.
        if !met(&seen, fault).iter().any(|seen| seen.path.contains("/api/v1/version")) {
            told(&status, fault);
        }
        assert_eq!(network.lake.0.get("/feast/status").unwrap()["registry_type"], "sql");
    }
}

fn online(world: &World) {
    let network = Network::of(world, "feast-network-server");
    network.lake.gold("belts", LINES);
    for (number, fault) in ALL.into_iter().enumerate() {
        filled(&network, &format!("belts_{number}"), fault);
    }
    // Each starts from what the one before it has left.
    let mut there = 10;
    for (number, fault) in ALL.into_iter().enumerate() {
        read(&network, "belts_0", there, fault);
        there = pushed(&network, "belts_0", there, number, fault);
    }
}

/// The registry is asked for the view's state, the server materialises, then it is tried: the task repeats each.
fn filled(network: &Network, name: &str, fault: Fault) {
    for (faults, method, path) in [
        (&network.registry, "GET", format!("/api/v1/feature_views/{name}")),
        (&network.server, "POST", "/materialize".to_owned()),
        (&network.server, "POST", "/get-online-features".to_owned()),
    ] {
        faults.fail(method, &path, 0..1, fault);
    }
    network.lake.0.post("/feast/features", &view(name, "belts", true)).unwrap();
    let path = format!("/feast/features/{name}");
    let filled = until("the online store is filled", FILLED_WITHIN, || {
        let view = network.lake.0.look(&path).ok()?;
        (view["status"] != "registered").then_some(view)
    });
    assert_eq!(filled["status"], "materialized", "{fault:?}: {filled}");
    repeated(&network.registry.mend(), "/api/v1/feature_views/", fault);
    let of_server = network.server.mend();
    for path in ["/materialize", "/get-online-features"] {
        repeated(&of_server, path, fault);
    }
    assert_eq!(speeds(network, name), json!([10, 20]), "{fault:?}");
}

/// That a request met the fault and was made again, not before the server wished.
fn repeated(seen: &[Seen], path: &str, fault: Fault) {
    let of_path: Vec<Seen> = seen.iter().filter(|seen| seen.path.contains(path)).cloned().collect();
    let after = met(&of_path, fault);
    if matches!(fault, Fault::Delay(_)) {
        return;
    }
    let again = after.first().unwrap_or_else(|| panic!("{path} is not asked again after {fault:?}"));
    if let Fault::RetryAfter(_, seconds) = fault {
        let failed = &of_path[of_path.len() - after.len() - 1];
        let pause = again.at - failed.at;
        assert!(pause >= Duration::from_secs(seconds), "{path}: {pause:?} after {fault:?}");
    }
}

fn question(view: &str) -> Value {
    json!({"features": [view], "entities": [{"line": "L-1"}, {"line": "L-2"}]})
}

fn speeds(network: &Network, view: &str) -> Value {
    let found = network.lake.0.post("/feast/features/online", &question(view)).unwrap();
    found["rows"].as_array().unwrap().iter().map(|row| row["speed"].clone()).collect()
}

fn read(network: &Network, name: &str, there: i64, fault: Fault) {
    network.server.mend();
    network.server.fail("POST", "/get-online-features", 0..1, fault);
    let answer = network.post("/feast/features/online", &question(name));
    met(&network.server.mend(), fault);
    if !told(&answer, fault) {
        assert_eq!(answer.body["rows"][0]["speed"], there, "{fault:?}: {}", answer.body);
    }
    assert_eq!(speeds(network, name), json!([there, 20]), "{fault:?}");
}

/// Pushes a row whose request fails, and again; then one that is older. Answers with the value that is there.
fn pushed(network: &Network, name: &str, there: i64, number: usize, fault: Fault) -> i64 {
    let path = format!("/feast/features/{name}/push");
    let day = number + 2;
    let row = |seen: String, speed: i64| json!({"rows": [{"line": "L-1", "seen": seen, "speed": speed}]});
    let now = there + 1;
    let newer = row(format!("2025-01-{day:02}T12:00:00Z"), now);

    // What is there is read before anything is written.
    network.server.fail("POST", "/get-online-features", 0..1, fault);
    let answer = network.post(&path, &newer);
    let seen = network.server.mend();
    let writes = met(&seen, fault).iter().filter(|seen| seen.path.contains("/write-to-online-store")).count();
    if told(&answer, fault) {
        assert_eq!((writes, speeds(network, name)), (0, json!([there, 20])), "{fault:?}");
    }

    network.server.mend();
    network.server.fail("POST", "/write-to-online-store", 0..1, fault);
    let answer = network.post(&path, &newer);
    met(&network.server.mend(), fault);
    if told(&answer, fault) {
        let wrote = matches!(fault, Fault::LostAnswer);
        assert_eq!(speeds(network, name), json!([if wrote { now } else { there }, 20]), "{fault:?}");
    }
    // The same key and event time: the row is there once, whatever was written before.
    let again = network.lake.0.post(&path, &newer).unwrap();
    assert_eq!((&again["rows_written"], &again["rows_older"]), (&json!(1), &json!(0)), "{fault:?}: {again}");
    assert_eq!(speeds(network, name), json!([now, 20]), "{fault:?}");
    let older = network.lake.0.post(&path, &row(format!("2025-01-{day:02}T11:00:00Z"), -1)).unwrap();
    assert_eq!((&older["rows_written"], &older["rows_older"]), (&json!(0), &json!(1)), "{fault:?}: {older}");
    assert_eq!(speeds(network, name), json!([now, 20]), "{fault:?}");
    now
}
