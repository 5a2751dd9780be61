//! Features in a real Feast beside `iceberg-features`: the same requests on the same rows give the same answers.

use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_live::bindings;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::lake::Lake;
use crate::world::{World, test, until};

/// Feast's SDK needs five seconds to start, and a minute on a busy machine.
pub(crate) const FILLED_WITHIN: Duration = Duration::from_secs(300);

/// Readings with rows that tie, rows that came late, a null that was written, and one of nobody.
const PACE: &str =
    "SELECT operator_id, CAST(seen AS TIMESTAMP(6)) AS seen, pace, CAST(made AS TIMESTAMP(6)) AS made FROM (VALUES
    ('OP-1', TIMESTAMP '2025-01-01 00:00:00', 10, TIMESTAMP '2025-01-01 01:00:00'),
    ('OP-1', TIMESTAMP '2025-01-03 00:00:00', 30, TIMESTAMP '2025-01-03 02:00:00'),
    ('OP-1', TIMESTAMP '2025-01-03 00:00:00', 31, TIMESTAMP '2025-01-03 01:00:00'),
    ('OP-1', TIMESTAMP '2025-01-02 00:00:00', 20, TIMESTAMP '2025-01-09 00:00:00'),
    ('OP-1', TIMESTAMP '2025-01-05 00:00:00', NULL, TIMESTAMP '2025-01-05 01:00:00'),
    ('OP-2', TIMESTAMP '2025-01-02 00:00:00', 200, TIMESTAMP '2025-01-02 01:00:00'),
    ('OP-2', TIMESTAMP '2025-01-02 00:00:00', 201, TIMESTAMP '2025-01-02 01:00:00'),
    (NULL,   TIMESTAMP '2025-01-02 00:00:00', 999, TIMESTAMP '2025-01-02 01:00:00')
) AS t (operator_id, seen, pace, made)";

/// Two entities, and a feature of every kind.
const SHIFTS: &str = "SELECT plant, shift, CAST(seen AS TIMESTAMP(6) WITH TIME ZONE) AS seen, CAST(big AS BIGINT) AS big, ratio, CAST(price AS DECIMAL(10, 2)) AS price,
    night, opened, CAST(closed AS TIMESTAMP(6)) AS closed, note, teams, words FROM (VALUES
    (1, 'A', TIMESTAMP '2025-01-01 00:00:00 UTC', 9007199254740993, CAST(0.1 AS REAL), 1.25, true, DATE '2024-02-29', TIMESTAMP '2024-01-01 10:00:00', 'é', ARRAY[1, 2], ARRAY['x']),
    (1, 'A', TIMESTAMP '2025-01-02 00:00:00.250 UTC', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, 'B', TIMESTAMP '2025-01-01 12:00:00 UTC', -1, CAST(2.5 AS REAL), 0.00, false, DATE '1969-12-31', TIMESTAMP '1969-12-31 23:59:59', '', ARRAY[3], ARRAY['y', 'z']),
    (2, 'A', TIMESTAMP '2025-01-03 00:00:00 UTC', 7, CAST(1.5 AS REAL), 99.99, true, DATE '2025-01-01', TIMESTAMP '2025-01-01 00:00:00', 'a ''quoted'' \"note\"', ARRAY[4, 5, 6], ARRAY['w'])
) AS t (plant, shift, seen, big, ratio, price, night, opened, closed, note, teams, words)";

/// Rows that are valid at all times.
const PLANTS: &str =
    "SELECT CAST(plant AS BIGINT) AS plant, city FROM (VALUES (1, 'Oslo'), (2, 'Kyoto')) AS t (plant, city)";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        test(world, "feast_joins_the_rows_and_types_that_iceberg_features_joins", joins),
        test(world, "feasts_offline_server_joins_the_same_rows_and_is_waited_for_while_it_is_away", joins_far_away),
        test(world, "feast_reads_online_what_iceberg_features_reads_and_follows_its_table", online),
        test(world, "feast_takes_pushed_rows_as_iceberg_features_takes_them", pushes),
        test(world, "feast_tells_in_words_what_does_not_fit", refusals),
        test(world, "feast_passes_the_suite_of_its_interfaces", conforms),
    ]
}

