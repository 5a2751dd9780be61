//! Change data capture: what happens in the source happens in the table.

use asgard_plugin_postgres::inspection::{check, provision, retire};
use asgard_sdk::connector::{StreamSelection, SyncMode};
use asgard_sdk::{Error, json};

use crate::errors::{field, words};
use crate::lake::Lake;
use crate::network::Network;
use crate::server::{Database, Server};

const CAPTURED: SyncMode = SyncMode::ChangeDataCapture;

/// As the host makes an ingestion.
fn ingestion(database: &Database<'_>) -> Lake {
    let streams = database.selections(CAPTURED);
    provision(&database.network, &database.ingestion(streams.clone())).unwrap();
    Lake::new(streams)
}

fn sync(lake: &mut Lake, database: &Database<'_>) {
    lake.sync(database).unwrap();
    for table in &lake.tables {
        assert!(table.failure.is_none(), "{:?}", table.failure);
    }
}

fn slot(database: &Database<'_>, column: &str) -> Option<String> {
    database.value(&format!(
        "SELECT {column}::text FROM pg_replication_slots WHERE slot_name = 'asgard_{}'",
        database.name()
    ))
}

#[test]
fn a_snapshot_is_followed_by_every_kind_of_change() {
    let server = Server::shared();
    let database = server
        .database(
            "changes",
            "CREATE TABLE orders (id int PRIMARY KEY, name text, total numeric(10,2));
             INSERT INTO orders SELECT id, 'order ' || id, id FROM generate_series(1, 4) id;
             CREATE TABLE quiet (a int, b int, PRIMARY KEY (b, a)); INSERT INTO quiet VALUES (1, 2);",
        )
        .captured();
    let mut lake = ingestion(&database);
    database.execute("INSERT INTO orders VALUES (5, 'between', 5)");
    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "name"), "1=order 1 2=order 2 3=order 3 4=order 4 5=between");

    database.execute(
        "INSERT INTO orders VALUES (6, 'six', 6.5); UPDATE orders SET name = 'changed', total = NULL WHERE id = 2;
         UPDATE orders SET id = 30 WHERE id = 3; DELETE FROM orders WHERE id IN (1, 5);",
    );
    database.execute("BEGIN; INSERT INTO orders VALUES (7, 'undone', 7); ROLLBACK;");
    database.execute(
        "BEGIN; INSERT INTO orders VALUES (8, 'a', 8); UPDATE orders SET name = 'b' WHERE id = 8;
         SAVEPOINT s; DELETE FROM orders WHERE id = 8; ROLLBACK TO s; COMMIT;",
    );
    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "name"), "2=changed 4=order 4 6=six 8=b 30=order 3");
    assert_eq!(lake.shown(0, "id", "total"), "2=null 4=400 6=650 8=800 30=300");
    assert_eq!(lake.shown(1, "a", "b"), "1=2");

    database.execute("TRUNCATE orders, quiet; INSERT INTO orders VALUES (9, 'new', 9)");
    sync(&mut lake, &database);
    assert_eq!((lake.shown(0, "id", "name").as_str(), lake.rows(1).len()), ("9=new", 0));

    retire(&database.network, &database.ingestion(Vec::new())).unwrap();
    assert!(slot(&database, "slot_name").is_some(), "an ingestion without captured streams has nothing to remove");
    let streams: Vec<StreamSelection> = lake.tables.iter().map(|table| table.stream.clone()).collect();
    for _ in 0..2 {
        retire(&database.network, &database.ingestion(streams.clone())).unwrap();
    }
    assert_eq!(slot(&database, "slot_name"), None);
    assert_eq!(database.value("SELECT pubname FROM pg_publication"), None);
}

