//! The smallest connector: one row for each name that the source's configuration holds.

use std::cell::Cell;

use asgard_sdk::connector::{
    Checkpoint, Event, Guest, GuestSync, Ingestion, ResourceDefinition, Rows, Source, SourceType, StreamDescriptor,
    Sync, SyncMode,
};
use asgard_sdk::{Column, Error, Result, json};

const SCHEMA: &str = r#"{
    "type": "object",
    "required": ["names"],
    "properties": { "names": { "type": "array", "items": { "type": "string" }, "minItems": 1 } }
}"#;

#[derive(serde::Deserialize)]
struct Configuration {
    names: Vec<String>,
}

impl Configuration {
    fn of(source: &Source) -> Result<Self> {
        json::from_str(&source.configuration).map_err(|error| Error::invalid("config", error.to_string()))
    }
}

struct Hello;

impl Guest for Hello {
    type Sync = Greeting;

    fn source_types() -> Result<Vec<SourceType>> {
        Ok(vec![SourceType { name: "hello".to_owned(), title: "Greetings".to_owned(), schema: SCHEMA.to_owned() }])
    }

    /// A real connector reaches its backend here.
    fn check(source: Source) -> Result<()> {
        Configuration::of(&source).map(drop)
    }

    fn discover(source: Source) -> Result<Vec<StreamDescriptor>> {
        Ok(vec![StreamDescriptor {
            namespace: None,
            name: "greetings".to_owned(),
            columns: vec![Column::new("name", "string"), Column::new("greeting", "string")],
            primary_key: vec!["name".to_owned()],
            sync_modes: vec![SyncMode::FullRefreshOverwrite],
            cursor_columns: Vec::new(),
            estimated_rows: Some(Configuration::of(&source)?.names.len() as u64),
            unsupported: None,
        }])
    }

    /// Nothing has to be made before rows can be read.
    fn provision(_: ResourceDefinition) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn retire(_: ResourceDefinition) -> Result<()> {
        Ok(())
    }

    fn open(ingestion: Ingestion) -> Result<Sync> {
        Ok(Sync::new(Greeting { names: Configuration::of(&ingestion.source)?.names, step: Cell::new(0) }))
    }

    fn cancel(_: Ingestion) -> Result<()> {
        Ok(())
    }
}

/// A sync under way.
struct Greeting {
    names: Vec<String>,
    step: Cell<u8>,
}

impl GuestSync for Greeting {
    fn next(&self) -> Result<Event> {
        let step = self.step.replace(self.step.get() + 1);
        Ok(match step {
            0 => Event::Rows(Rows::json_lines(
                0,
                self.names.iter().map(|name| json::json!({ "name": name, "greeting": format!("Hello, {name}!") })),
            )?),
            1 => Event::Checkpoint(Checkpoint { stream: Some(0), state: Vec::new(), complete: true }),
            _ => Event::Done,
        })
    }
}

asgard_sdk::export_connector!(Hello);