/// The same environment with either plugin, each with tables of its own.
struct Both {
    feast: Lake,
    embedded: Lake,
}

impl Both {
    fn of(world: &World) -> Self {
        static MADE: OnceLock<[String; 2]> = OnceLock::new();
        let [feast, embedded] = MADE.get_or_init(|| {
            let feast = world.environment_with("feast", &[], &binding(world)).unwrap();
            let embedded = world.environment_with("beside-feast", &[], &json!({})).unwrap();
            [feast.base().to_owned(), embedded.base().to_owned()]
        });
        Self { feast: Lake(Client::new(feast)), embedded: Lake(Client::new(embedded)) }
    }

    fn lakes(&self) -> [&Lake; 2] {
        [&self.feast, &self.embedded]
    }

    fn gold(&self, name: &str, sql: &str) {
        for lake in self.lakes() {
            lake.gold(name, sql);
        }
    }

    fn view(&self, view: &Value) {
        for lake in self.lakes() {
            lake.0.post("/feast/features", view).unwrap();
            let path = format!("/feast/features/{}", view["name"].as_str().unwrap());
            if view["online"] == true {
                let filled = until("the online store is filled", FILLED_WITHIN, || {
                    let view = lake.0.look(&path).ok()?;
                    (view["status"] != "registered").then_some(view)
                });
                assert_eq!(filled["status"], "materialized", "{filled}");
            }
        }
    }

    /// The rows of an answer, which both give.
    fn ask(&self, path: &str, request: &Value) -> Value {
        let [found, expected] = self.lakes().map(|lake| lake.0.post(path, request).unwrap());
        assert_eq!(found["rows"].as_array().unwrap().len(), expected["rows"].as_array().unwrap().len(), "{found}");
        for (found, expected) in found["rows"].as_array().unwrap().iter().zip(expected["rows"].as_array().unwrap()) {
            assert_eq!(found, expected, "{request}");
        }
        found["rows"].clone()
    }

    /// Columns and their types of a table that a join made.
    fn types(&self, request: &Value, table: &str) {
        let mut request = request.clone();
        request["output_table"] = json!(table);
        let [found, expected] = self.lakes().map(|lake| {
            lake.0.post("/feast/features/historical", &request).unwrap();
            lake.query(&format!("SELECT * FROM gold.{table}"))
        });
        assert_eq!(found.columns, expected.columns);
        assert_eq!(found.sorted().rows, expected.sorted().rows);
    }
}

/// The parts of an environment's document that bind features to Feast.
fn binding(world: &World) -> Value {
    bindings::feast(world.feast())
}

fn view(name: &str, table: &str, entities: &[&str], features: &[(&str, &str)]) -> Value {
    let features: Vec<Value> = features.iter().map(|(name, dtype)| json!({"name": name, "dtype": dtype})).collect();
    json!({"name": name, "entities": entities, "features": features, "ttl_seconds": 0, "online": false,
        "source": {"table_name": table, "timestamp_field": "seen"}})
}

const SHIFT_FEATURES: [(&str, &str); 9] = [
    ("big", "int64"),
    ("ratio", "float32"),
    ("price", "float64"),
    ("night", "bool"),
    ("opened", "unix_timestamp"),
    ("closed", "unix_timestamp"),
    ("note", "string"),
    ("teams", "array_int64"),
    ("words", "array_string"),
];

fn joins(world: &World) {
    point_in_time(&Both::of(world), "");
    // Feast itself has the views, and the file that it reads is this snapshot's.
    let registered = world.feast().registered("feature_views", "shifts").unwrap();
    assert_eq!(registered["spec"]["entities"], json!(["plant", "shift"]), "{registered}");
    let file = registered["spec"]["batchSource"]["fileOptions"]["uri"].as_str().unwrap();
    assert!(std::path::Path::new(file).is_file(), "{file}");
}

