//! Fills the online store: the view's file is brought up to date, Feast's SDK applies the view if it never has, and the feature server
//! materialises.
//!
//! The feature server materialises within one request. One that takes longer than a request may is followed by the view's state in the
//! registry, as is one that a host before this one had begun. The server learns of a new view when it reads the registry anew, a
//! minute by default: until then it knows no such view.

use asgard_sdk::context::Level;
use asgard_sdk::feature_source::{FeatureView, Outcome};
use asgard_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::known::{File, Filled, Known};
use crate::process::{Asked, Look, Sdk};
use crate::run::{Feast, Now, running};
use crate::snapshot::{self, Current};
use crate::writes::{self, Write};

/// All that Feast's engines take as a time: event times before or after are none of theirs.
const ALWAYS: (&str, &str) = ("1700-01-01T00:00:00", "2250-01-01T00:00:00");

/// How long the feature server may not know a view that the registry has. Its default is to look each minute.
const KNOWN_WITHIN_MS: u64 = 180_000;

/// How often a materialisation is asked for that ends without rows, when its request did not wait for its end.
const ATTEMPTS: u32 = 3;

const POLL_MS: u32 = 50;

/// `FeatureViewState` of Feast.
const MATERIALISING: &str = "MATERIALIZING";
const AVAILABLE: &str = "AVAILABLE_ONLINE";

/// A materialisation on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Materialisation {
    view: String,
    table: String,
    online: bool,
    /// A feature by which the online store is tried.
    feature: String,
    entities: Vec<String>,
    file: File,
    types: std::collections::BTreeMap<String, String>,
    /// The view's file, then its entities.
    writes: Vec<Write>,
    stage: Stage,
    attempt: u32,
    since_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Writing,
    Applying(Sdk),
    Asking,
    Following,
    Trying,
    Cleaning,
}