#[test]
fn large_values_that_an_update_leaves_alone_stay() {
    let server = Server::shared();
    let database = server
        .database(
            "toast",
            "CREATE TABLE pages (id int PRIMARY KEY, status text, body text NOT NULL);
             CREATE TABLE whole (id int PRIMARY KEY, status text, body text); ALTER TABLE whole REPLICA IDENTITY FULL;
             ALTER TABLE pages ALTER COLUMN body SET STORAGE EXTERNAL; ALTER TABLE whole ALTER COLUMN body SET STORAGE EXTERNAL;
             INSERT INTO pages SELECT id, 'new', repeat('body ' || id, 2000) FROM generate_series(1, 3) id;
             INSERT INTO whole SELECT * FROM pages;",
        )
        .captured();
    let mut lake = ingestion(&database);
    sync(&mut lake, &database);
    for table in ["pages", "whole"] {
        database.execute(&format!(
            "UPDATE {table} SET status = 'read' WHERE id = 1; UPDATE {table} SET id = 20 WHERE id = 2;
             UPDATE {table} SET body = repeat('other', 3000) WHERE id = 3; UPDATE {table} SET status = 'again' WHERE id = 3;
             INSERT INTO {table} VALUES (4, 'new', repeat('four', 2500)); UPDATE {table} SET id = 40, status = 'moved' WHERE id = 4;"
        ));
    }
    sync(&mut lake, &database);
    for table in 0..2 {
        assert_eq!(lake.shown(table, "id", "status"), "1=read 3=again 20=new 40=moved");
        let bodies: Vec<String> = lake.rows(table).into_iter().map(|row| row["body"].clone()).collect();
        let expected = ["body 1".repeat(2000), "body 2".repeat(2000), "other".repeat(3000), "four".repeat(2500)];
        assert!(bodies.iter().all(|body| expected.contains(body)) && bodies.len() == 4, "table {table}");
    }
}

#[test]
fn columns_that_come_go_and_widen_in_the_log_evolve_the_stream() {
    let server = Server::shared();
    let database = server
        .database(
            "evolving",
            "CREATE TABLE items (id int PRIMARY KEY, size int, dropped text NOT NULL, price numeric(6,2));
             INSERT INTO items VALUES (1, 1, 'x', 1.5);",
        )
        .captured();
    let mut lake = ingestion(&database);
    sync(&mut lake, &database);
    database.execute(
        "INSERT INTO items VALUES (2, 2, 'y', 2.5); ALTER TABLE items ADD COLUMN note text; INSERT INTO items VALUES (3, 3, 'z', 3.5, 'n');
         ALTER TABLE items DROP COLUMN dropped; ALTER TABLE items ALTER size TYPE bigint, ALTER price TYPE numeric(12,2);
         INSERT INTO items VALUES (4, 5000000000, 1234567890.25, 'wide'); ALTER TABLE items ADD COLUMN tags int[][];
         UPDATE items SET tags = '{{1},{2}}' WHERE id = 2;",
    );
    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "size"), "1=1 2=2 3=3 4=5000000000");
    assert_eq!(lake.shown(0, "id", "note"), "1=null 2=null 3=n 4=wide");
    assert_eq!(lake.shown(0, "id", "dropped"), "1=x 2=null 3=z 4=null");
    assert_eq!(lake.shown(0, "id", "tags"), "1=null 2={{1},{2}} 3=null 4=null");
    let columns: Vec<String> = lake.tables[0]
        .stream
        .columns
        .iter()
        .map(|column| format!("{} {}{}", column.name, column.data_type, if column.nullable { "" } else { "!" }))
        .collect();
    assert_eq!(
        columns,
        ["id int!", "size long", "dropped string", "price decimal(12,2)", "note string", "tags string"]
    );

    database.execute("ALTER TABLE items ALTER note TYPE int USING 7; INSERT INTO items VALUES (5, 5, 5, 5)");
    let failed = |lake: &mut Lake| {
        lake.sync(&database).unwrap();
        lake.tables[0].failure.take().unwrap()
    };
    let error = failed(&mut lake);
    assert!(matches!(&error, Error::Conflict(text) if text.contains("`note`") && text.contains("reset")), "{error:?}");
    let acknowledged = slot(&database, "confirmed_flush_lsn");
    failed(&mut lake);
    assert_eq!(slot(&database, "confirmed_flush_lsn"), acknowledged, "nothing is passed over");

    lake.reset(&database.selections(CAPTURED));
    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "note"), "1=7 2=7 3=7 4=7 5=5");
}

