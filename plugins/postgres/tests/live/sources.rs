//! Tables that are others than at the last sync, and tables that must not be captured: noticed, and told.

use asgard_plugin_postgres::inspection::provision;
use asgard_sdk::connector::{StreamSelection, SyncMode};
use asgard_sdk::{Error, json};

use crate::errors::{field, words};
use crate::lake::Lake;
use crate::server::{Database, Server};

const CAPTURED: SyncMode = SyncMode::ChangeDataCapture;

fn captured(database: &Database<'_>) -> Lake {
    let streams = database.selections(CAPTURED);
    provision(&database.network, &database.ingestion(streams.clone())).unwrap();
    let mut lake = Lake::new(streams);
    lake.sync(database).unwrap();
    lake
}

/// The next sync stops, or one of its streams, and says so.
fn stops(lake: &mut Lake, database: &Database<'_>, told: &str) {
    let failure = |lake: &mut Lake| lake.tables.iter_mut().find_map(|table| table.failure.take());
    let error = lake.sync(database).err().or_else(|| failure(lake)).unwrap();
    assert!(matches!(&error, Error::Conflict(text) if text.contains(told)), "{told}: {error:?}");
}

#[test]
fn a_table_whose_updates_would_be_refused_is_not_published() {
    let server = Server::shared();
    let database = server
        .database(
            "unpublished",
            "CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, v int); INSERT INTO deferred VALUES (1, 1);
             CREATE TABLE parent (id int PRIMARY KEY, v int); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1, 1);
             CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
             CREATE TABLE silent PARTITION OF parted FOR VALUES FROM (0) TO (10); ALTER TABLE silent REPLICA IDENTITY NOTHING;
             INSERT INTO parted VALUES (1, 1);
             CREATE TABLE fast (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
             CREATE UNLOGGED TABLE fast_1 PARTITION OF fast FOR VALUES FROM (0) TO (10);",
        )
        .captured();
    let all = database.selections(CAPTURED);
    let one = |name: &str| -> Vec<StreamSelection> {
        let mut chosen: Vec<_> = all.iter().filter(|stream| stream.name == name).cloned().collect();
        chosen[0].primary_key = vec!["id".to_owned()];
        chosen
    };
    for (table, told) in [
        ("deferred", "DEFERRABLE"),
        ("parent", "`public.child` inherits from `public.parent`"),
        ("parted", "partition `public.silent` has no replica identity"),
        ("fast", "partition `public.fast_1` are not in the server's log"),
    ] {
        let error = provision(&database.network, &database.ingestion(one(table))).unwrap_err();
        assert!(words(&error).contains(told), "{table}: {error:?}");
    }
    database.execute("UPDATE deferred SET v = 2; UPDATE child SET v = 2; UPDATE parted SET v = 2; DELETE FROM parted;");
}

#[test]
fn partitions_that_come_with_rows_go_or_are_emptied_are_in_the_table_as_in_the_source() {
    let server = Server::shared();
    let database = server
        .database(
            "partitions",
            "CREATE TABLE days (day int PRIMARY KEY, v text) PARTITION BY RANGE (day);
             CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (10) TO (20);
             CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM (20) TO (30);
             CREATE TABLE days_3 PARTITION OF days FOR VALUES FROM (30) TO (40);
             INSERT INTO days SELECT day, 'first' FROM unnest('{10,11,20,30}'::int[]) day;",
        )
        .captured();
    let mut lake = captured(&database);
    let mut shows = |script: &str, expected: &str, whole: bool| {
        database.execute(script);
        let before = database.network.log().matches("is read again whole").count();
        lake.sync(&database).unwrap();
        assert_eq!(lake.shown(0, "day", "v"), expected, "after {script}");
        assert_eq!(
            database.network.log().matches("is read again whole").count() - before,
            usize::from(whole),
            "after {script}"
        );
    };
    shows(
        "CREATE TABLE days_4 PARTITION OF days FOR VALUES FROM (40) TO (50)",
        "10=first 11=first 20=first 30=first",
        false,
    );
    shows("INSERT INTO days VALUES (40, 'new')", "10=first 11=first 20=first 30=first 40=new", false);
    shows("DROP TABLE days_2", "10=first 11=first 30=first 40=new", true);
    shows("TRUNCATE days_3", "10=first 11=first 40=new", true);
    shows(
        "CREATE TABLE days_5 (day int PRIMARY KEY, v text); INSERT INTO days_5 VALUES (50, 'brought');
         ALTER TABLE days ATTACH PARTITION days_5 FOR VALUES FROM (50) TO (60); INSERT INTO days VALUES (51, 'after')",
        "10=first 11=first 40=new 50=brought 51=after",
        true,
    );
    shows(
        "ALTER TABLE days DETACH PARTITION days_1; INSERT INTO days_1 VALUES (12, 'apart');
         ALTER TABLE days ATTACH PARTITION days_1 FOR VALUES FROM (10) TO (20)",
        "10=first 11=first 12=apart 40=new 50=brought 51=after",
        true,
    );
    shows("UPDATE days SET v = 'last' WHERE day = 12", "10=first 11=first 12=last 40=new 50=brought 51=after", false);
}