impl Materialisation {
    /// Looks at the table.
    ///
    /// # Errors
    /// `conflict` when it no longer fits the view.
    pub fn begin(feast: Feast<'_>, view: &FeatureView) -> Result<Self> {
        let current = Current::of(view, &feast.host.describe(&view.source)?)?;
        let known = Known::of(feast.host, &view.name)?;
        let count = format!("feast/tasks/{}/{}-entities.parquet", feast.host.task_id(), view.name);
        let feature = view.features.first().ok_or_else(|| Error::internal("a view without features"))?;
        Ok(Self {
            view: view.name.clone(),
            table: format!("{}.{}", view.source.namespace, view.source.name),
            online: view.online,
            feature: feature.name.clone(),
            entities: view.entities.clone(),
            writes: vec![current.write(view, &known), snapshot::entities(view, count)],
            file: current.file(),
            types: current.types,
            stage: Stage::Writing,
            attempt: 1,
            since_ms: feast.host.now_ms(),
        })
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// Those of the host and of Feast's servers.
    pub fn advance(&mut self, feast: Feast<'_>) -> Result<Now> {
        match &mut self.stage {
            Stage::Writing => self.write(feast),
            Stage::Applying(sdk) => match sdk.look(feast.host, feast.configuration)? {
                Look::Goes(progress, pause) => Ok(Now::Running(progress, pause)),
                Look::Failed(error) => self.fail(feast, error),
                Look::Done => {
                    let mut known = Known::of(feast.host, &self.view)?;
                    known.applied = true;
                    known.keep(feast.host, &self.view)?;
                    Ok(self.enter(feast, Stage::Asking, "Feast has applied the view"))
                }
                Look::Elsewhere => {
                    Ok(self.enter(feast, Stage::Writing, "Feast applied the view on another host, and does so again"))
                }
            },
            Stage::Asking => self.ask(feast),
            Stage::Following => self.follow(feast),
            Stage::Trying => self.try_online(feast),
            Stage::Cleaning => self.conclude(feast),
        }
    }

    /// Ends it, and removes what it left. What the feature server has begun goes on there.
    ///
    /// # Errors
    /// Those of the host.
    pub fn cancel(&self, feast: Feast<'_>) -> Result<()> {
        for write in self.writes.iter().filter(|write| write.rows.is_none()) {
            write.cancel(feast.host)?;
        }
        self.clean(feast)
    }

    fn write(&mut self, feast: Feast<'_>) -> Result<Now> {
        match writes::go_on(feast.host, &mut self.writes)? {
            writes::Look::Goes(progress) => return Ok(Now::Running(progress, POLL_MS)),
            writes::Look::Failed(error) => return self.fail(feast, error),
            writes::Look::Done => {}
        }
        let mut known = Known::of(feast.host, &self.view)?;
        known.file = Some(self.file.clone());
        known.types = self.types.clone();
        known.keep(feast.host, &self.view)?;
        if known.applied {
            return Ok(self.enter(feast, Stage::Asking, "the snapshot is written"));
        }
        let asked = Asked { apply: vec![self.view.clone()], joins: Vec::new() };
        let sdk = Sdk::start(feast.host, feast.configuration, &self.process(), &asked)?;
        Ok(self.enter(feast, Stage::Applying(sdk), "Feast applies the view"))
    }

    fn ask(&mut self, feast: Feast<'_>) -> Result<Now> {
        if !self.online {
            return Ok(self.enter(feast, Stage::Cleaning, "the view has no online store"));
        }
        if self.state(feast)?.as_deref() == Some(MATERIALISING) {
            return Ok(self.enter(feast, Stage::Following, "Feast materialises the view already"));
        }
        let (start, end) = ALWAYS;
        let body = json!({"start_ts": start, "end_ts": end, "feature_views": [self.view]});
        match feast.client.post("materialize", &body) {
            Ok(_) => Ok(self.enter(feast, Stage::Trying, "Feast has materialised the view")),
            Err(Error::NotFound(message)) => self.wait_for_server(feast, message),
            Err(Error::Unavailable(away)) => match self.state(feast)?.as_deref() {
                // It took the request, and is still at it.
                Some(MATERIALISING) => Ok(self.enter(feast, Stage::Following, "Feast materialises the view")),
                _ => Err(Error::Unavailable(away)),
            },
            Err(error) => self.fail(feast, error),
        }
    }

    fn follow(&mut self, feast: Feast<'_>) -> Result<Now> {
        match self.state(feast)?.as_deref() {
            Some(MATERIALISING) => Ok(running("Feast materialises the view", 1000)),
            Some(AVAILABLE) => Ok(self.enter(feast, Stage::Trying, "Feast has materialised the view")),
            _ if self.attempt < ATTEMPTS => {
                self.attempt += 1;
                Ok(self.enter(feast, Stage::Asking, "the materialisation failed in Feast and is asked for again"))
            }
            state => {
                let state = state.unwrap_or("none").to_owned();
                let message = format!(
                    "Feast took the materialisation of `{}` and did not finish it (its state is {state}): the feature server's log \
                     tells why",
                    self.view
                );
                self.fail(feast, Error::internal(message))
            }
        }
    }

    /// Reads an entity that hardly exists: by now the server has to know the view.
    fn try_online(&mut self, feast: Feast<'_>) -> Result<Now> {
        let entities: serde_json::Map<String, Value> = self
            .entities
            .iter()
            .map(|entity| {
                let number = self.types.get(entity).is_some_and(|data_type| snapshot::is_number(data_type));
                (entity.clone(), if number { json!([0]) } else { json!([""]) })
            })
            .collect();
        let body = json!({"features": [format!("{}:{}", self.view, self.feature)], "entities": entities});
        match feast.client.post("get-online-features", &body) {
            Ok(_) => Ok(self.enter(feast, Stage::Cleaning, "the online store answers")),
            Err(Error::NotFound(message)) => self.wait_for_server(feast, message),
            Err(error @ Error::Unavailable(_)) => Err(error),
            Err(error) => self.fail(feast, error),
        }
    }

    fn wait_for_server(&mut self, feast: Feast<'_>, message: String) -> Result<Now> {
        if feast.host.now_ms().saturating_sub(self.since_ms) < KNOWN_WITHIN_MS {
            return Ok(running("the feature server does not know the view yet", 1000));
        }
        let message = format!(
            "{message}. The registry has it: does the feature server serve project `{}` of the same registry?",
            feast.client.project()
        );
        self.fail(feast, Error::Conflict(message))
    }

    fn conclude(&mut self, feast: Feast<'_>) -> Result<Now> {
        let rows = self.writes.last().and_then(|write| write.rows).unwrap_or_default();
        if self.online {
            let mut known = Known::of(feast.host, &self.view)?;
            known.online = Some(Filled { snapshot: self.file.snapshot, checked_ms: feast.host.now_ms() });
            known.keep(feast.host, &self.view)?;
        }
        self.clean(feast)?;
        feast.host.log(Level::Info, &format!("online store of `{}`: {rows} entities of {}", self.view, self.table));
        let snapshots = self.file.snapshot.map(|snapshot| (self.table.clone(), snapshot));
        Ok(Now::Succeeded(Outcome { rows, snapshots: snapshots.into_iter().collect() }))
    }

    /// The view's state in the registry.
    fn state(&self, feast: Feast<'_>) -> Result<Option<String>> {
        let found = feast.client.registered("feature_views", &self.view)?;
        Ok(found.and_then(|view| Some(view.pointer("/meta/state")?.as_str()?.to_owned())))
    }

    fn enter(&mut self, feast: Feast<'_>, stage: Stage, message: &str) -> Now {
        self.stage = stage;
        self.since_ms = feast.host.now_ms();
        running(message, 0)
    }

    fn fail(&mut self, feast: Feast<'_>, error: Error) -> Result<Now> {
        if let Err(left) = self.clean(feast) {
            feast.host.log(Level::Warn, &format!("what the materialisation was made of stays: {}", left.words()));
        }
        Ok(Now::Failed(error))
    }

    /// The process that applies the view. Reads that fill the store first share a task's name.
    fn process(&self) -> String {
        format!("apply-{}", self.view)
    }

    fn clean(&self, feast: Feast<'_>) -> Result<()> {
        feast.host.remove(&self.process())?;
        self.writes.last().map_or(Ok(()), |entities| feast.host.delete_object(&entities.object))
    }
}
