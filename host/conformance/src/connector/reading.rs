//! Rows: those that were discovered, each of them once.
//!
//! They are written into a table of the bench's lakehouse, as the host does it: rows that do not fit the declared columns fail there.

use std::time::{Duration, Instant};

use asgard_contract::connector::{Event, Ingestion, StreamDescriptor, SyncMode};
use asgard_contract::{Error, TableName};
use asgard_lakehouse::storage::{Storage, StorageLocation};
use asgard_lakehouse::{StreamTarget, StreamWriter};
use asgard_plugins::Sync;

use super::{connector, ingestion, selection, source, streams};
use crate::bench::Bench;
use crate::report::{Found, Stop, ensure, fail, said, skip};

/// Longest sync of a suite.
const PATIENCE: Duration = Duration::from_secs(600);

/// The host keeps checkpoints in the tables' properties: larger ones slow every reader down.
const LARGEST_CHECKPOINT: usize = 1 << 20;

/// How far a sync came.
#[derive(Debug, Default)]
struct Read {
    records: u64,
    /// The last checkpoint, and the rows before it.
    checkpoint: Option<(Vec<u8>, u64)>,
    complete: bool,
}

pub(super) async fn rows(bench: &Bench) -> Found {
    let source = source(bench).await?;
    for stream in streams(bench, &source).await? {
        let Some(mode) = full(&stream) else { continue };
        let wanted = ingestion(&source, vec![selection(&stream, mode, None)]);
        let read = read(bench, &wanted, &stream, mode, None).await.map_err(|stop| of_stream(&stream, stop))?;
        ensure(read.complete, || format!("`{}` ended without a checkpoint that is complete", stream.name))?;
    }
    Ok(())
}

/// Ends a sync at its first checkpoint and opens it again there; and opens one that is at its end.
pub(super) async fn resumed(bench: &Bench) -> Found {
    let source = source(bench).await?;
    let mut asked = 0;
    for stream in streams(bench, &source).await? {
        asked += resume_in_the_middle(bench, &source, &stream).await.map_err(|stop| of_stream(&stream, stop))?;
        asked += resume_at_the_end(bench, &source, &stream).await.map_err(|stop| of_stream(&stream, stop))?;
    }
    if asked == 0 {
        return skip("no stream has a checkpoint before its end, or a mode that goes on from one");
    }
    Ok(())
}

async fn resume_in_the_middle(
    bench: &Bench,
    source: &asgard_contract::connector::Source,
    stream: &StreamDescriptor,
) -> Found<usize> {
    let Some(mode) = full(stream) else { return Ok(0) };
    let whole = read(bench, &ingestion(source, vec![selection(stream, mode, None)]), stream, mode, None).await?;
    let first = ingestion(source, vec![selection(stream, mode, None)]);
    let half = read(bench, &first, stream, mode, Some(1)).await?;
    let Some((state, before)) = half.checkpoint.filter(|_| !half.complete) else { return Ok(0) };
    let again = ingestion(source, vec![selection(stream, mode, Some(state))]);
    let rest = read(bench, &again, stream, mode, None).await?;
    ensure(before + rest.records == whole.records, || {
        format!("{before} rows before the checkpoint and {} after it: expected {} in all", rest.records, whole.records)
    })?;
    Ok(1)
}

async fn resume_at_the_end(
    bench: &Bench,
    source: &asgard_contract::connector::Source,
    stream: &StreamDescriptor,
) -> Found<usize> {
    let Some(mode) = stream.sync_modes.iter().copied().find(|mode| *mode == SyncMode::IncrementalAppend) else {
        return Ok(0);
    };
    let first = ingestion(source, vec![selection(stream, mode, None)]);
    let whole = read(bench, &first, stream, mode, None).await?;
    let Some((state, _)) = whole.checkpoint else { return fail("an incremental sync ended without a checkpoint") };
    let again = ingestion(source, vec![selection(stream, mode, Some(state))]);
    let more = read(bench, &again, stream, mode, None).await?;
    ensure(more.records == 0, || format!("{} rows came again after the end of an incremental sync", more.records))?;
    Ok(1)
}