#[test]
fn a_key_that_is_another_one_stops_streams_that_merge_by_it() {
    let server = Server::shared();
    let database = server
        .database("rekeyed", "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); INSERT INTO t VALUES (1, 1);")
        .captured();
    let mut lake = captured(&database);
    let mut streams = database.selections(SyncMode::IncrementalMerge);
    streams[0].cursor = Some("v".to_owned());
    let mut merged = Lake::new(streams);
    merged.sync(&database).unwrap();
    database.execute(
        "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (id, v); INSERT INTO t VALUES (1, 2)",
    );
    stops(&mut lake, &database, "its primary key is (id, v) and was (id)");
    merged.sync(&database).unwrap();
    let failure = format!("{:?}", merged.tables[0].failure);
    assert!(failure.contains("its primary key is (id, v) and was (id)"), "{failure}");
}

#[test]
fn columns_that_only_have_the_names_of_those_before_are_noticed() {
    let server = Server::shared();
    let script = "CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1, 'a', 'b');";
    let swapped = "ALTER TABLE t RENAME a TO c; ALTER TABLE t RENAME b TO a; ALTER TABLE t RENAME c TO b;";
    let anew = "ALTER TABLE t DROP b; ALTER TABLE t ADD b text;";
    for (name, change) in [("swapped", swapped), ("anew", anew)] {
        let database = server.database(&format!("columns_{name}"), script).captured();
        let mut lake = captured(&database);
        let mut streams = database.selections(SyncMode::IncrementalMerge);
        streams[0].cursor = Some("id".to_owned());
        let mut merged = Lake::new(streams);
        merged.sync(&database).unwrap();
        database.execute(change);
        stops(&mut lake, &database, "is another one than before");
        merged.sync(&database).unwrap();
        let failure = format!("{:?}", merged.tables[0].failure);
        assert!(failure.contains("is another one than before"), "{failure}");
    }
}

#[test]
fn a_publication_that_leaves_something_out_is_refused_and_one_that_did_for_some_time_noticed() {
    let server = Server::shared();
    let _owner = server
        .database(
            "partly",
            "CREATE TABLE t (id int PRIMARY KEY, v int, w int); INSERT INTO t VALUES (1, 1, 1);
             CREATE PUBLICATION columns FOR TABLE t (id, v); CREATE PUBLICATION rows FOR TABLE t WHERE (id > 0);
             CREATE PUBLICATION whole FOR TABLE t; CREATE PUBLICATION everything FOR ALL TABLES;",
        )
        .captured();
    let named = |publication: &str| {
        let method = json::json!({"method": "CDC", "publication": publication});
        server.existing("partly").with(json::json!({"replication_method": method}))
    };
    for (publication, told) in [("columns", "without column list"), ("rows", "without WHERE")] {
        let database = named(publication);
        let streams = database.selections(CAPTURED);
        let error = provision(&database.network, &database.ingestion(streams)).unwrap_err();
        assert!(matches!(&error, Error::Conflict(text) if text.contains(told)), "{error:?}");
    }
    let database = named("whole");
    let mut lake = captured(&database);
    database.execute("UPDATE t SET v = 2");
    lake.sync(&database).unwrap();
    assert_eq!(lake.shown(0, "id", "v"), "1=2");
    database.execute("ALTER PUBLICATION whole DROP TABLE t; UPDATE t SET v = 3; ALTER PUBLICATION whole ADD TABLE t;");
    stops(&mut lake, &database, "was taken out of the publication and put back");
}

#[test]
fn a_publication_that_is_gone_stops_the_sync_and_says_how_it_comes_back() {
    let server = Server::shared();
    let script = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION named FOR TABLE t;";
    let own = server.database("unnamed", script).captured();
    let mut lake = captured(&own);
    own.execute("DROP PUBLICATION asgard_unnamed; INSERT INTO t VALUES (2)");
    stops(&mut lake, &own, "publication `asgard_unnamed` is not there: POST /ingestion/{id}/reset");
    lake.reset(&own.selections(CAPTURED));
    lake.sync(&own).unwrap();
    assert_eq!(lake.shown(0, "id", "id"), "1=1 2=2");

    let method = json::json!({"replication_method": {"method": "CDC", "publication": "named"}});
    let named = server.database("named", script).with(method);
    let mut lake = captured(&named);
    named.execute("ALTER PUBLICATION named SET (publish = 'insert, update, delete')");
    stops(&mut lake, &named, "must publish insert, update, delete and truncate");
    named.execute("ALTER PUBLICATION named SET (publish = 'insert, update, delete, truncate')");
    lake.sync(&named).unwrap();
    named.execute("ALTER PUBLICATION named DROP TABLE t");
    stops(&mut lake, &named, "lacks table `public.t`");
    named.execute("DROP PUBLICATION named");
    stops(&mut lake, &named, "have the owner of the tables make it");
}

