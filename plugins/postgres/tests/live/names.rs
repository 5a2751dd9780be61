//! Names are names, whatever they contain.

use asgard_plugin_postgres::inspection::{provision, retire};
use asgard_sdk::connector::SyncMode;

use crate::lake::Lake;
use crate::server::Server;

const SCHEMA: &str = r#"sch"ema'; DROP TABLE public.victim; --"#;
const TABLE: &str = r#"ta\'ble"); DROP TABLE public.victim; --"#;
const KEY: &str = r#"i"d\', $1 %s; --"#;
const CURSOR: &str = r#"select 'cur"sor' \ -- /*"#;

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn hostile_names_are_read_in_every_mode_and_do_nothing() {
    let server = Server::shared();
    let relation = format!("{}.{}", quoted(SCHEMA), quoted(TABLE));
    let (key, cursor) = (quoted(KEY), quoted(CURSOR));
    for (mode, name) in [
        (SyncMode::FullRefreshOverwrite, "names_refresh"),
        (SyncMode::IncrementalAppend, "names_append"),
        (SyncMode::IncrementalMerge, "names_merge"),
        (SyncMode::ChangeDataCapture, "names_capture"),
    ] {
        let database = server.database(
            name,
            &format!(
                "CREATE TABLE victim (id int); CREATE SCHEMA {0};
                 CREATE TABLE {relation} ({key} int PRIMARY KEY, {cursor} timestamptz, \"Mixed\" text, \"order\" text, \"ünïcode 🦀\" text);
                 INSERT INTO {relation} VALUES (1, '2026-01-01', 'a', 'b', 'c')",
                quoted(SCHEMA)
            ),
        );
        let database = if mode == SyncMode::ChangeDataCapture { database.captured() } else { database };
        let mut streams = database.selections(mode);
        streams.retain(|stream| stream.name != "victim");
        streams[0].cursor = Some(CURSOR.to_owned());
        provision(&database.network, &database.ingestion(streams.clone())).unwrap();
        let mut lake = Lake::new(streams.clone());
        lake.sync(&database).unwrap();
        database.execute(&format!(
            "INSERT INTO {relation} VALUES (2, '2026-01-01', 'x', 'y', 'z'), (3, '2026-01-02', '''; --', '\"', E'\\\\')"
        ));
        lake.sync(&database).unwrap();
        assert!(lake.tables[0].failure.is_none(), "{mode:?}: {:?}", lake.tables[0].failure);
        assert_eq!(lake.shown(0, KEY, "Mixed"), "1=a 2=x 3='; --", "{mode:?}");
        assert_eq!(lake.shown(0, KEY, "ünïcode 🦀"), "1=c 2=z 3=\\", "{mode:?}");
        assert_eq!(database.value("SELECT count(*) FROM victim").as_deref(), Some("0"), "{mode:?}");
        retire(&database.network, &database.ingestion(streams)).unwrap();
    }
}