/// Python finds it when it starts: of the engines that Feast reads files with, there is none then.
const NO_ENGINES: &str = "import sys\nsys.modules.update(duckdb=None, ibis=None, dask=None)\n";

/// The SDK asks a server for its joins, and could make none itself.
fn joins_far_away(world: &World) {
    let mut offline = world.feast().offline().unwrap();
    let folder = world.folder("feast-without-engines");
    std::fs::write(folder.join("sitecustomize.py"), NO_ENGINES).unwrap();
    let mut far = binding(world);
    let configuration = &mut far["features"]["configuration"];
    configuration["store"]["offline_store"] = offline.store();
    configuration["environment"]["PYTHONPATH"] = json!(folder);
    let feast = Lake(world.environment_with("feast-offline", &[], &far).unwrap());
    let both = Both { feast, embedded: Both::of(world).embedded };
    point_in_time(&both, "far_");
    let status = both.feast.0.get("/feast/status").unwrap();
    assert_eq!(status["offline_store_type"], "remote", "{status}");
    for features in ["'far_pace:pace'", "'far_brief:pace'", "'far_shifts:big', 'far_shifts:ratio'", "'far_plants:city'"]
    {
        assert!(offline.joins(features).unwrap() > 0, "the server was not asked for {features}");
    }
    assert_eq!(offline.joins("'pace:pace'").unwrap(), 0, "it is asked by one environment alone");

    let at = |plant: i64| json!({"plant": plant, "event_timestamp": "2025-01-01T00:00:00Z"});
    let request = json!({"features": ["far_plants:city"], "entities": [at(2), at(3), at(1)]});
    let before = offline.joins("'far_plants:city'").unwrap();
    offline.kill().unwrap();
    let found = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            // A request waits for two minutes, which a busy machine may need for the SDK's starts alone.
            until("the join ends", FILLED_WITHIN, || both.feast.0.post("/feast/features/historical", &request).ok())
        });
        until("the join waits for the server", FILLED_WITHIN, || {
            let tasks = both.feast.0.look("/tasks?page_size=10").ok()?;
            let waits = |task: &Value| {
                let message = task["progress"]["message"].as_str().unwrap_or_default();
                task["kind"] == "features" && message.contains("FlightUnavailableError")
            };
            tasks["tasks"].as_array()?.iter().any(waits).then_some(())
        });
        offline.start_again().unwrap();
        asked.join().unwrap()
    });
    let cities: Vec<&Value> = found["rows"].as_array().unwrap().iter().map(|row| &row["city"]).collect();
    assert_eq!(cities, [&json!("Kyoto"), &Value::Null, &json!("Oslo")], "{found}");
    assert!(offline.joins("'far_plants:city'").unwrap() > before, "the server that is back did not answer");
}