#[test]
fn the_slot_goes_on_when_the_host_has_committed_and_not_before() {
    let server = Server::shared();
    let database = server
        .database("acknowledged", "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')")
        .captured();
    let mut lake = ingestion(&database);
    sync(&mut lake, &database);
    let before = slot(&database, "confirmed_flush_lsn").unwrap();
    database.execute("UPDATE t SET v = 'b'");

    let task = lake.next_task();
    let mut run = lake.open(&database, &task);
    while !matches!(run.next_event().unwrap(), asgard_sdk::connector::Event::Checkpoint(_)) {}
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(slot(&database, "confirmed_flush_lsn").unwrap(), before, "the host has not committed it yet");
    drop(run);

    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "v"), "1=b");
    assert_ne!(slot(&database, "confirmed_flush_lsn").unwrap(), before);
    assert_eq!(slot(&database, "active").unwrap(), "false");
}

#[test]
fn a_slot_that_is_lost_or_made_anew_is_told_and_a_reset_recovers() {
    let server = Server::shared();
    let database =
        server.database("lost", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)").captured();
    let mut lake = ingestion(&database);
    sync(&mut lake, &database);

    let drop_slot = "SELECT pg_drop_replication_slot('asgard_lost')";
    database.execute(&format!("{drop_slot}; DELETE FROM t WHERE id = 1"));
    let error = lake.sync(&database).unwrap_err();
    assert!(matches!(&error, Error::Conflict(text) if text.contains("is gone") && text.contains("reset")), "{error:?}");

    database.execute("SELECT pg_create_logical_replication_slot('asgard_lost', 'pgoutput')");
    let error = lake.sync(&database).unwrap_err();
    assert!(matches!(&error, Error::Conflict(text) if text.contains("made anew")), "{error:?}");

    database.execute(drop_slot);
    lake.reset(&database.selections(CAPTURED));
    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "id"), "2=2");
}

#[test]
fn a_slot_whose_log_the_server_gave_up_is_told_and_a_reset_recovers() {
    let server =
        Server::start_with(&[("wal_level", "logical"), ("max_slot_wal_keep_size", "1MB"), ("max_wal_size", "32MB")]);
    let database =
        server.database("given_up", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)").captured();
    let mut lake = ingestion(&database);
    sync(&mut lake, &database);
    database.execute("DELETE FROM t WHERE id = 1");
    // The log goes on by whole segments, and what no slot may keep goes with a checkpoint.
    for _ in 0..3 {
        database.execute("SELECT pg_switch_wal()");
        database.execute("CREATE TABLE filling AS SELECT 1; DROP TABLE filling");
    }
    database.execute("CHECKPOINT");
    assert_eq!(slot(&database, "wal_status").as_deref(), Some("lost"));
    let error = lake.sync(&database).unwrap_err();
    let told = words(&error);
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    assert!(told.contains("is lost") && told.contains("reset"), "{told}");
    lake.reset(&database.selections(CAPTURED));
    sync(&mut lake, &database);
    assert_eq!(lake.shown(0, "id", "id"), "2=2");
}

