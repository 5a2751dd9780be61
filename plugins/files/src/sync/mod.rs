//! A sync: streams one after the other, files of a stream one after the other.
//!
//! A full refresh reads all files by path. An incremental sync reads the files that it has not read in their present version, the
//! ones that changed earlier first, so that a merge keeps the later row. A file that changed is read again from its beginning.
//!
//! A checkpoint comes where enough was read since the last one: at the end of a file, or within a large one at the end of a row
//! (of a row group, in Parquet). A file that changes while it is read ends the sync with an error that is repeated; rows that were
//! read since the last checkpoint are dropped by the host.

mod checkpoint;
mod reading;
mod stream;

use std::collections::VecDeque;

use asgard_sdk::connector::{Event, Ingestion, StreamSelection};
use asgard_sdk::{Error, Result};

use crate::configuration::Configuration;
use crate::discovery::Dialects;
use stream::StreamRun;

/// A sync under way.
pub struct Run {
    configuration: Configuration,
    dialects: Dialects,
    task: String,
    streams: Vec<StreamSelection>,
    next: usize,
    current: Option<Box<StreamRun>>,
    /// What is to be told before anything else is done.
    pending: VecDeque<Event>,
    /// It ended with an error, which must not be taken for an end.
    broken: bool,
}

impl Run {
    /// A sync for the task. Nothing is looked at before the first event is asked for.
    ///
    /// # Errors
    /// `invalid-input` for the source's configuration.
    pub fn new(ingestion: Ingestion, task: String) -> Result<Self> {
        Ok(Self {
            configuration: Configuration::of(&ingestion.source)?,
            dialects: Dialects::read(ingestion.handle.as_deref())?,
            task,
            streams: ingestion.streams,
            next: 0,
            current: None,
            pending: VecDeque::new(),
            broken: false,
        })
    }

    /// What comes next.
    ///
    /// # Errors
    /// `unavailable` when a location is away, or a file changed. The sync is over then. Everything else fails its stream only.
    pub fn next_event(&mut self) -> Result<Event> {
        if self.broken {
            return Err(Error::internal("the sync ended with an error: open it again"));
        }
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let index = self.next.saturating_sub(1);
            let step = match &mut self.current {
                Some(stream) => stream.step(&self.configuration),
                None => {
                    let Some(selection) = self.streams.get(self.next) else { return Ok(Event::Done) };
                    self.next += 1;
                    let number = u32::try_from(self.next - 1).unwrap_or(u32::MAX);
                    StreamRun::begin(&self.configuration, &self.dialects, number, selection, &self.task).map(|begun| {
                        self.current = begun.map(Box::new);
                        Some(Vec::new())
                    })
                }
            };
            match step {
                Ok(Some(events)) => self.pending.extend(events),
                Ok(None) => self.current = None,
                Err(error @ Error::Unavailable(_)) => {
                    self.broken = true;
                    return Err(error);
                }
                Err(error) => {
                    let failed = if self.current.take().is_some() { index } else { self.next.saturating_sub(1) };
                    return Ok(Event::StreamFailed((u32::try_from(failed).unwrap_or(u32::MAX), error)));
                }
            }
        }
    }
}