/// Joins with ties, late rows, a time to live that is over, several entities and time zones. Names of tables and views begin with
/// `prefix`: those of views are Feast's for all environments.
fn point_in_time(both: &Both, prefix: &str) {
    let named = |name: &str| format!("{prefix}{name}");
    let [pace_view, brief_view, shifts_view, plants_view] = ["pace", "brief", "shifts", "plants"].map(named);
    both.gold(&pace_view, PACE);
    both.gold(&shifts_view, SHIFTS);
    both.gold(&plants_view, PLANTS);
    let mut pace = view(&pace_view, &pace_view, &["operator_id"], &[("pace", "int64")]);
    pace["source"]["created_timestamp_column"] = json!("made");
    both.view(&pace);
    let mut brief = view(&brief_view, &pace_view, &["operator_id"], &[("pace", "int64")]);
    brief["ttl_seconds"] = json!(86_400);
    both.view(&brief);
    both.view(&view(&shifts_view, &shifts_view, &["plant", "shift"], &SHIFT_FEATURES));
    let mut plants = view(&plants_view, &plants_view, &["plant"], &[("city", "string")]);
    plants["source"] = json!({"table_name": plants_view});
    both.view(&plants);

    // The same moment in several zones, before and after everything, a row twice, and rows of nobody.
    let at = |id: Value, time: &str, label: i64| json!({"operator_id": id, "event_timestamp": time, "label": label});
    let rows = json!([
        at(json!("OP-1"), "2025-01-04T02:00:00+02:00", 1),
        at(json!("OP-1"), "2025-01-03T19:00:00-05:00", 2),
        at(json!("OP-1"), "2024-12-31T23:59:59.999999Z", 3),
        at(json!("OP-1"), "2025-01-01T00:00:00Z", 4),
        at(json!("OP-1"), "2025-01-02T12:00:00Z", 5),
        at(json!("OP-1"), "2025-01-06T00:00:00Z", 6),
        at(json!("OP-2"), "2025-01-03T00:00:00Z", 7),
        at(json!("OP-2"), "2025-01-03T00:00:00.000001Z", 8),
        at(json!("OP-2"), "2025-01-03T00:00:00Z", 7),
        at(json!("OP-3"), "2025-01-03T00:00:00Z", 9),
        at(Value::Null, "2025-01-03T00:00:00Z", 10),
        at(json!("OP-2"), "2999-01-01T00:00:00Z", 11),
    ]);
    let features = [format!("{pace_view}:pace"), format!("{brief_view}:pace")];
    let request = json!({"features": features, "entities": rows, "full_feature_names": true});
    let found = both.ask("/feast/features/historical", &request);
    let column = |view: &str| {
        let name = format!("{view}__pace");
        found.as_array().unwrap().iter().map(|row| row[name.as_str()].clone()).collect::<Vec<_>>()
    };
    // Of the rows that tie, the one made last; of those, the greatest. A null that was written is one.
    let expected = json!([30, 30, null, 10, 20, null, 201, 201, 201, null, null, 201]);
    assert_eq!(json!(column(&pace_view)), expected);
    let expected = json!([31, 31, null, 10, 20, null, 201, null, 201, null, null, null]);
    assert_eq!(json!(column(&brief_view)), expected, "a day has passed");
    both.types(&request, &named("joined_pace"));

    let rows = json!([
        {"plant": 1, "shift": "A", "event_timestamp": "2025-01-01T06:00:00Z"},
        {"plant": 1, "shift": "A", "event_timestamp": "2025-01-02T06:00:00Z"},
        {"plant": 1, "shift": "B", "event_timestamp": "2025-01-02T00:00:00Z"},
        {"plant": 2, "shift": "A", "event_timestamp": "2025-01-02T00:00:00Z"},
        {"plant": 2, "shift": "A", "event_timestamp": "2025-01-04T00:00:00Z"},
        {"plant": 2, "shift": null, "event_timestamp": "2025-01-04T00:00:00Z"},
        {"plant": 3, "shift": "A", "event_timestamp": "2025-01-04T00:00:00Z"},
    ]);
    let mut features: Vec<String> = SHIFT_FEATURES.iter().map(|(name, _)| format!("{shifts_view}:{name}")).collect();
    features.push(format!("{plants_view}:city"));
    let request = json!({"features": features, "entities": rows});
    let found = both.ask("/feast/features/historical", &request);
    assert_eq!(found[0]["big"], json!(9_007_199_254_740_993_i64), "{found}");
    assert_eq!((&found[5]["note"], &found[5]["city"]), (&Value::Null, &json!("Kyoto")), "each view by its own keys");
    both.types(&request, &named("joined_shifts"));

    // The rows of a table, and no rows at all: the latest of each entity.
    let askers = named("askers");
    both.gold(
        &askers,
        "SELECT operator_id, CAST(t AS TIMESTAMP(6)) AS event_timestamp, n FROM (VALUES ('OP-2', TIMESTAMP '2025-01-02 00:00:00', 1),
            ('OP-1', TIMESTAMP '2025-01-02 00:00:00', 2)) AS t (operator_id, t, n)",
    );
    both.ask("/feast/features/historical", &json!({"features": [pace_view], "entities": format!("gold.{askers}")}));
    both.ask("/feast/features/historical", &json!({"features": [shifts_view, plants_view]}));
}

