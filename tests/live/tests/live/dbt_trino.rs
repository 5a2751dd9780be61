//! Gold by `dbt-trino`, on real Trino with and without dbt, beside the embedded `sql` on the same tables in Nessie: the same requests
//! leave the same rows.
//!
//! Trino calls the catalog `nessie` here and the models call it `iceberg`, as everywhere.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::faults::{Fault, Faults};
use asgard_live::bindings;
use asgard_live::images::Image;
use asgard_live::rows::Answer;
use asgard_live::trino::Trino;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::dbt_job;
use crate::engine::{Engine, assert_same};
use crate::lake::Lake;
use crate::nessie::walked;
use crate::world::{World, borrowed, test, until};

/// dbt needs ten seconds to start on a busy machine, and Trino half a minute to start again.
pub(crate) const RUN_WITHIN: Duration = Duration::from_secs(240);

/// What runs for longer than any test waits.
pub(crate) const ENDLESS: &str =
    "SELECT count(*) AS n FROM UNNEST(sequence(1, 10000)) AS a (x) CROSS JOIN UNNEST(sequence(1, 10000)) AS b (y)
    CROSS JOIN UNNEST(sequence(1, 10000)) AS c (z) WHERE (x * y + z) % 7 = 3";

/// The plugin's two modes, the first of them in a process and in a Job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Dbt,
    Job,
    Statements,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Dbt, Self::Job, Self::Statements];

    fn name(self) -> &'static str {
        match self {
            Self::Dbt => "dbt",
            Self::Job => "job",
            Self::Statements => "statements",
        }
    }

    /// Of its queries in Trino.
    fn source(self) -> &'static str {
        match self {
            Self::Dbt | Self::Job => "dbt-trino%",
            Self::Statements => "asgard",
        }
    }
}

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = vec![
        test(world, "gold_is_swapped_between_sql_and_dbt_trino_while_the_host_stays_up", swapped),
        test(world, "dbt_trino_by_statements_appends_once_over_a_network_that_fails", network),
    ];
    for mode in Mode::ALL.into_iter().filter(|mode| *mode != Mode::Job || Image::DbtTrino.asked_for()) {
        let mut add = |sentence: &str, body: fn(&World, Mode)| {
            let name = format!("dbt_trino_by_{}_{sentence}", mode.name());
            trials.push(test(world, &name, move |world| body(world, mode)));
        };
        add("leaves_the_rows_and_types_of_sql", journey);
        // The same project in another place, each time a pod later: how that ends is told by tests of its own.
        if mode == Mode::Job {
            continue;
        }
        add("makes_views_that_the_host_reads", views);
        add("renders_macros_as_sql_does", macros);
        add("appends_merges_and_replaces_by_key_as_sql_does", incremental);
        add("tells_line_and_column_of_a_wrong_column", wrong_column);
        add("fails_with_the_reason_when_trino_is_killed_and_succeeds_when_it_is_run_again", killed);
        add("drops_what_it_made", dropped);
        add("publishes_what_is_audited_when_its_checks_pass_and_not_before", audited);
    }
    trials
}

/// The parts of an environment's document that bind gold to Trino at `url`.
pub(crate) fn binding(world: &World, mode: Mode, url: &str) -> Value {
    match mode {
        Mode::Job => dbt_job::binding(world, "dbt", url),
        Mode::Dbt | Mode::Statements => bindings::dbt_trino(&world.installed().unwrap().dbt, mode.name(), url),
    }
}

/// The environment whose gold is made in this mode.
fn environment(world: &World, mode: Mode) -> Lake {
    static MADE: [OnceLock<String>; 3] = [const { OnceLock::new() }; 3];
    let base = MADE[mode as usize].get_or_init(|| {
        let changes = binding(world, mode, world.trino().url());
        world.branch_with(&format!("gold-{}", mode.name()), &changes).unwrap().0.base().to_owned()
    });
    Lake(Client::new(base))
}