#[test]
fn a_table_of_another_name_or_identity_stops_its_stream_and_the_others_go_on() {
    let server = Server::shared();
    let database = server
        .database(
            "renamed",
            "CREATE TABLE good (id int PRIMARY KEY); INSERT INTO good VALUES (1);
             CREATE TABLE t (id int PRIMARY KEY, u int NOT NULL UNIQUE); INSERT INTO t VALUES (1, 1);",
        )
        .captured();
    let mut lake = captured(&database);
    let mut next = 2;
    let mut stopped = |lake: &mut Lake, told: &str, way_out: &str| {
        database.execute(&format!("INSERT INTO good VALUES ({next})"));
        lake.sync(&database).unwrap();
        assert!(lake.tables[0].failure.is_none());
        assert!(lake.shown(0, "id", "id").ends_with(&format!("{next}={next}")), "the others go on");
        let failure = lake.tables[1].failure.take().unwrap();
        assert!(words(&failure).contains(told) && words(&failure).contains(way_out), "{told}: {failure:?}");
        next += 1;
    };
    database.execute("INSERT INTO t VALUES (2, 2); ALTER TABLE t RENAME TO elsewhere");
    stopped(&mut lake, "is called `public.elsewhere` now", "give it its name back");
    database.execute("INSERT INTO elsewhere VALUES (3, 3); ALTER TABLE elsewhere RENAME TO t");
    lake.sync(&database).unwrap();
    assert_eq!(lake.shown(1, "id", "u"), "1=1 2=2 3=3", "what came meanwhile was kept");

    database.execute("CREATE TABLE heir () INHERITS (t)");
    stopped(&mut lake, "`public.heir` inherits from `public.t` now", "take the stream out");
    database.execute("DROP TABLE heir; ALTER TABLE t REPLICA IDENTITY USING INDEX t_u_key; DELETE FROM t WHERE id = 3");
    stopped(&mut lake, "the log tells its rows by (u) and did by (id)", "undo the change");
    database.execute("ALTER TABLE t REPLICA IDENTITY DEFAULT");
    lake.reset(&database.selections(CAPTURED));
    lake.sync(&database).unwrap();
    assert_eq!(lake.shown(1, "id", "u"), "1=1 2=2");

    database.execute(
        "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, u int NOT NULL UNIQUE); INSERT INTO t VALUES (9, 9)",
    );
    stopped(&mut lake, "was dropped, and what has its name now is another one", "reset");
    assert_eq!(lake.shown(1, "id", "u"), "1=1 2=2", "what it had stays");
    database.execute("DROP TABLE t");
    stopped(&mut lake, "was dropped", "take the stream out");
}

#[test]
fn another_server_and_a_source_that_reads_by_queries_now_stop_the_sync() {
    let server = Server::shared();
    let script = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);";
    let database = server.database("moved", script).captured();
    let mut lake = captured(&database);
    let other = Server::start_with(&[("wal_level", "logical")]);
    let moved = other.database("moved", script).captured();
    stops(&mut lake, &moved, "the source is another database server");
    let queries = server.existing("moved").with(json::json!({"replication_method": {"method": "Standard"}}));
    let error = lake.sync(&queries).unwrap_err();
    assert_eq!(field(&error), "config.replication_method");
    assert!(words(&error).contains("set `{\"method\": \"CDC\"}` again"), "{error:?}");
}

#[test]
fn rows_that_policies_hide_are_not_captured_and_told_elsewhere() {
    let server = Server::shared();
    let database = server
        .database(
            "policies",
            "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             CREATE POLICY odd ON t USING (id % 2 = 1); CREATE ROLE partial LOGIN REPLICATION PASSWORD 'partial';
             GRANT SELECT ON t TO partial;",
        )
        .captured()
        .with(json::json!({"username": "partial", "password": "secret://partial"}));
    let error = provision(&database.network, &database.ingestion(database.selections(CAPTURED))).unwrap_err();
    assert!(words(&error).contains("row-level security"), "{error:?}");
    let mut lake = Lake::new(database.selections(SyncMode::FullRefreshOverwrite));
    lake.sync(&database).unwrap();
    assert_eq!(lake.shown(0, "id", "id"), "1=1");
    assert!(database.network.log().contains("row-level security shows user `partial` some rows alone"));
}

#[test]
fn vectors_of_numbers_are_the_same_text_in_a_query_and_in_the_log() {
    let server = Server::shared();
    let database = server
        .database(
            "vectors",
            "CREATE TABLE t (id int PRIMARY KEY, v int2vector, w oidvector); INSERT INTO t VALUES (1, '1 2', '3 4');",
        )
        .captured();
    let mut lake = captured(&database);
    database.execute("INSERT INTO t VALUES (2, '1 2', '3 4')");
    lake.sync(&database).unwrap();
    assert_eq!(lake.shown(0, "id", "v"), "1=1 2 2=1 2");
    assert_eq!(lake.shown(0, "id", "w"), "1=3 4 2=3 4");
}
