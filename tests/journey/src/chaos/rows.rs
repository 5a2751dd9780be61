//! The rows that must not be lost or doubled: a table that is copied whole, and one whose changes are merged.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::syncs::{Differences, Syncs};
use crate::client::Client;
use crate::random::Random;
use crate::source::FactorySource;

/// In the beginning.
const ROWS: u64 = 3000;

/// As many as one query answers with.
const MOST_ROWS: u64 = 10_000;

const TABLES: [(&str, &str); 2] = [("whole", "full_refresh_overwrite"), ("grown", "incremental_merge")];

/// One schema of the source, and the ingestion that copies it.
pub(super) struct Rows {
    schema: String,
    syncs: Syncs,
}

impl Rows {
    pub(super) fn prepare(source: &FactorySource, client: &Client, schema: &str) -> Result<Self> {
        source.execute(&format!("CREATE SCHEMA {schema}"))?;
        for (table, _) in TABLES {
            source.execute(&format!(
                "CREATE TABLE {schema}.{table} (id bigint PRIMARY KEY, note text, at timestamptz DEFAULT clock_timestamp());
                 INSERT INTO {schema}.{table} SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, {ROWS}) n"
            ))?;
        }
        let server = source.source();
        let config = json!({
            "host": server.host, "port": server.port, "database": server.database, "username": server.username,
            "password": server.password, "ssl_mode": {"mode": "disable"}, "schemas": [schema],
        });
        let streams: Vec<Value> = TABLES
            .iter()
            .map(|(table, mode)| {
                let mut stream = json!({"namespace": schema, "name": table, "syncMode": mode});
                if *mode == "incremental_merge" {
                    stream["cursorField"] = json!("at");
                }
                stream
            })
            .collect();
        let syncs = Syncs::prepare(client, schema, "postgres", &config, &json!(streams))?;
        Ok(Self { schema: schema.to_owned(), syncs })
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn syncs(&self) -> &Syncs {
        &self.syncs
    }

    /// Something happens in the source; of the merged table, only what a cursor sees.
    pub(super) fn change(&self, source: &FactorySource, random: &mut Random) -> Result<()> {
        let (id, word, schema) = (random.below(ROWS), random.below(1_000_000), &self.schema);
        source.execute(&match random.below(4) {
            0 => format!("UPDATE {schema}.grown SET note = '{word}', at = DEFAULT WHERE id % 50 = {}", id % 50),
            1 => format!(
                "INSERT INTO {schema}.grown (id, note) SELECT n, '{word}' FROM generate_series({0}, {0} + 40) n ON CONFLICT DO NOTHING",
                ROWS + random.below(MOST_ROWS - ROWS - 41)
            ),
            2 => format!("UPDATE {schema}.whole SET note = '{word}' WHERE id BETWEEN {id} AND {id} + 30"),
            _ => format!("DELETE FROM {schema}.whole WHERE id BETWEEN {id} AND {id} + 2"),
        })
    }

    pub(super) fn compare(&self, source: &FactorySource, client: &Client) -> Result<Differences> {
        let mut differences = Differences::default();
        for (table, _) in TABLES {
            let wanted = source.rows(&format!("SELECT id, md5(note) FROM {}.{table}", self.schema))?;
            let mut wanted: HashMap<String, String> = wanted
                .into_iter()
                .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
                    Ok([Some(id), Some(note)]) => Some((id, note)),
                    _ => None,
                })
                .collect();
            let sql = format!("SELECT CAST(id AS string) AS id, md5(note) AS note FROM bronze.{}_{table}", self.schema);
            let query = json!({"dialect": "spark", "max_rows": MOST_ROWS, "sql": sql});
            let found = client.post("/lakehouse/query", &query)?;
            ensure!(found["truncated"] == false, "the table has more rows than the source ever had");
            for row in found["rows"].as_array().into_iter().flatten() {
                let (id, note) = (row["id"].as_str().unwrap_or_default(), row["note"].as_str().unwrap_or_default());
                match wanted.remove(id) {
                    Some(right) if right == note => {}
                    Some(_) => differences.lost += 1,
                    None => differences.doubled += 1,
                }
            }
            differences.lost += wanted.len() as u64;
        }
        Ok(differences)
    }
}
