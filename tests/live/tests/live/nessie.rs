//! An environment whose catalog is Nessie: the journey's tables, read and written by everybody.

use std::sync::{Arc, OnceLock};

use asgard_journey::steps::Journey;
use libtest_mimic::Trial;
use serde_json::json;

use crate::engine::Engine;
use crate::world::{World, test};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let mut trials = vec![
        test(world, "nessie_keeps_no_snapshots_and_as_of_is_refused_with_the_reason", as_of),
        test(world, "the_host_maintains_a_table_in_nessie", maintained),
        test(world, "an_audited_table_is_published_when_its_checks_pass_and_not_before", audited),
    ];
    for engine in Engine::ALL {
        let name = engine.name();
        trials.push(test(world, &format!("{name}_reads_the_journeys_tables_in_nessie"), move |world| {
            journey(world, engine)
        }));
        trials.push(test(world, &format!("the_host_reads_and_changes_what_{name}_makes_in_nessie"), move |world| {
            made(world, engine);
        }));
    }
    trials
}

/// The factory's rows in bronze, silver and gold; made once.
pub(crate) fn walked(world: &World) {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| {
        let lake = world.branch();
        let config = json!({"schemas": ["production", "inventory"]});
        lake.ingest("factory", "warehouse/factory", world.s3(), &world.source().source(), &config);
        let mut journey = Journey::new(&lake.0, &|line| eprintln!("{line}"));
        journey.clean().unwrap();
        journey.aggregate().unwrap();
    });
}

fn journey(world: &World, engine: Engine) {
    walked(world);
    let lake = world.branch();
    for (table, rows) in
        [("bronze.materials", 2323), ("bronze.quality_checks", 3500), ("gold.operator_efficiency", 142)]
    {
        let found = engine.agrees(world, "nessie", &lake, table);
        assert_eq!(found.rows.len(), rows, "{table}");
    }
    // Too many for one answer: counted and summed up, column by column.
    for table in ["bronze.work_orders", "silver.work_orders"] {
        let sums = |table: &str| {
            format!(
                "SELECT count(*) AS n, count(DISTINCT work_order_id) AS orders, count(operator_id) AS operators, sum(quantity) AS quantity,
                    sum(unit_cost) AS cost, min(start_time) AS first_start, max(end_time) AS last_end, count(due_date) AS due,
                    sum(CASE WHEN is_rush THEN 1 ELSE 0 END) AS rush, max(status) AS last_status FROM {table}"
            )
        };
        let ours = lake.query(&sums(table));
        let theirs = engine.sql(world, &sums(&format!("nessie.{table}")));
        assert_eq!(theirs.rows, ours.rows, "{table}");
    }
}

fn made(world: &World, engine: Engine) {
    let (lake, name) = (world.branch(), engine.name());
    let using = if engine == Engine::Spark { "USING iceberg " } else { "" };
    // The host has made the namespaces once it has written.
    lake.gold(&format!("before_{name}"), "SELECT 1 AS n");
    let table = format!("gold.{name}_made");
    let sql = |sql: &str| engine.sql(world, &sql.replace("TABLE_", &format!("nessie.{table}")));
    sql(&format!(
        "CREATE TABLE TABLE_ {using}AS SELECT 1 AS id, 'one' AS v UNION ALL SELECT 2, 'two' UNION ALL SELECT 3, NULL"
    ));
    if engine == Engine::Spark {
        sql("ALTER TABLE TABLE_ SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')");
    }
    sql("DELETE FROM TABLE_ WHERE id = 2");
    assert_eq!(engine.agrees(world, "nessie", &lake, &table).rows.len(), 2);
    lake.change(&table, &json!([{"action": "add_column", "name": "day", "type": "date"}, {"action": "rename_column", "name": "v", "to": "word"}]));
    assert_eq!(engine.agrees(world, "nessie", &lake, &table).columns[2].1, "date");
    sql("INSERT INTO TABLE_ VALUES (4, 'four', DATE '2024-02-29')");
    let rows = engine.agrees(world, "nessie", &lake, &table);
    assert_eq!(rows.rows.len(), 3);
}

fn as_of(world: &World) {
    let lake = world.branch();
    lake.incremental("as_it_was", "merge", "", "(1, 'one')");
    let first = lake.snapshots("gold.as_it_was");
    lake.incremental("as_it_was", "merge", "", "(1, 'uno'), (2, 'dos')");
    let now = lake.snapshots("gold.as_it_was");
    assert_eq!(now.len(), 1, "{now:?}");
    for as_of in [first[0].as_str(), "2001-01-01T00:00:00Z"] {
        let answer = lake.ask(&json!({"sql": "SELECT * FROM gold.as_it_was", "as_of": as_of}));
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!("as_of")), "{}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("catalog"), "{detail}");
    }
    let answer = lake.ask(&json!({"sql": "SELECT * FROM gold.as_it_was", "as_of": now[0]}));
    assert_eq!((answer.status, &answer.body["row_count"]), (200, &json!(2)), "{}", answer.body);
}

fn maintained(world: &World) {
    let lake = world.branch();
    for id in 1..=6 {
        lake.incremental("maintained", "append", "", &format!("({id}, 'v')"));
    }
    let done = lake.compact("gold.maintained");
    assert_eq!((&done["files_before"], &done["files_after"]), (&json!(6), &json!(1)), "{done}");
    for engine in Engine::ALL {
        assert_eq!(engine.agrees(world, "nessie", &lake, "gold.maintained").rows.len(), 6);
    }
}

/// Write, audit, publish: each on a branch of its own.
fn audited(world: &World) {
    let lake = world.branch();
    let model = |rows: &str| {
        let body = json!({
            "name": "audited", "sql_query": format!("SELECT * FROM (VALUES {rows}) AS t (id, v)"), "audit": true,
            "tests": [{"column": "id", "test": "unique"}],
        });
        lake.0.post("/dbt/transform", &body).unwrap()
    };
    let first = model("(1, 'one'), (2, 'two')");
    assert_eq!(
        (first["status"].as_str(), first["tests"][0]["status"].as_str()),
        (Some("completed"), Some("pass")),
        "{first}"
    );
    let rows = || lake.query("SELECT id, v FROM gold.audited ORDER BY id, v").rows;
    let published = rows();
    assert_eq!(published.len(), 2);

    let second = model("(1, 'one'), (1, 'again')");
    assert_eq!(second["status"], "failed", "{second}");
    assert!(second["error_message"].as_str().unwrap().contains("nothing was published"), "{second}");
    assert_eq!(rows(), published, "nobody sees what failed");

    let silver = json!({
        "sql": "SELECT id FROM source_data", "source_path": "gold.audited", "table": "audited", "audit": true,
        "checks": [{"name": "positive", "sql": "SELECT id FROM silver.audited WHERE id < 1"}],
    });
    lake.silver_run(&silver);
    assert_eq!(lake.query("SELECT count(*) AS n FROM silver.audited").rows.len(), 1);
    assert_eq!(lake.branches(world.nessie()), Vec::<String>::new(), "branches go with their tasks");
}