#[test]
fn what_stands_in_the_way_is_told_before_anything_starts() {
    let plain = Server::start_with(&[("wal_level", "replica")]);
    let cdc = json::json!({"replication_method": {"method": "CDC"}});
    let error = check(&Network::default(), &plain.configuration(cdc)).unwrap_err();
    assert_eq!(field(&error), "config.replication_method");
    assert!(words(&error).contains("`wal_level` is `replica`"), "{error:?}");

    let server = Server::shared();
    let database = server
        .database(
            "hindered",
            "CREATE TABLE bare (id int); CREATE TABLE keyed (id int PRIMARY KEY); CREATE ROLE reader LOGIN PASSWORD 'reader';
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; CREATE ROLE copier LOGIN REPLICATION PASSWORD 'copier';
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO copier;",
        )
        .captured();
    let as_reader = json::json!({"database": "hindered", "username": "reader", "password": "secret://reader",
        "replication_method": {"method": "CDC"}});
    let error = check(&Network::default(), &server.configuration(as_reader)).unwrap_err();
    assert!(
        matches!(&error, Error::Forbidden(text) if text.contains("ALTER ROLE \"reader\" REPLICATION")),
        "{error:?}"
    );

    let mut streams = database.selections(CAPTURED);
    let error = provision(&database.network, &database.ingestion(streams.clone())).unwrap_err();
    assert!(words(&error).contains("`public.bare` has no replica identity"), "{error:?}");
    assert_eq!(slot(&database, "slot_name"), None);

    streams.retain(|stream| stream.name == "keyed");
    let copier = database.with(json::json!({"username": "copier", "password": "secret://copier"}));
    let error = provision(&copier.network, &copier.ingestion(streams)).unwrap_err();
    assert!(matches!(&error, Error::Forbidden(text) if text.contains("publication")), "{error:?}");
}

#[test]
fn a_server_without_a_slot_to_spare_is_told_with_its_setting() {
    let server = Server::start_with(&[("wal_level", "logical"), ("max_replication_slots", "1")]);
    let database = server.database("no_slot", "CREATE TABLE t (id int PRIMARY KEY)").captured();
    let ingestion = database.ingestion(database.selections(CAPTURED));
    database.execute("SELECT pg_create_logical_replication_slot('of_somebody_else', 'pgoutput')");
    let error = provision(&database.network, &ingestion).unwrap_err();
    assert!(matches!(&error, Error::Conflict(text) if text.contains("raise `max_replication_slots`")), "{error:?}");
    database.execute("SELECT pg_drop_replication_slot('of_somebody_else')");
    provision(&database.network, &ingestion).unwrap();
}

#[test]
fn a_standby_is_told_to_be_one() {
    let mut server = Server::start_with(&[("wal_level", "logical")]);
    server.execute("postgres", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    server.become_standby();
    let cdc = json::json!({"replication_method": {"method": "CDC"}});
    let error = check(&Network::default(), &server.configuration(cdc)).unwrap_err();
    assert_eq!(field(&error), "config.host");
    assert!(words(&error).contains("is a standby"), "{error:?}");

    let database = server.existing("postgres");
    let mut lake = Lake::new(database.selections(SyncMode::FullRefreshOverwrite));
    lake.sync(&database).unwrap();
    assert_eq!(lake.shown(0, "id", "id"), "1=1");
}

#[test]
fn a_transaction_that_goes_on_writing_is_named_and_waited_for_no_longer_than_is_said() {
    // Of its own: slots wait for transactions of all databases.
    let server = Server::start();
    let database =
        server.database("held_up", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)").captured();
    let ingestion = database.ingestion(database.selections(CAPTURED));
    let writing = database.session();
    writing.execute("BEGIN; INSERT INTO t VALUES (2)");
    let error = provision(&database.network, &ingestion).unwrap_err();
    assert!(
        matches!(&error, Error::Conflict(text) if text.contains("did not within 30 s: process ")
            && text.contains(" of asgard in held_up, for ") && text.contains("pg_terminate_backend")),
        "{error:?}"
    );
    assert_eq!(slot(&database, "slot_name"), None);
    writing.execute("COMMIT");
    provision(&database.network, &ingestion).unwrap();
}

/// With the key that a request names for a table without one.
fn keyed(database: &Database<'_>, table: &str, key: &str) -> Vec<StreamSelection> {
    let mut streams = database.selections(CAPTURED);
    for stream in streams.iter_mut().filter(|stream| stream.name == table) {
        stream.primary_key = vec![key.to_owned()];
    }
    streams
}

#[test]
fn a_key_that_rows_share_is_refused_and_one_that_may_come_to_be_shared_is_told() {
    let server = Server::shared();
    let database = server
        .database(
            "shared_keys",
            "CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1);
             CREATE TABLE log (day int, n int, v text); ALTER TABLE log REPLICA IDENTITY FULL;
             INSERT INTO log VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 3, 'c');
             CREATE TABLE promised (a int NOT NULL UNIQUE, b int); ALTER TABLE promised REPLICA IDENTITY FULL;
             INSERT INTO promised VALUES (1, 1);",
        )
        .captured();
    let mut streams = keyed(&database, "log", "day");
    streams
        .iter_mut()
        .filter(|stream| stream.name == "promised")
        .for_each(|stream| stream.primary_key = vec!["a".to_owned()]);
    provision(&database.network, &database.ingestion(streams.clone())).unwrap();
    let mut lake = Lake::new(streams);
    lake.sync(&database).unwrap();
    let failure = lake.tables[1].failure.take().unwrap();
    let told = words(&failure);
    assert!(told.contains("`primaryKey` of stream `public.log`, (day)") && told.contains("several have (1)"), "{told}");
    assert!(lake.tables[1].rows.is_empty());
    assert_eq!((lake.shown(0, "id", "id"), lake.shown(2, "a", "b")), ("1=1".to_owned(), "1=1".to_owned()));

    lake.tables[1].stream.primary_key = vec!["n".to_owned()];
    database.execute("INSERT INTO good VALUES (2)");
    sync(&mut lake, &database);
    assert_eq!(lake.shown(1, "n", "v"), "1=a 2=b 3=c");
    assert_eq!(lake.shown(0, "id", "id"), "1=1 2=2");
}