/// A model's own macros, dbt's and those of dbt_utils.
const MACROS: &str = "{% macro half(column) -%} ({{ column }} / 2) {%- endmacro %}
SELECT {{ dbt_utils.generate_surrogate_key(['status', 'missing']) }} AS k, status, {{ half('SUM(n)') }} AS half,
    {{ dbt.datediff('MIN(a)', 'MAX(b)', 'week') }} AS weeks, {{ dbt.listagg('word', \"'+'\", 'order by word') }} AS words,
    {{ dbt_utils.pivot('word', ['x', 'y'], suffix='_n') }}, {{ dbt_utils.safe_divide('SUM(n)', 'SUM(zero)') }} AS none
FROM (VALUES ('open', CAST(NULL AS VARCHAR), 4, DATE '2024-01-06', DATE '2024-03-01', 'y', 0),
    ('open', NULL, 6, DATE '2024-02-06', DATE '2024-02-01', 'x', 0), ('done', NULL, 8, DATE '2024-01-07', DATE '2024-01-08', 'x', 0))
    AS t (status, missing, n, a, b, word, zero)
GROUP BY status, missing";

fn macros(world: &World, mode: Mode) {
    let lake = environment(world, mode);
    let name = format!("macros_{}", mode.name());
    completed(&lake, &json!({"name": name, "sql_query": MACROS}));
    let here = world.branch();
    // Both modes may be at it at once.
    let embedded = format!("macros_beside_{}", mode.name());
    completed(&here, &json!({"name": embedded, "sql_query": MACROS}));
    let made = rows(&lake, &format!("gold.{name}"));
    assert_eq!(made.rows.len(), 2, "{made:?}");
    assert_same(&name, &made, &rows(&here, &format!("gold.{embedded}")));
}

/// Runs a request to its end, whatever that is.
pub(crate) fn ended(lake: &Lake, request: &Value) -> Value {
    let model = lake.0.post("/dbt/transform", request).unwrap();
    let path = format!("/dbt/transformations/{}", model["transformation_id"].as_str().unwrap());
    until("the model ends", RUN_WITHIN, || {
        let model = lake.0.look(&path).ok()?;
        (!matches!(model["status"].as_str(), Some("pending" | "running"))).then_some(model)
    })
}

pub(crate) fn completed(lake: &Lake, request: &Value) -> Value {
    let model = ended(lake, request);
    assert_eq!(model["status"], "completed", "{model}");
    model
}

/// A table of the environment as it is now, without the column that is another in each run.
pub(crate) fn rows(lake: &Lake, table: &str) -> Answer {
    let mut all = lake.query(&format!("SELECT * FROM {table}"));
    if let Some(at) = all.columns.iter().position(|(name, _)| name == "feature_timestamp") {
        for row in &mut all.rows {
            row[at] = Value::Null;
        }
    }
    all.sorted()
}

fn journey(world: &World, mode: Mode) {
    walked(world);
    let lake = environment(world, mode);
    let name = format!("efficiency_{}", mode.name());
    let request = json!({
        "name": name, "sql_query": include_str!("../../../journey/gold.sql"), "tags": ["features", "nightly"], "owner": "operations",
        "description": "How operators work: it's {{ measured }}",
        "tests": [{"column": "operator_id", "test": "unique"}, {"column": "completion_rate", "test": "not_null"}],
    });
    // Twice: made, and replaced.
    for _ in 0..2 {
        let model = completed(&lake, &request);
        assert_eq!((&model["row_count"], &model["materialization"]), (&json!(142), &json!("table")), "{model}");
        let passed = model["tests"].as_array().unwrap().iter().filter(|test| test["status"] == "pass").count();
        assert_eq!(passed, 2, "{model}");
        let made = rows(&lake, &format!("gold.{name}"));
        assert_same(&name, &made, &rows(&world.branch(), "gold.operator_efficiency"));
    }
    assert_eq!(Engine::Trino.agrees(world, "nessie", &lake, &format!("gold.{name}")).rows.len(), 142);
    let told = lake.table(&format!("gold.{name}"));
    let properties = &told["properties"];
    assert_eq!(properties["comment"], "How operators work: it's {{ measured }}", "{told}");
    assert_eq!(properties["asgard.owner"], "operations", "{told}");
    assert_eq!(properties["asgard.tags"], "features,nightly", "{told}");
}

fn views(world: &World, mode: Mode) {
    walked(world);
    let lake = environment(world, mode);
    let name = format!("by_status_{}", mode.name());
    let sql =
        |more: &str| format!("SELECT status, count(*) AS n{more} FROM {{{{ ref('work_orders') }}}} GROUP BY status");
    // Made, and replaced.
    for more in ["", ", sum(quantity) AS quantity"] {
        let request =
            json!({"name": name, "sql_query": sql(more), "materialization": "view", "description": "Per status"});
        let model = completed(&lake, &request);
        assert_eq!((&model["row_count"], &model["materialization"]), (&json!(null), &json!("view")), "{model}");
        let expected = lake.query(&sql(more).replace("{{ ref('work_orders') }}", "silver.work_orders")).sorted();
        assert!(!expected.rows.is_empty());
        assert_same(&name, &rows(&lake, &format!("gold.{name}")), &expected);
        assert_same(&name, &Engine::Trino.sql(world, &format!("SELECT * FROM nessie.gold.{name}")).sorted(), &expected);
    }
    // And a table in its place.
    completed(&lake, &json!({"name": name, "sql_query": "SELECT 1 AS n, 'one' AS word"}));
    assert_eq!(rows(&lake, &format!("gold.{name}")).rows, [[json!(1), json!("one")]]);
    // A table with rows does not make room for a view.
    let answer = lake.0.send(
        "POST",
        "/dbt/transform",
        Some(&json!({"name": name, "sql_query": sql(""), "materialization": "view"})),
        &[],
    );
    assert_eq!(answer.unwrap().status, 409);
}

/// Runs of an incremental model: rows, then some of them anew with a column more, then without it.
const RUNS: [&str; 3] = [
    "SELECT id, v FROM (VALUES (1, 'one'), (2, 'two'), (3, 'three'), (NULL, 'none')) AS t (id, v)",
    "SELECT id, v, size FROM (VALUES (3, 'trois', 3.5), (4, 'quatre', 4.5), (NULL, 'rien', 0.5)) AS t (id, v, size)",
    "SELECT id, v FROM (VALUES (4, 'cuatro'), (5, 'cinco')) AS t (id, v)",
];

fn incremental(world: &World, mode: Mode) {
    let (lake, embedded) = (environment(world, mode), world.branch());
    for strategy in ["append", "merge", "delete_insert"] {
        let names = [format!("{strategy}_{}", mode.name()), format!("{strategy}_{}_sql", mode.name())];
        for (run, sql) in RUNS.iter().enumerate() {
            for (lake, name) in [&lake, &embedded].into_iter().zip(&names) {
                let key = if strategy == "append" { json!([]) } else { json!(["id"]) };
                let request = json!({"name": name, "sql_query": sql, "materialization": "incremental",
                    "incremental_strategy": strategy, "unique_key": key});
                if strategy != "append" && run == 2 {
                    let failed = ended(lake, &request);
                    assert!(failed["error_message"].to_string().contains("lack column `size`"), "{failed}");
                    continue;
                }
                let model = completed(lake, &request);
                assert_eq!(model["materialization"], "incremental", "{model}");
            }
            let [ours, theirs] = &names;
            let what = format!("{ours} after run {run}");
            assert_same(&what, &rows(&lake, &format!("gold.{ours}")), &rows(&lake, &format!("gold.{theirs}")));
        }
    }
    // Several rows of one key: both stay where they are inserted, none is guessed where one would be updated.
    let name = format!("repeated_{}", mode.name());
    let request = |strategy: &str, rows: &str| {
        json!({"name": name, "sql_query": format!("SELECT * FROM (VALUES {rows}) AS t (id, v)"), "materialization": "incremental",
            "incremental_strategy": strategy, "unique_key": ["id"]})
    };
    completed(&lake, &request("delete_insert", "(1, 'a')"));
    completed(&lake, &request("delete_insert", "(1, 'b'), (1, 'c')"));
    assert_eq!(rows(&lake, &format!("gold.{name}")).rows, [[json!(1), json!("b")], [json!(1), json!("c")]]);
    let failed = ended(&lake, &request("merge", "(1, 'd'), (1, 'e')"));
    assert_eq!(failed["status"], "failed", "{failed}");
    assert!(failed["error_message"].as_str().unwrap().contains("make the result unique by it"), "{failed}");
    // Only the model itself knows that it is incremental, and what it has already.
    let name = format!("newest_{}", mode.name());
    let sql = |rows: &str| {
        format!(
            "{{{{ config(materialized='incremental', incremental_strategy='append') }}}}
             SELECT id FROM (VALUES {rows}) AS t (id){{% if is_incremental() %}} WHERE id > (SELECT max(id) FROM {{{{ this }}}}){{% endif %}}"
        )
    };
    for rows in ["1, 2", "1, 2, 3", "3, 4"] {
        completed(&lake, &json!({"name": name, "sql_query": sql(rows)}));
    }
    assert_eq!(rows(&lake, &format!("gold.{name}")).rows, [[json!(1)], [json!(2)], [json!(3)], [json!(4)]]);
}

fn wrong_column(world: &World, mode: Mode) {
    walked(world);
    let lake = environment(world, mode);
    for (sql, expected) in [
        ("SELECT status,\n  nope FROM {{ ref('work_orders') }}", "line 2, column 3: Column 'nope' cannot be resolved"),
        (
            "SELECT status\nFROM iceberg.silver.no_orders",
            "line 2, column 6: Table 'nessie.silver.no_orders' does not exist",
        ),
        ("SELECT status\nFROM {{ ref('no_orders') }}", "line 2: there is no model or silver table `no_orders`"),
        ("SELECT 1 AS a,\n 2", "column 2 has no name"),
    ] {
        let body = json!({"name": "wrong", "sql_query": sql});
        let answer = lake.0.send("POST", "/dbt/transform", Some(&body), &[]).unwrap();
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!("sql_query")), "{}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail}");
    }
    // What only running shows.
    let failed = ended(
        &lake,
        &json!({"name": format!("divided_{}", mode.name()), "sql_query":
        "SELECT quantity / (quantity - quantity) AS n FROM {{ ref('work_orders') }} WHERE quantity IS NOT NULL"}),
    );
    let message = failed["error_message"].as_str().unwrap();
    assert!(message.contains("Division by zero") && message.contains("DIVISION_BY_ZERO"), "{message}");
}

fn killed(world: &World, mode: Mode) {
    let folder = world.folder(&format!("trino-{}", mode.name()));
    let settings = world.trino_on_nessie();
    let mut trino = Trino::start_with(world.installed().unwrap(), &folder, "nessie", &borrowed(&settings)).unwrap();
    let environment = format!("killed-{}", mode.name());
    let lake = world.branch_with(&environment, &binding(world, mode, trino.url())).unwrap();
    let name = format!("killed_{}", mode.name());
    let request = |sql: &str| json!({"name": name, "sql_query": sql, "materialization": "incremental", "incremental_strategy": "append"});
    completed(&lake, &request("SELECT BIGINT '1' AS n"));
    let path = std::thread::scope(|scope| {
        // Answers after half a minute: a run that takes longer goes on.
        let posted = scope.spawn(|| lake.0.post("/dbt/transform", &request(ENDLESS)).unwrap());
        until("the query runs", RUN_WITHIN, || {
            let running = trino.sql(&format!(
                "SELECT count(*) AS n FROM system.runtime.queries
                 WHERE source LIKE '{}' AND state = 'RUNNING' AND lower(query) LIKE '%insert into%'",
                mode.source()
            ));
            (running.ok()?.rows[0][0] == json!(1)).then_some(())
        });
        trino.crash().unwrap();
        trino.restart().unwrap();
        let posted = posted.join().unwrap();
        format!("/dbt/transformations/{}", posted["transformation_id"].as_str().unwrap())
    });
    let failed = until("the run ends", RUN_WITHIN, || {
        let model = lake.0.look(&path).ok()?;
        (!matches!(model["status"].as_str(), Some("pending" | "running"))).then_some(model)
    });
    assert_eq!(failed["status"], "failed", "{failed}");
    let message = failed["error_message"].as_str().unwrap();
    assert!(message.contains(&format!("gold.{name} is as it was")), "{message}");
    assert_eq!(rows(&lake, &format!("gold.{name}")).rows, [[json!(1)]]);
    completed(&lake, &request("SELECT BIGINT '2' AS n"));
    assert_eq!(rows(&lake, &format!("gold.{name}")).rows, [[json!(1)], [json!(2)]]);
}

/// Each befalls the statement that writes, and then what is asked about it.
const FAULTS: [Fault; 6] = [
    Fault::LostRequest,
    Fault::LostAnswer,
    Fault::HalfBody,
    Fault::Status(502),
    Fault::RetryAfter(429, 2),
    Fault::RetryAt(503, 2),
];

fn network(world: &World) {
    let faults = Faults::before(world.trino().url()).unwrap();
    let lake = world.branch_with("gold-network", &binding(world, Mode::Statements, faults.url())).unwrap();
    let append = |id: usize| {
        completed(
            &lake,
            &json!({"name": "over_the_network", "sql_query": format!("SELECT {id} AS id"),
                "materialization": "incremental", "incremental_strategy": "append"}),
        )
    };
    append(0);
    for (id, fault) in (1..).zip(FAULTS) {
        faults.mend();
        // One that is asked again is the next of them.
        for (method, which) in [("POST", 0), ("GET", 0), ("GET", 2)] {
            faults.fail_after("INSERT INTO", method, "/v1/statement", which..which + 1, fault);
        }
        append(id);
        let met = faults.mend().into_iter().filter(|each| each.fault == Some(fault)).count();
        assert_eq!(met, 3, "{fault:?}");
        let expected: Vec<Vec<Value>> = (0..=id).map(|id| vec![json!(id)]).collect();
        assert_eq!(rows(&lake, "gold.over_the_network").rows, expected, "{fault:?}");
    }
}

fn dropped(world: &World, mode: Mode) {
    let lake = environment(world, mode);
    for materialization in ["table", "view"] {
        let name = format!("dropped_{materialization}_{}", mode.name());
        let model = completed(
            &lake,
            &json!({"name": name, "sql_query": "SELECT 1 AS one", "materialization": materialization}),
        );
        let path = format!("/dbt/transformations/{}?drop_table=true", model["transformation_id"].as_str().unwrap());
        assert_eq!(lake.0.send("DELETE", &path, None, &[]).unwrap().status, 204);
        let found = lake.0.send("GET", &format!("/lakehouse/tables/gold/{name}"), None, &[]).unwrap();
        assert_eq!(found.status, 404, "{}", found.body);
    }
}

/// Write, audit, publish: each run in a catalog of its own over a branch of its own.
fn audited(world: &World, mode: Mode) {
    let (trino, dbt) = (world.trino(), &world.installed().unwrap().dbt);
    let changes = bindings::audited_dbt_trino(dbt, mode.name(), trino.url(), world.s3());
    let lake = world.branch_with(&format!("gold-audited-{}", mode.name()), &changes).unwrap();
    let (name, source) = (format!("audited_{}", mode.name()), format!("to_audit_{}", mode.name()));
    completed(&lake, &json!({"name": source, "sql_query": "SELECT 1 AS id, 'one' AS v"}));
    let request = |more: &Value| {
        let mut request = json!({"name": name, "audit": true, "tests": [{"column": "id", "test": "unique"}]});
        for (field, value) in more.as_object().unwrap() {
            request[field] = value.clone();
        }
        request
    };
    let first = completed(&lake, &request(&json!({"sql_query": format!("SELECT * FROM {{{{ ref('{source}') }}}}")})));
    assert_eq!(first["tests"][0]["status"], "pass", "{first}");
    let now = || rows(&lake, &format!("gold.{name}")).rows;
    assert_eq!(now(), [[json!(1), json!("one")]]);

    // Replaced and appended to, with a row that is there already.
    for materialization in ["table", "incremental"] {
        let twice = json!({"sql_query": "SELECT * FROM (VALUES (1, 'uno'), (1, 'again')) AS t (id, v)",
            "materialization": materialization, "incremental_strategy": "append"});
        let failed = ended(&lake, &request(&twice));
        assert_eq!(failed["status"], "failed", "{failed}");
        assert!(failed["error_message"].as_str().unwrap().contains("nothing was published"), "{failed}");
        assert_eq!(now(), [[json!(1), json!("one")]], "nobody sees what failed");
    }
    let appended = json!({"sql_query": "SELECT max(id) + 1 AS id, 'two' AS v FROM {{ this }}",
        "materialization": "incremental", "incremental_strategy": "append"});
    completed(&lake, &request(&appended));
    assert_eq!(now(), [[json!(1), json!("one")], [json!(2), json!("two")]]);
    // What only running shows.
    let divided =
        ended(&lake, &request(&json!({"sql_query": format!("SELECT 1 / (id - id) AS id FROM gold.{source}")})));
    assert!(divided["error_message"].as_str().unwrap().contains("DIVISION_BY_ZERO"), "{divided}");
    assert_eq!(now().len(), 2);

    // A view outlives the catalog that it was made in, and follows what it reads.
    let view = format!("audited_view_{}", mode.name());
    let sql = format!("SELECT id, v FROM iceberg.gold.{name}");
    completed(&lake, &request(&json!({"name": view, "sql_query": sql, "materialization": "view"})));
    completed(&lake, &request(&json!({"sql_query": "SELECT 3 AS id, 'three' AS v"})));
    assert_eq!(rows(&lake, &format!("gold.{view}")).rows, [[json!(3), json!("three")]]);
    let seen = Engine::Trino.sql(world, &format!("SELECT * FROM nessie.gold.{view}"));
    assert_eq!(seen.rows, [[json!(3), json!("three")]]);

    cancelled_on_its_branch(&lake, trino, &request(&json!({"sql_query": ENDLESS, "tests": []})), mode);
    assert_eq!(now(), [[json!(3), json!("three")]]);
    assert_eq!(lake.branches(world.nessie()), Vec::<String>::new(), "branches go with their tasks");
    assert_eq!(lake.catalogs(trino), Vec::<String>::new(), "catalogs go with their tasks");

    // A binding that says nothing of branches.
    let body = json!({"name": "never_audited", "sql_query": "SELECT 1 AS id", "audit": true});
    let refused = environment(world, mode).0.send("POST", "/dbt/transform", Some(&body), &[]).unwrap();
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("audit")), "{}", refused.body);
    assert!(refused.body["detail"].as_str().unwrap().contains("add `audit_catalog`"), "{}", refused.body);
}

