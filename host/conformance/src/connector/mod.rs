//! Interface `connector`.

mod describing;
mod reading;

use asgard_contract::connector::{Ingestion, Sink, Source, StreamDescriptor, StreamSelection, SyncMode};
use asgard_plugins::{Connector, schema};

use crate::bench::{Bench, nothing};
use crate::report::{Found, Suite};

/// What needs a source.
const WITH_A_SOURCE: [&str; 6] = [
    "the source is reached, twice",
    "what is discovered is whole, and the same the second time",
    "provisioned twice, retired twice",
    "the rows of each stream are those that were discovered",
    "a sync that is opened again at its checkpoint gives no row twice",
    "a sync is cancelled twice",
];

/// Every check.
pub(crate) async fn check(suite: &mut Suite, bench: &Bench) {
    describing::check(suite, bench).await;
    if bench.setup.source.is_none() {
        let reason = "it needs a source: `[source] type = …, configuration = …` in `--config`";
        suite.skipped(&WITH_A_SOURCE, reason);
        return;
    }
    let [reached, discovered, provisioned, rows, resumed, cancelled] = WITH_A_SOURCE;
    suite.check(reached, describing::reached(bench)).await;
    suite.check(discovered, describing::discovered(bench)).await;
    suite.check(provisioned, describing::provisioned(bench)).await;
    suite.check(rows, reading::rows(bench)).await;
    suite.check(resumed, reading::resumed(bench)).await;
    suite.check(cancelled, reading::cancelled(bench)).await;
}

async fn connector(bench: &Bench, task: &str) -> Found<Connector> {
    Ok(bench.plugin.connector(bench.call(&format!("conformance-{task}")).await?))
}

/// The setup's source, as the host would hand it over: checked by its schema, defaults filled in.
async fn source(bench: &Bench) -> Found<Source> {
    let Some(setup) = &bench.setup.source else { return crate::report::skip("there is no source in the setup") };
    let types = connector(bench, "source").await?.source_types().await?;
    let Some(declared) = types.iter().find(|declared| declared.name == setup.source_type) else {
        return crate::report::fail(format!("it serves no sources of type `{}`", setup.source_type));
    };
    Ok(Source {
        id: "conformance-source".to_owned(),
        name: "conformance".to_owned(),
        source_type: setup.source_type.clone(),
        configuration: schema::validate(&declared.schema, &setup.configuration, "source.configuration")?,
        handle: None,
    })
}

/// Streams to read, unless the setup names them.
const STREAMS: usize = 5;

/// The streams to read.
async fn streams(bench: &Bench, source: &Source) -> Found<Vec<StreamDescriptor>> {
    let all = connector(bench, "discover").await?.discover(source).await?;
    let named = bench.setup.source.as_ref().map(|setup| setup.streams.as_slice()).unwrap_or_default();
    let wanted = |stream: &StreamDescriptor| named.is_empty() || named.contains(&stream.name);
    let readable = all.into_iter().filter(|stream| stream.unsupported.is_none() && wanted(stream));
    let readable: Vec<_> = if named.is_empty() { readable.take(STREAMS).collect() } else { readable.collect() };
    if readable.is_empty() {
        return crate::report::fail("the source has no stream that can be synced");
    }
    Ok(readable)
}

fn selection(stream: &StreamDescriptor, mode: SyncMode, checkpoint: Option<Vec<u8>>) -> StreamSelection {
    StreamSelection {
        namespace: stream.namespace.clone(),
        name: stream.name.clone(),
        sync_mode: mode,
        cursor: stream.cursor_columns.first().cloned(),
        primary_key: stream.primary_key.clone(),
        columns: stream.columns.clone(),
        table: format!("conformance_{}", stream.name.to_ascii_lowercase()),
        checkpoint,
    }
}

fn ingestion(source: &Source, streams: Vec<StreamSelection>) -> Ingestion {
    Ingestion {
        id: "conformance-ingestion".to_owned(),
        name: "conformance".to_owned(),
        source: source.clone(),
        sink: Sink {
            id: "conformance-sink".to_owned(),
            name: "conformance".to_owned(),
            sink_type: "local".to_owned(),
            configuration: nothing(),
            handle: None,
        },
        streams,
        handle: None,
        resets: 0,
        parts: 0,
        moment: None,
    }
}
