//! The events of a sync, with one read ahead: while the rows of one event are staged the connector gets the next ones.
//!
//! Only after rows. To ask for the event after a checkpoint is to say that the checkpoint is committed, and what comes after
//! other events may depend on what the host made of them.

use asgard_contract::connector::Event;
use asgard_contract::{Error, Result};
use asgard_plugins::Sync;
use tokio::task::JoinSet;
use tracing::Instrument as _;

/// A sync that is asked for its events.
pub(super) struct Events {
    idle: Option<Sync>,
    /// One that is being asked already. A set, since that ends what is in it when it is dropped.
    asked: JoinSet<(Sync, Result<Event>)>,
}

impl Events {
    pub(super) fn of(sync: Sync) -> Self {
        Self { idle: Some(sync), asked: JoinSet::new() }
    }

    /// What happens next. Dropping the future before it is ready ends the sync.
    ///
    /// # Errors
    /// Those of the sync, which is over then.
    pub(super) async fn next(&mut self) -> Result<Event> {
        if let Some(sync) = self.idle.take() {
            self.ask(sync);
        }
        let Some(answered) = self.asked.join_next().await else { return Err(Error::internal("the sync is over")) };
        let (sync, event) =
            answered.map_err(|error| Error::internal(format!("asking the connector went wrong: {error}")))?;
        match event? {
            event @ Event::Rows(_) => {
                self.ask(sync);
                Ok(event)
            }
            event => {
                self.idle = Some(sync);
                Ok(event)
            }
        }
    }

    fn ask(&mut self, mut sync: Sync) {
        let asking = async move {
            let event = sync.next().await;
            (sync, event)
        };
        self.asked.spawn(asking.in_current_span());
    }
}