pub(super) async fn cancelled(bench: &Bench) -> Found {
    let source = source(bench).await?;
    let stream = streams(bench, &source).await?.into_iter().find_map(|stream| full(&stream).map(|mode| (stream, mode)));
    let Some((stream, mode)) = stream else { return skip("no stream has a full refresh") };
    let wanted = ingestion(&source, vec![selection(&stream, mode, None)]);
    let connector = connector(bench, "cancel").await?;
    drop(connector.open(&wanted).await?);
    for _ in 0..2 {
        connector.cancel(&wanted).await?;
    }
    Ok(())
}

fn full(stream: &StreamDescriptor) -> Option<SyncMode> {
    stream.sync_modes.iter().copied().find(|mode| mode.is_full_refresh())
}

fn of_stream(stream: &StreamDescriptor, stop: Stop) -> Stop {
    match stop {
        Stop::Fail(message) => Stop::Fail(format!("stream `{}`: {message}", stream.name)),
        skip @ Stop::Skip(_) => skip,
    }
}

/// Reads one stream to its end, or to its nth checkpoint.
async fn read(
    bench: &Bench,
    wanted: &Ingestion,
    stream: &StreamDescriptor,
    mode: SyncMode,
    checkpoints: Option<usize>,
) -> Found<Read> {
    let mut writer = writer(bench, stream, mode).await?;
    let mut sync = connector(bench, "sync").await?.open(wanted).await?;
    let deadline = Instant::now() + PATIENCE;
    let (mut read, mut seen) = (Read::default(), 0);
    loop {
        ensure(Instant::now() < deadline, || format!("it was not done within {} s", PATIENCE.as_secs()))?;
        match next(&mut sync).await? {
            Event::Rows(rows) => {
                first(rows.stream)?;
                ensure(!read.complete, || "rows came after the checkpoint that was complete".to_owned())?;
                read.records += writer.stage(rows).await.map_err(unlike)?.records;
            }
            Event::Checkpoint { stream, state, complete } => {
                stream.map_or(Ok(()), first)?;
                let size = state.len();
                ensure(size <= LARGEST_CHECKPOINT, || {
                    format!("a checkpoint has {size} bytes: expected at most {LARGEST_CHECKPOINT}")
                })?;
                read.complete = complete;
                read.checkpoint = Some((state, read.records));
                seen += 1;
                if Some(seen) == checkpoints {
                    return Ok(read);
                }
            }
            Event::Moved { stream, records, .. } => {
                first(stream)?;
                read.records = records;
            }
            Event::StreamFailed { error, .. } => return fail(said(&error)),
            Event::Waiting(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds.into()).min(Duration::from_secs(2))).await;
            }
            Event::Divided(_) => return fail("it divides a sync for which the host reads no parts"),
            Event::Truncated { stream } | Event::Evolved { stream, .. } => first(stream)?,
            Event::Progress(_) => {}
            Event::Done => return Ok(read),
        }
    }
}

async fn next(sync: &mut Sync) -> Found<Event> {
    Ok(sync.next().await?)
}

/// The only stream that was asked for.
fn first(stream: u32) -> Found {
    ensure(stream == 0, || format!("it tells of stream {stream}, and one was asked for"))
}

fn unlike(error: Error) -> Stop {
    Stop::Fail(format!("rows are not as discovered: {error}"))
}

/// A table of its own for each reading: only the rows are looked at.
async fn writer(bench: &Bench, stream: &StreamDescriptor, mode: SyncMode) -> Found<StreamWriter> {
    static READINGS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = READINGS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let location = Storage::open(StorageLocation::Local { folder: bench.folder().join("tables") })?;
    let target = StreamTarget {
        table: TableName::new("bronze", format!("conformance_{number}")),
        location,
        columns: stream.columns.clone(),
        mode,
        primary_key: stream.primary_key.clone(),
        sync_id: format!("conformance-{number}"),
        ingestion_id: format!("conformance-{number}"),
    };
    Ok(bench.lakehouse.stream_writer(target).await?)
}
