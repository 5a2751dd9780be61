//! What the connector finds in a database.

use asgard_plugin_postgres::inspection::discover;
use asgard_sdk::connector::{StreamDescriptor, SyncMode};
use asgard_sdk::json;

use crate::network::Network;
use crate::server::Server;

fn columns(stream: &StreamDescriptor) -> Vec<String> {
    let written = |column: &asgard_sdk::Column| {
        format!("{} {}{}", column.name, column.data_type, if column.nullable { "" } else { " required" })
    };
    stream.columns.iter().map(written).collect()
}

#[test]
fn tables_views_and_partitioned_tables_are_found_with_their_keys() {
    let server = Server::shared();
    let database = server.database(
        "found",
        r#"
        CREATE SCHEMA production;
        CREATE TABLE production."Order" (
            "select" text, line int, id bigint, dropped text, total numeric(12, 2) NOT NULL,
            twice numeric GENERATED ALWAYS AS (total * 2) STORED, PRIMARY KEY (id, line));
        ALTER TABLE production."Order" DROP COLUMN dropped;
        COMMENT ON COLUMN production."Order".total IS 'in euro';
        INSERT INTO production."Order" SELECT 'x', 1, id, 2 FROM generate_series(1, 100) id;
        ANALYZE production."Order";
        CREATE VIEW production.recent AS SELECT id, now() AS seen FROM production."Order";
        CREATE MATERIALIZED VIEW production.sums AS SELECT sum(total)::numeric(20, 2) AS total FROM production."Order";
        CREATE TABLE production.events (day date NOT NULL, id int NOT NULL, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
        CREATE TABLE production.events_2026 PARTITION OF production.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
        INSERT INTO production.events SELECT '2026-02-03', id FROM generate_series(1, 50) id;
        ANALYZE production.events;
        CREATE TABLE empty ();
        "#,
    );
    let streams = database.discover().unwrap();
    let names: Vec<_> =
        streams.iter().map(|stream| format!("{}.{}", stream.namespace.as_deref().unwrap(), stream.name)).collect();
    assert_eq!(
        names,
        ["production.Order", "production.events", "production.recent", "production.sums", "public.empty"]
    );
    let [order, events, recent, sums, empty] = streams.as_slice() else { panic!() };

    assert_eq!(
        columns(order),
        ["select string", "line int required", "id long required", "total decimal(12,2)", "twice string"]
    );
    assert_eq!(order.primary_key, ["id", "line"]);
    assert_eq!(order.cursor_columns, ["line", "id"]);
    assert_eq!(order.estimated_rows, Some(100));
    assert_eq!(order.columns[3].doc.as_deref(), Some("in euro"));
    assert_eq!(order.columns[4].doc.as_deref(), Some("numeric in PostgreSQL"));
    assert!(order.sync_modes.contains(&SyncMode::IncrementalMerge));

    assert_eq!(columns(events), ["day date required", "id int required"]);
    assert_eq!(events.estimated_rows, Some(50));
    assert_eq!(columns(recent), ["id long", "seen timestamptz"]);
    assert_eq!((recent.estimated_rows, recent.primary_key.len()), (None, 0));
    assert!(!recent.sync_modes.contains(&SyncMode::IncrementalMerge));
    assert_eq!(columns(sums), ["total decimal(20,2)"]);
    assert_eq!(empty.unsupported.as_deref(), Some("the table has no columns"));
}

#[test]
fn only_the_schemas_asked_for_are_read_and_closed_tables_say_so() {
    let server = Server::shared();
    server.database(
        "guarded",
        "CREATE SCHEMA open; CREATE SCHEMA other;
         CREATE TABLE open.shown (id int); CREATE TABLE open.hidden (id int); CREATE TABLE other.elsewhere (id int);
         CREATE ROLE visitor LOGIN PASSWORD 'visitor';
         GRANT USAGE ON SCHEMA open TO visitor; GRANT SELECT ON open.shown TO visitor;",
    );
    let configuration = server.configuration(json::json!({
        "database": "guarded", "username": "visitor", "password": "secret://visitor", "schemas": ["open"],
    }));
    let streams = discover(&Network::default(), &configuration).unwrap();
    let [hidden, shown] = streams.as_slice() else { panic!("{streams:?}") };
    assert_eq!((hidden.name.as_str(), shown.name.as_str()), ("hidden", "shown"));
    assert!(hidden.unsupported.as_deref().unwrap().contains("GRANT"), "{hidden:?}");
    assert!(hidden.sync_modes.is_empty() && shown.unsupported.is_none());
}