/// Cancels a model once its query runs.
fn cancelled_on_its_branch(lake: &Lake, trino: &Trino, request: &Value, mode: Mode) {
    std::thread::scope(|scope| {
        let posted = scope.spawn(|| ended(lake, request));
        until("the query runs", RUN_WITHIN, || {
            let running = trino.sql(&format!(
                "SELECT count(*) AS n FROM system.runtime.queries WHERE source LIKE '{}' AND state = 'RUNNING'
                 AND lower(query) LIKE '%create%table%{}%'",
                mode.source(),
                request["name"].as_str().unwrap()
            ));
            (running.ok()?.rows[0][0] == json!(1)).then_some(())
        });
        let running = lake.0.look("/tasks?kind=gold&status=running").unwrap();
        let id = running["tasks"][0]["id"].as_str().unwrap().to_owned();
        lake.0.post(&format!("/tasks/{id}/cancel"), &json!({})).unwrap();
        let cancelled = posted.join().unwrap();
        assert_eq!(cancelled["error_message"], "the run was cancelled", "{cancelled}");
    });
}

fn swapped(world: &World) {
    walked(world);
    let process = world.host_process();
    let embedded = json!({"gold": {"plugin": "sql", "grants": {"lakehouse": {"read": ["bronze", "silver", "gold"], "write": ["gold"]}}}});
    let lake = world.branch_with("swapped", &embedded).unwrap();
    let url = world.trino().url();
    let request = json!({"name": "swapped", "sql_query": include_str!("../../../journey/gold.sql")});
    let bindings =
        [None, Some(binding(world, Mode::Statements, url)), Some(embedded), Some(binding(world, Mode::Dbt, url))];
    for changes in bindings {
        if let Some(changes) = changes {
            world.rebind("swapped", &changes).unwrap();
        }
        let model = completed(&lake, &request);
        assert_eq!(model["row_count"], 142, "{model}");
        assert_same("gold.swapped", &rows(&lake, "gold.swapped"), &rows(&world.branch(), "gold.operator_efficiency"));
    }
    assert_eq!(world.host_process(), process);
}
