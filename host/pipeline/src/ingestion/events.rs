//! The events of a sync, from as many instances as read it.
//!
//! A connector that can divides its streams, and each part is read by an instance of its own; to the sync they are one.
//!
//! After rows an instance is asked for its next event while they are staged. After anything else it waits: to ask for the event
//! after a checkpoint is to say that the checkpoint is committed, and what comes after other events may depend on what the
//! host made of them.

use std::time::Duration;

use asgard_contract::connector::{Event, Ingestion, Part};
use asgard_contract::{Error, Result};
use asgard_plugins::{Connector, Room, Sync};
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// A sync that is asked for its events.
pub(super) struct Events<'a> {
    connector: &'a Connector,
    ingestion: Ingestion,
    /// For parts; none once the streams are divided, or rows have come.
    rooms: Vec<Room>,
    lanes: Vec<Lane>,
    /// Those that are being asked. A set, since that ends what is in it when it is dropped.
    asked: JoinSet<Answer>,
}

/// One instance.
struct Lane {
    /// None: it is being asked.
    idle: Option<Sync>,
    /// Its streams, by their index in the sync; none = all, as it numbers them itself.
    streams: Option<Vec<u32>>,
    /// It is kept all the same: parts may need the first one for as long as they read.
    over: bool,
}

struct Answer {
    lane: usize,
    sync: Sync,
    event: Result<Event>,
}

impl<'a> Events<'a> {
    /// Opens a sync that reads so many streams at a time at most.
    ///
    /// # Errors
    /// Those of the connector.
    pub(super) async fn open(connector: &'a Connector, mut ingestion: Ingestion, parallel: u32) -> Result<Self> {
        let streams = u32::try_from(ingestion.streams.len()).unwrap_or(u32::MAX);
        // Taken before the connector divides anything, so that no part is left without.
        let rooms = connector.room(&ingestion, parallel.min(streams).saturating_sub(1));
        ingestion.parts = u32::try_from(rooms.len()).unwrap_or(u32::MAX);
        let first = connector.open(&ingestion).await?;
        let mut events = Self { connector, ingestion, rooms, lanes: Vec::new(), asked: JoinSet::new() };
        events.add(first, None);
        Ok(events)
    }

    fn add(&mut self, sync: Sync, streams: Option<Vec<u32>>) {
        self.lanes.push(Lane { idle: Some(sync), streams, over: false });
    }

    /// What happens next. Dropping the future before it is ready ends the sync.
    ///
    /// # Errors
    /// Those of the connector; the sync is over then.
    pub(super) async fn next(&mut self) -> Result<Event> {
        loop {
            for lane in 0..self.lanes.len() {
                if !self.lanes[lane].over
                    && let Some(sync) = self.lanes[lane].idle.take()
                {
                    self.ask(lane, sync, Duration::ZERO);
                }
            }
            let Some(answered) = self.asked.join_next().await else { return Ok(Event::Done) };
            let Answer { lane, sync, event } =
                answered.map_err(|error| Error::internal(format!("asking the connector went wrong: {error}")))?;
            let event = event?;
            if !matches!(event, Event::Divided(_) | Event::Progress(_)) {
                self.rooms.clear();
            }
            match event {
                event @ Event::Rows(_) => {
                    self.ask(lane, sync, Duration::ZERO);
                    return self.told(lane, event);
                }
                Event::Waiting(milliseconds) => {
                    self.ask(lane, sync, Duration::from_millis(u64::from(milliseconds)));
                }
                Event::Divided(parts) => {
                    self.lanes[lane].idle = Some(sync);
                    self.divide(parts).await?;
                }
                Event::Done => {
                    let lane = &mut self.lanes[lane];
                    (lane.idle, lane.over) = (Some(sync), true);
                }
                event => {
                    self.lanes[lane].idle = Some(sync);
                    return self.told(lane, event);
                }
            }
        }
    }

    fn ask(&mut self, lane: usize, mut sync: Sync, after: Duration) {
        let asking = async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            let event = sync.next().await;
            Answer { lane, sync, event }
        };
        self.asked.spawn(asking.in_current_span());
    }

    /// Opens an instance for each part.
    async fn divide(&mut self, parts: Vec<Part>) -> Result<()> {
        let rooms = std::mem::take(&mut self.rooms);
        if self.lanes.len() > 1 || parts.len() > rooms.len() {
            return Err(Error::internal(format!(
                "the connector divided its streams into {} parts: {} at most were asked for, once",
                parts.len(),
                self.ingestion.parts
            )));
        }
        for (part, room) in parts.into_iter().zip(rooms) {
            let streams = part.streams.iter().map(|index| {
                let stream = self.ingestion.streams.get(*index as usize).cloned();
                stream.ok_or_else(|| {
                    Error::internal(format!("the connector made a part of stream {index}: there is none"))
                })
            });
            let ingestion = Ingestion {
                streams: streams.collect::<Result<_>>()?,
                parts: 0,
                moment: Some(part.moment),
                ..self.ingestion.clone()
            };
            match self.connector.open_part(room, &ingestion).await {
                Ok(sync) => self.add(sync, Some(part.streams)),
                Err(error) => return self.undivided(&error).await,
            }
        }
        Ok(())
    }

    /// Starts over in one instance. No rows have come yet.
    async fn undivided(&mut self, reason: &Error) -> Result<()> {
        tracing::warn!(%reason, "a part of a sync could not be opened: its streams are read one after the other");
        self.lanes.clear();
        self.ingestion.parts = 0;
        let sync = self.connector.open(&self.ingestion).await?;
        self.add(sync, None);
        Ok(())
    }

    /// The event with streams as the sync numbers them.
    fn told(&self, lane: usize, mut event: Event) -> Result<Event> {
        let divided = self.lanes.len() > 1;
        let stream = match &mut event {
            Event::Rows(rows) => &mut rows.stream,
            Event::Truncated { stream }
            | Event::Evolved { stream, .. }
            | Event::Checkpoint { stream: Some(stream), .. }
            | Event::Moved { stream, .. }
            | Event::StreamFailed { stream, .. } => stream,
            Event::Checkpoint { stream: None, .. } if divided => {
                return Err(Error::internal("a checkpoint of all streams together came of a sync that was divided"));
            }
            _ => return Ok(event),
        };
        if let Some(streams) = &self.lanes[lane].streams {
            *stream = *streams.get(*stream as usize).ok_or_else(|| {
                Error::internal(format!("a part has no stream {stream}, and the connector spoke of it"))
            })?;
        }
        Ok(event)
    }
}
