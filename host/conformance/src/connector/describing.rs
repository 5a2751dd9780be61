//! What a connector says about itself and its source.

use std::collections::BTreeSet;

use asgard_contract::Error;
use asgard_contract::connector::{ResourceDefinition, Source, SourceType, StreamDescriptor, SyncMode};
use asgard_plugins::schema;
use serde_json::{Value, json};

use super::{connector, source};
use crate::bench::Bench;
use crate::report::{Found, Suite, ensure, fail, is_lost, said, skip};

/// What needs no source.
pub(super) async fn check(suite: &mut Suite, bench: &Bench) {
    suite.check("source types are declared with usable schemas, the same each time", declares(bench)).await;
    suite
        .check("wrong configurations of a source are refused with their field, and trap nothing", refuses(bench))
        .await;
}

async fn types(bench: &Bench) -> Found<Vec<SourceType>> {
    match connector(bench, "types").await {
        Ok(connector) => Ok(connector.source_types().await?),
        Err(_) if bench.plugin.validate_configuration(&bench.setup.configuration).is_err() => {
            skip("it needs a configuration: give one with `--config`")
        }
        Err(stop) => Err(stop),
    }
}

async fn declares(bench: &Bench) -> Found {
    let declared = types(bench).await?;
    ensure(!declared.is_empty(), || "it serves no type of source".to_owned())?;
    let names: BTreeSet<&str> = declared.iter().map(|each| each.name.as_str()).collect();
    ensure(names.len() == declared.len(), || format!("a type is declared twice: {names:?}"))?;
    for each in &declared {
        let name = &each.name;
        ensure(!each.title.trim().is_empty(), || format!("`{name}` has no title"))?;
        ensure(each.schema.get("type") == Some(&json!("object")), || {
            format!("the schema of `{name}` is not of `\"type\": \"object\"`")
        })?;
        // Whatever is wrong with the value: only a schema that cannot be used is `internal`.
        if let Err(Error::Internal { message }) = schema::validate(&each.schema, &json!({}), name) {
            return fail(message);
        }
    }
    let again = types(bench).await?;
    ensure(declared == again, || "it declares other types the second time".to_owned())
}

/// By the schema, as the host does it; and by the connector itself, which must bear what a schema of another version lets through.
async fn refuses(bench: &Bench) -> Found {
    for each in types(bench).await? {
        for wrong in [json!({}), json!([]), json!({ "asgard-conformance": true })] {
            let by_schema = schema::validate(&each.schema, &wrong, "config");
            if let Err(error) = &by_schema
                && !matches!(error, Error::InvalidInput { field: Some(_), .. })
            {
                return fail(format!("the schema of `{}` refuses {wrong} without a field: {}", each.name, said(error)));
            }
            bears(bench, &each.name, &wrong, by_schema.is_err()).await?;
        }
    }
    Ok(())
}

async fn bears(bench: &Bench, source_type: &str, configuration: &Value, is_wrong: bool) -> Found {
    let source = Source {
        id: "conformance-wrong".to_owned(),
        name: "wrong".to_owned(),
        source_type: source_type.to_owned(),
        configuration: configuration.clone(),
        handle: None,
    };
    let connector = connector(bench, "wrong").await?;
    for answer in [connector.check(&source).await, connector.discover(&source).await.map(|_| ())] {
        match answer {
            Err(error) if is_lost(&error) => return fail(said(&error)),
            Err(Error::Internal { message }) if is_wrong => {
                return fail(format!("{configuration} is answered with internal, expected invalid-input: {message}"));
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) async fn reached(bench: &Bench) -> Found {
    let source = source(bench).await?;
    for _ in 0..2 {
        connector(bench, "check").await?.check(&source).await?;
    }
    Ok(())
}

pub(super) async fn discovered(bench: &Bench) -> Found {
    let source = source(bench).await?;
    let connector = connector(bench, "discover").await?;
    let first = connector.discover(&source).await?;
    ensure(!first.is_empty(), || "the source has no streams".to_owned())?;
    let mut names = BTreeSet::new();
    for stream in &first {
        ensure(names.insert((&stream.namespace, &stream.name)), || format!("`{}` is discovered twice", stream.name))?;
        whole(stream)?;
    }
    // Estimates may differ from one look to the next.
    let plain = |streams: &[StreamDescriptor]| -> Vec<StreamDescriptor> {
        streams.iter().map(|stream| StreamDescriptor { estimated_rows: None, ..stream.clone() }).collect()
    };
    let second = connector.discover(&source).await?;
    ensure(plain(&first) == plain(&second), || "it discovers other streams the second time".to_owned())
}

fn whole(stream: &StreamDescriptor) -> Found {
    let name = &stream.name;
    if stream.unsupported.is_some() {
        return Ok(());
    }
    let columns: BTreeSet<&str> = stream.columns.iter().map(|column| column.name.as_str()).collect();
    ensure(!columns.is_empty(), || format!("`{name}` has no columns"))?;
    ensure(columns.len() == stream.columns.len(), || format!("`{name}` has a column twice"))?;
    ensure(!stream.sync_modes.is_empty(), || format!("`{name}` can be synced in no mode: say why in `unsupported`"))?;
    let mut named = stream.primary_key.iter().chain(&stream.cursor_columns);
    if let Some(missing) = named.find(|named| !columns.contains(named.as_str())) {
        return fail(format!("`{name}` has `{missing}` as key or cursor, and no such column"));
    }
    // An ingestion may name a key where the source has none; the log of a table has to tell its rows apart by itself.
    let captured = stream.sync_modes.contains(&SyncMode::ChangeDataCapture);
    ensure(!captured || !stream.primary_key.is_empty(), || format!("`{name}` offers its changes, and has no key"))
}

pub(super) async fn provisioned(bench: &Bench) -> Found {
    let mut source = source(bench).await?;
    let connector = connector(bench, "provision").await?;
    for _ in 0..2 {
        let handle = connector.provision(&ResourceDefinition::Source(source.clone())).await?;
        source.handle = (!handle.is_empty()).then_some(handle);
    }
    for _ in 0..2 {
        connector.retire(&ResourceDefinition::Source(source.clone())).await?;
    }
    Ok(())
}
