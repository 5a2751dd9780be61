//! The messages of a read, one after the other, and its end.

use asgard_sdk::connector::{Checkpoint, Event};
use asgard_sdk::context::Level;
use asgard_sdk::processes::ProcessStatus;
use asgard_sdk::{Error, Result};

use super::{READ, Run};
use crate::checkpoint::{Kept, Kind, Stored};
use crate::command::{say, say_log};
use crate::failure;
use crate::host::Host;
use crate::messages::{self, Control, Line, Record, State, StreamName, StreamState, Trace};
use crate::specification::changed_fields;

/// A commit costs the lakehouse some files whatever is in it, so states are committed when there is enough since the last one.
const COMMIT_ROWS: u64 = 100_000;
const COMMIT_MS: u64 = 30_000;

/// Of all streams together: a connector that tells many at once fills many small heaps.
const HELD_BYTES: usize = 16 << 20;

impl<H: Host> Run<H> {
    /// Takes a line of the connector's output.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<()> {
        let message = match messages::read(line)? {
            Line::Message(message) => message,
            Line::Other(text) => {
                say(&self.host, text);
                return Ok(());
            }
        };
        match message.kind.as_ref() {
            "RECORD" => message.record.map_or(Ok(()), |record| self.record(&record)),
            "STATE" => message.state.map_or(Ok(()), |state| self.state(&state)),
            "LOG" => {
                message.log.iter().for_each(|log| say_log(&self.host, log));
                Ok(())
            }
            "TRACE" => {
                message.trace.into_iter().for_each(|trace| self.trace(trace));
                Ok(())
            }
            "CONTROL" => {
                message.control.iter().for_each(|control| self.control(control));
                Ok(())
            }
            // Answers to other commands, and what later versions of the protocol have.
            _ => Ok(()),
        }
    }

    fn position(&self, name: &str, namespace: Option<&str>) -> Option<usize> {
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        self.streams.iter().position(|stream| stream.name == name && stream.namespace.as_deref() == namespace)
    }

    fn named(&self, name: &StreamName) -> Option<usize> {
        self.position(&name.name, name.namespace.as_deref())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<()> {
        let Some(index) = self.position(&record.stream, record.namespace.as_deref()) else { return Ok(()) };
        if !self.streams[index].is_open() {
            return Ok(());
        }
        match self.streams[index].add(&self.host, record.data.get()) {
            Ok(false) if self.streams.iter().map(super::stream::Stream::held).sum::<usize>() > HELD_BYTES => {
                (0..self.streams.len()).for_each(|index| self.hand_over(index));
            }
            Ok(false) => {}
            Ok(true) => self.hand_over(index),
            Err(error) => self.fail(index, error),
        }
        Ok(())
    }

    fn hand_over(&mut self, index: usize) {
        self.events.extend(self.streams[index].hand_over(number(index)));
    }

    fn state(&mut self, state: &State<'_>) -> Result<()> {
        let told = state.source_stats.as_ref().and_then(|stats| stats.record_count);
        self.order += 1;
        match (state.kind.as_deref(), state.stream, state.global, state.data) {
            (Some("STREAM"), Some(raw), ..) => {
                let whose: StreamState = serde_json::from_str(raw.get())
                    .map_err(|error| Error::internal(format!("the connector wrote a state of no stream: {error}")))?;
                let Some(index) = self.named(&whose.stream_descriptor) else { return Ok(()) };
                self.compare_counts(index, told);
                self.streams[index].state =
                    Some(Stored { kind: Kind::Stream, order: self.order, text: raw.to_owned() });
                self.commit_when_due(&[index])
            }
            (Some("GLOBAL"), _, Some(raw), _) => self.shared_state(Kind::Global, raw),
            (None | Some("LEGACY"), .., Some(raw)) => self.shared_state(Kind::Legacy, raw),
            (kind, ..) => Err(Error::internal(format!("the connector wrote a state of an unknown form ({kind:?})"))),
        }
    }

    /// A state of all streams. It can be committed before the end only if each of them can.
    fn shared_state(&mut self, kind: Kind, raw: &serde_json::value::RawValue) -> Result<()> {
        let stored = Stored { kind, order: self.order, text: raw.to_owned() };
        let open: Vec<usize> = (0..self.streams.len()).filter(|index| self.streams[*index].is_open()).collect();
        for index in &open {
            self.streams[*index].since_state = 0;
            self.streams[*index].state = Some(stored.clone());
        }
        if open.iter().all(|index| self.streams[*index].commits_at_states) {
            self.commit_when_due(&open)
        } else {
            Ok(())
        }
    }

    fn compare_counts(&mut self, index: usize, told: Option<f64>) {
        let came = std::mem::take(&mut self.streams[index].since_state);
        if let Some(told) = told
            && told != came as f64
        {
            let name = self.streams[index].full_name();
            self.host.log(
                Level::Warn,
                &format!("{name}: the connector counts {told} records before its state, and {came} came"),
            );
        }
    }

    fn commit_when_due(&mut self, indices: &[usize]) -> Result<()> {
        let now = self.host.now_ms();
        let due = indices.iter().any(|index| {
            let stream = &mut self.streams[*index];
            if stream.committed_ms == 0 {
                stream.committed_ms = now;
            }
            stream.uncommitted >= COMMIT_ROWS
                || (stream.uncommitted > 0 && now.saturating_sub(stream.committed_ms) >= COMMIT_MS)
        });
        for index in indices.iter().filter(|_| due) {
            if self.streams[*index].commits_at_states && self.streams[*index].is_open() {
                self.commit(*index, false)?;
                self.streams[*index].committed_ms = now;
            }
        }
        Ok(())
    }

    fn commit(&mut self, index: usize, complete: bool) -> Result<()> {
        self.hand_over(index);
        let stream = &mut self.streams[index];
        stream.uncommitted = 0;
        let kept = Kept { task: self.task.clone(), complete, state: stream.state.clone() };
        let checkpoint = Checkpoint { stream: Some(number(index)), state: kept.write()?, complete };
        self.events.push_back(Event::Checkpoint(checkpoint));
        Ok(())
    }

    fn trace(&mut self, trace: Trace) {
        if let Some(error) = trace.error {
            match error.stream_descriptor.as_ref().and_then(|name| self.named(name)) {
                Some(index) => self.streams[index].error = Some(error),
                None => self.error = Some(error),
            }
        }
        if let Some(estimate) = trace.estimate
            && estimate.kind == "STREAM"
            && estimate.name.as_deref().is_some_and(|name| self.position(name, estimate.namespace.as_deref()).is_some())
        {
            self.expected += estimate.row_estimate.unwrap_or(0.0).max(0.0) as u64;
        }
        if let Some(status) = trace.stream_status
            && let Some(index) = self.named(&status.stream_descriptor)
        {
            let name = self.streams[index].full_name();
            match status.status.as_str() {
                "STARTED" => {
                    let read: u64 = self.streams.iter().map(|stream| stream.records).sum();
                    let fraction = (self.expected > 0).then(|| (read as f64 / self.expected as f64).min(1.0));
                    self.progress(format!("reading {name}"), fraction);
                }
                "COMPLETE" => self.streams[index].has_ended = true,
                "INCOMPLETE" => {
                    // Why is told in a message of its own, before or after this one: see the end.
                    self.streams[index].has_ended = false;
                    self.streams[index].error.get_or_insert_with(Default::default);
                }
                _ => {}
            }
        }
    }

    /// Tokens that a connector got while it worked. The configuration is the user's, and secrets are the host's: neither is the
    /// plugin's to change.
    fn control(&mut self, control: &Control<'_>) {
        let Some(config) = &control.connector_config else { return };
        let changed = changed_fields(&self.ingestion.source.configuration, config.config.get());
        let fields = if changed.is_empty() { "secrets of its own".to_owned() } else { changed.join(", ") };
        self.host.warn(
            "ConfigurationChanged",
            &format!(
                "the connector changed its configuration ({fields}), which is not kept: if the next sync is refused, PATCH /datasource/{} with new credentials",
                self.ingestion.source.id
            ),
        );
    }

    /// The process has ended: what came to its end is committed, what did not is told.
    pub(super) fn conclude(&mut self, status: &ProcessStatus) -> Result<()> {
        let well = *status == ProcessStatus::Exited(0) && self.error.is_none();
        let mut unfinished = Vec::new();
        for index in 0..self.streams.len() {
            let stream = &self.streams[index];
            if !stream.is_open() {
                continue;
            }
            if let Some(left_out) = stream.left_out() {
                self.host.log(Level::Warn, &left_out);
            }
            // Connectors of before the protocol had statuses say it by ending well.
            if stream.has_ended || (well && stream.error.is_none()) {
                self.commit(index, true)?;
                self.streams[index].is_complete = true;
            } else {
                unfinished.push(index);
            }
        }
        let general = self.error.take();
        let own = |stream: &super::Stream| stream.error.clone().filter(|error| !error.message.is_empty());
        let all_say_why = !unfinished.is_empty() && unfinished.iter().all(|index| own(&self.streams[*index]).is_some());
        for index in unfinished {
            if let Some(error) = own(&self.streams[index]) {
                self.fail(index, failure::told(&self.connector.name, &error));
            }
        }
        // Why each stream failed says it better than the sum that connectors end with.
        if well || all_say_why {
            return Ok(());
        }
        match general {
            Some(error) => self.error = Some(error),
            None => self.ended = Some(failure::ended(&self.host, &self.connector.name, "read", READ, status)),
        }
        Ok(())
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