#[test]
fn a_stream_with_a_null_in_its_key_fails_alone_and_its_changes_are_kept() {
    let server = Server::shared();
    let database = server
        .database(
            "null_keys",
            "CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1);
             CREATE TABLE loose (n int, v text); ALTER TABLE loose REPLICA IDENTITY FULL;
             INSERT INTO loose VALUES (1, 'a'), (NULL, 'b');",
        )
        .captured();
    let streams = keyed(&database, "loose", "n");
    provision(&database.network, &database.ingestion(streams.clone())).unwrap();
    let mut lake = Lake::new(streams);
    let failed = |lake: &mut Lake| {
        lake.sync(&database).unwrap();
        assert!(lake.tables[0].failure.is_none());
        words(&lake.tables[1].failure.take().unwrap()).to_owned()
    };
    let told = failed(&mut lake);
    assert!(told.contains("public.loose: column `n`: it is null"), "{told}");
    assert_eq!(lake.shown(0, "id", "id"), "1=1");

    database.execute("DELETE FROM loose WHERE n IS NULL");
    sync(&mut lake, &database);
    assert_eq!(lake.shown(1, "n", "v"), "1=a");

    database.execute("INSERT INTO loose VALUES (2, 'c'), (NULL, 'd'); INSERT INTO good VALUES (2);");
    let before = slot(&database, "confirmed_flush_lsn");
    let told = failed(&mut lake);
    assert!(
        told.contains("a row of `public.loose`") && told.contains("`n` is null") && told.contains("reset"),
        "{told}"
    );
    assert_eq!(lake.shown(0, "id", "id"), "1=1 2=2", "the others go on");
    assert_eq!(lake.shown(1, "n", "v"), "1=a");
    assert_eq!(slot(&database, "confirmed_flush_lsn"), before, "its changes are not passed over");
    database.execute("INSERT INTO good VALUES (3)");
    failed(&mut lake);
    assert_eq!(lake.shown(0, "id", "id"), "1=1 2=2 3=3");

    database.execute("DELETE FROM loose WHERE n IS NULL");
    lake.reset(&database.selections(CAPTURED));
    sync(&mut lake, &database);
    assert_eq!(lake.shown(1, "n", "v"), "1=a 2=c");
    assert_ne!(slot(&database, "confirmed_flush_lsn"), before);
}