fn online(world: &World) {
    let both = Both::of(world);
    // Times are whole seconds here, which is what Feast's online stores keep.
    both.gold("states", &SHIFTS.replace("00.250", "00"));
    both.gold(
        "moods",
        "SELECT operator_id, CAST(CURRENT_TIMESTAMP - a AS TIMESTAMP(6)) AS seen, mood FROM (VALUES
        ('OP-1', INTERVAL '1' HOUR, 1), ('OP-2', INTERVAL '3' DAY, 2)) AS t (operator_id, a, mood)",
    );
    let mut states = view("states", "states", &["plant", "shift"], &SHIFT_FEATURES);
    states["online"] = json!(true);
    both.view(&states);
    let mut moods = view("moods", "moods", &["operator_id"], &[("mood", "int64")]);
    moods["online"] = json!(true);
    moods["ttl_seconds"] = json!(86_400);
    both.view(&moods);

    let entities = json!([
        {"plant": 2, "shift": "A"}, {"plant": 9, "shift": "A"}, {"plant": "1", "shift": "B"}, {"plant": 1.0, "shift": "B"},
        {"plant": 1, "shift": "A"}, {"plant": "one", "shift": "A"},
    ]);
    let found = both.ask("/feast/features/online", &json!({"features": ["states"], "entities": entities}));
    assert_eq!((&found[0]["big"], &found[2]["opened"]), (&json!(7), &json!("1969-12-31")), "{found}");
    let request = json!({"features": ["moods:mood"], "entities": [{"operator_id": "OP-2"}, {"operator_id": "OP-1"}]});
    let found = both.ask("/feast/features/online", &request);
    assert_eq!((&found[0]["mood"], &found[1]["mood"]), (&Value::Null, &json!(1)), "a day has passed for one of them");

    let service = json!({"name": "workers", "feature_views": ["moods"]});
    for lake in both.lakes() {
        lake.0.post("/feast/features/service", &service).unwrap();
    }
    both.ask("/feast/features/online", &json!({"feature_service": "workers", "entities": [{"operator_id": "OP-1"}]}));
    let status = both.feast.0.get("/feast/status").unwrap();
    assert_eq!(status["online_store_type"], "sqlite", "{status}");
    assert_eq!(status["offline_store_type"], "duckdb", "{status}");
    assert_eq!(world.feast().registered("feature_services", "workers").unwrap()["spec"]["name"], "workers");

    // A later snapshot is read without anybody asking for it.
    let sql = "SELECT operator_id, CAST(CURRENT_TIMESTAMP AS TIMESTAMP(6)) AS seen, mood FROM (VALUES ('OP-1', 5), ('OP-2', 6)) AS t (operator_id, mood)";
    both.gold("moods", sql);
    until("the new rows are online", FILLED_WITHIN, || {
        let found = both.feast.0.post("/feast/features/online", &request).unwrap();
        (found["rows"][0]["mood"] == 6 && found["rows"][1]["mood"] == 5).then_some(())
    });
    // And in joins.
    let now = json!({"features": ["moods"]});
    let found = both.feast.0.post("/feast/features/historical", &now).unwrap();
    assert_eq!(found["rows"][0]["mood"], 5, "{found}");

    let removed = |path: &str| both.feast.0.send("DELETE", path, None, &[]).unwrap().status;
    assert!(removed("/feast/services/workers") < 300 && removed("/feast/features/moods") < 300);
    assert!(world.feast().registered("feature_views", "moods").is_err(), "the registry has it still");
}

fn pushes(world: &World) {
    let both = Both::of(world);
    both.gold("efforts", &SHIFTS.replace("00.250", "00"));
    let mut efforts = view("efforts", "efforts", &["plant", "shift"], &SHIFT_FEATURES);
    efforts["online"] = json!(true);
    both.view(&efforts);
    let push = |rows: &Value| {
        let [found, expected] =
            both.lakes().map(|lake| lake.0.post("/feast/features/efforts/push", &json!({"rows": rows})).unwrap());
        assert_eq!(found, expected, "{rows}");
        (found["rows_written"].as_u64().unwrap(), found["rows_older"].as_u64().unwrap())
    };
    let entities = json!([
        {"plant": 1, "shift": "A"}, {"plant": 1, "shift": "B"}, {"plant": 2, "shift": "A"}, {"plant": 3, "shift": "C"},
        {"plant": 4, "shift": "C"},
    ]);
    let read = || both.ask("/feast/features/online", &json!({"features": ["efforts"], "entities": entities}));
    let full = |plant: Value, shift: &str, seen: &str, big: i64| {
        json!({"plant": plant, "shift": shift, "seen": seen, "big": big, "ratio": 0.5, "price": 3, "night": true,
            "opened": "2024-02-29", "closed": "2024-01-01T10:00:00+02:00", "note": "é 'x'", "teams": [1, 2], "words": []})
    };
    let sparse = |plant: i64, shift: &str, seen: &str, note: &str| {
        json!({"plant": plant, "shift": shift, "seen": seen, "big": null, "ratio": null, "price": null, "night": null,
            "opened": null, "closed": null, "note": note, "teams": null, "words": null})
    };
    // Entities that are there and that are not, values beside nulls, a row that is older, and two of one entity.
    let rows = json!([
        full(json!(1), "A", "2025-02-01T00:00:00Z", 9_007_199_254_740_993),
        sparse(1, "B", "2025-02-01T00:00:00Z", "few"),
        full(json!(2), "A", "2025-01-02T00:00:00Z", 1),
        full(json!("3"), "C", "2025-02-01T00:00:00Z", -5),
        full(json!(3.0), "C", "2025-01-31T00:00:00Z", 5),
        sparse(4, "C", "2020-01-01T00:00:00Z", "alone"),
    ]);
    assert_eq!(push(&rows), (4, 2));
    let found = read();
    assert_eq!(found[0]["big"], json!(9_007_199_254_740_993_i64), "{found}");
    assert_eq!((&found[0]["opened"], &found[0]["closed"]), (&json!("2024-02-29"), &json!("2024-01-01T08:00:00")));
    assert_eq!((&found[1]["note"], &found[1]["big"]), (&json!("few"), &Value::Null), "{found}");
    assert_eq!((&found[2]["big"], &found[3]["big"], &found[4]["note"]), (&json!(7), &json!(-5), &json!("alone")));
    assert_eq!(push(&rows), (4, 2), "a push may be repeated");
    assert_eq!(read(), found);
    assert_eq!(push(&json!([full(json!(1), "A", "2025-01-31T00:00:00Z", 1)])), (0, 1));
    assert_eq!(read(), found);
    // All rows of one column are null, and then a tie.
    assert_eq!(push(&json!([sparse(1, "A", "2025-02-02T00:00:00Z", "last")])), (1, 0));
    assert_eq!(push(&json!([full(json!(1), "A", "2025-02-02T00:00:00Z", 8)])), (1, 0));
    assert_eq!(read()[0]["big"], 8);

    // A later snapshot with newer rows, asked for by a read.
    both.gold("efforts", &SHIFTS.replace("00.250", "00").replace("2025-", "2026-"));
    until("the table's rows are online", FILLED_WITHIN, || {
        let rows = both.lakes().map(|lake| {
            lake.0.post("/feast/features/online", &json!({"features": ["efforts"], "entities": entities})).unwrap()
        });
        rows.iter().all(|rows| rows["rows"][2]["big"] == 7 && rows["rows"][1]["big"] == -1).then_some(())
    });
    let found = read();
    assert_eq!((&found[0]["big"], &found[3]["big"]), (&Value::Null, &json!(-5)), "{found}");

    for lake in both.lakes() {
        let answer = |rows: Value| {
            lake.0.send("POST", "/feast/features/efforts/push", Some(&json!({"rows": rows})), &[]).unwrap()
        };
        let mut bad = full(json!("one"), "A", "2027-01-01T00:00:00Z", 1);
        let refused = answer(json!([bad]));
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (422, &json!("rows[0].plant")),
            "{}",
            refused.body
        );
        bad["plant"] = json!(1);
        bad["teams"] = json!(["x"]);
        let refused = answer(json!([bad]));
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (422, &json!("rows[0].teams")),
            "{}",
            refused.body
        );
    }
    let nothing = json!({"plant": 1, "shift": "A", "seen": "2027-01-01T00:00:00Z", "big": null, "ratio": null, "price": null,
        "night": null, "opened": null, "closed": null, "note": null, "teams": null, "words": null});
    let refused =
        both.feast.0.send("POST", "/feast/features/efforts/push", Some(&json!({"rows": [nothing]})), &[]).unwrap();
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("all features are null"), "{}", refused.body);
}

fn refusals(world: &World) {
    let both = Both::of(world);
    both.gold("wheels", "SELECT id, size, CAST(seen AS TIMESTAMP(6)) AS seen FROM (VALUES (1, 20, TIMESTAMP '2025-01-01 00:00:00')) AS t (id, size, seen)");
    both.gold("spokes", "SELECT id, size, CAST(seen AS TIMESTAMP(6)) AS seen FROM (VALUES ('a', 20, TIMESTAMP '2025-01-01 00:00:00')) AS t (id, size, seen)");
    let feast = &both.feast.0;
    let refused = |path: &str, body: &Value, field: &str| {
        let answer = feast.send("POST", path, Some(body), &[]).unwrap();
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert_eq!(answer.body["errors"][0]["field"], field, "{}", answer.body);
        answer.body.to_string()
    };
    refused("/feast/features", &view("wheels", "wheels", &["id"], &[("sise", "int64")]), "features[0].name");
    refused("/feast/features", &view("wheels", "wheels", &["id"], &[("size", "string")]), "features[0].dtype");
    feast.post("/feast/features", &view("wheels", "wheels", &["id"], &[("size", "int64")])).unwrap();
    // Feast has one entity `id` for all views, and it is a number.
    let said = refused("/feast/features", &view("spokes", "spokes", &["id"], &[("size", "int64")]), "entities[0]");
    assert!(said.contains("INT64") && said.contains("STRING"), "{said}");
    let nobody = json!({"features": ["wheels"], "entities": [{"who": 1, "event_timestamp": "2025-01-01T00:00:00Z"}]});
    let said = refused("/feast/features/historical", &nobody, "entities");
    assert!(said.contains("`id`"), "{said}");
    let text = json!({"features": ["wheels"], "entities": [{"id": "x", "event_timestamp": "2025-01-01T00:00:00Z"}]});
    refused("/feast/features/historical", &text, "entities");
    refused("/feast/features/online", &json!({"features": ["wheels"], "entities": [{"id": 1}]}), "features");

    // A check tells what it reached.
    let host = world.host_client();
    let finding = |environment: &str| {
        let report = host.post(&format!("/environments/{environment}/check"), &json!({})).unwrap();
        let of = |finding: &&Value| finding["field"].as_str().is_some_and(|field| field.starts_with("features"));
        report["findings"].as_array().unwrap().iter().find(of).cloned().unwrap()
    };
    let reached = finding("feast");
    assert_eq!(reached["verdict"], "passed", "{reached}");
    assert!(reached["message"].as_str().unwrap().contains("0.67.0"), "{reached}");
}

/// The suite that plugin authors run.
fn conforms(world: &World) {
    let binding = binding(world);
    let features = &binding["features"];
    let setup = format!(
        "configuration = {}\ngrants.http = {}\ngrants.processes = [\"feast\"]\nprograms.feast = {}\n",
        toml(&features["configuration"]),
        toml(&features["grants"]["http"]),
        toml(&binding["programs"]["feast"]),
    );
    let file = world.folder("suite").join("feast.toml");
    std::fs::write(&file, setup).unwrap();
    let component = world.built().plugins.join("feast/plugin.wasm");
    let run = Command::new(&world.built().asgard)
        .args(["plugin", "test"])
        .arg(component)
        .arg("--config")
        .arg(file)
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}");
    assert!(said.contains(" 0 failed") && !said.lines().any(|line| line.starts_with("skipped ")), "{said}");
}

fn toml(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
