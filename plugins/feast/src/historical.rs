//! A point-in-time join: the views' files are brought up to date, keys and times are written for Feast, Feast joins, and its features
//! come back to the rows. Each is stored as a step before the next begins, so that any host goes on after a crash.
//!
//! A file may be replaced by other work while Feast reads it. So what was written is looked at again after the join, and a join over
//! something else than the snapshots that the answer names is made again.
//!
//! What may pass (a server of Feast's that is away) is told to the host, which goes on from there after a pause: until then all that was
//! written stays.

use asgard_features::names;
use asgard_features::sql::Source;
use asgard_sdk::context::Level;
use asgard_sdk::feature_source::{EntityRows, FeatureView, HistoricalRequest, Outcome, Selection};
use asgard_sdk::{Column, Error, Progress, Result, lakehouse};
use serde::{Deserialize, Serialize};

use crate::known::{File, Known};
use crate::process::{Asked, Join, Look, Sdk};
use crate::rows::{self, GIVEN, JOINED, Rows};
use crate::run::{Feast, Now, running};
use crate::snapshot::Current;
use crate::writes::{self, Given, Write};

/// How often in a row a join is made because its files were replaced meanwhile.
const ATTEMPTS: u32 = 5;

/// Writes of small tables end within it.
const POLL_MS: u32 = 50;

/// A join on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Historical {
    views: Vec<Asking>,
    snapshots: Vec<(String, i64)>,
    /// The object with the rows that came with the request.
    given: Option<String>,
    /// The views' files, then the rows, then what each view is asked.
    writes: Vec<Write>,
    answer: Write,
    stage: Stage,
    /// Tells the processes and statements of one try from those of the others.
    attempt: u32,
    /// How many joins were made over files that were replaced meanwhile.
    replaced: u32,
    /// What the last try came to, for those who wait for this one.
    met: Option<String>,
}

/// What is asked of one view.
#[derive(Debug, Serialize, Deserialize)]
struct Asking {
    name: String,
    /// As `view:feature`.
    features: Vec<String>,
    /// What the view's file has to be.
    file: File,
    types: std::collections::BTreeMap<String, String>,
    /// The object with keys and times.
    rows: String,
    /// The object with Feast's answer.
    answer: String,
    /// Makes that object where no row asks for the view.
    nothing: Write,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Writing,
    Joining(Sdk),
    Answering,
    Cleaning { rows: u64 },
}

impl Historical {
    /// Looks at the tables, and keeps the rows that came with the request.
    ///
    /// # Errors
    /// `invalid-input` with the field, `conflict` when a table no longer fits its view.
    pub fn begin(feast: Feast<'_>, request: HistoricalRequest) -> Result<Self> {
        let outputs = names::outputs(&request.selections, request.full_names)?;
        let tables = request
            .selections
            .iter()
            .map(|selection| table_of(feast, &selection.view))
            .collect::<Result<Vec<lakehouse::Table>>>()?;
        let sources: Vec<Source<'_>> = request
            .selections
            .iter()
            .zip(&tables)
            .map(|(selection, table)| Source { view: &selection.view, columns: &table.columns })
            .collect();
        let folder = format!("feast/tasks/{}", feast.host.task_id());
        let key = format!("{folder}/given.arrow");
        let mut given = None;
        let (rows, input) = match request.rows {
            EntityRows::Latest => {
                let (source, table) = sources.first().zip(tables.first()).ok_or_else(|| Error::internal("no view"))?;
                (Rows::latest(source, table.snapshot)?, table_input(&source.view.source))
            }
            EntityRows::Table(table) => {
                let described = feast.host.describe(&table).map_err(|error| match error {
                    Error::NotFound(message) => Error::invalid("entities", message),
                    other => other,
                })?;
                (Rows::given(&described.columns, false)?, table_input(&table))
            }
            EntityRows::ArrowIpc(ipc) => {
                let rows = Rows::given(&columns_of(feast, &ipc)?, true)?;
                given = Some(ipc);
                (rows, Given::Arrow(key.clone()))
            }
        };
        let joined = format!("{folder}/rows.parquet");
        let of_joined = || vec![(JOINED.to_owned(), Given::Object(joined.clone()))];
        let rows_sql = rows.statement(&sources, &outputs)?;
        let paired: Vec<(&Selection, Source<'_>)> = request.selections.iter().zip(sources.iter().copied()).collect();
        let answer_sql = rows.answer(&paired, &outputs)?;

        let mut views = Vec::new();
        let mut files = Vec::new();
        let mut asked = Vec::new();
        let mut answers = of_joined();
        for (index, (selection, source)) in paired.iter().enumerate() {
            let table = &tables[index];
            let view = source.view;
            let current = Current::of(view, table)?;
            files.push(current.write(view, &Known::of(feast.host, &view.name)?));
            let object = format!("{folder}/asked-{index}.parquet");
            asked.push(Write::new(&object, rows::asking(index, &view.entities), of_joined(), object.clone()));
            let answer = format!("{folder}/answer-{index}.parquet");
            answers.push((rows::answer_name(index), Given::Object(answer.clone())));
            views.push(Asking {
                name: view.name.clone(),
                features: selection.features.iter().map(|feature| format!("{}:{feature}", view.name)).collect(),
                file: current.file(),
                types: current.types,
                rows: object,
                nothing: Write::new(&answer, rows::nothing(selection, source)?, of_joined(), answer.clone()),
                answer,
            });
        }
        let mut writes = files;
        writes.push(Write::new(&joined, rows_sql, vec![(GIVEN.to_owned(), input)], joined.clone()));
        writes.extend(asked);
        // Only now, when nothing is left that could be refused: a failed step has no state by which to remove it.
        if let Some(ipc) = &given {
            feast.host.put_object(&key, ipc)?;
        }
        Ok(Self {
            snapshots: snapshots(&request.selections, &tables),
            views,
            given: given.map(|_| key),
            writes,
            answer: Write::new("answer", answer_sql, answers, request.output),
            stage: Stage::Writing,
            attempt: 1,
            replaced: 0,
            met: None,
        })
    }

    /// Takes the next step.
    ///
    /// # Errors
    /// Those of the host and of Feast's servers.
    pub fn advance(&mut self, feast: Feast<'_>) -> Result<Now> {
        Ok(match (self.step(feast)?, &self.met) {
            (Now::Running(progress, pause), Some(met)) => {
                let message = format!("{}, after: {met}", progress.message);
                Now::Running(Progress { message, ..progress }, pause)
            }
            (now, _) => now,
        })
    }

    fn step(&mut self, feast: Feast<'_>) -> Result<Now> {
        match &mut self.stage {
            Stage::Writing => self.write(feast),
            Stage::Joining(sdk) => match sdk.look(feast.host, feast.configuration)? {
                Look::Goes(progress, pause) => Ok(Now::Running(progress, pause)),
                Look::Failed(error) => self.fail(feast, error),
                Look::Done => self.joined(feast),
                Look::Elsewhere => {
                    self.stage = Stage::Writing;
                    Ok(running("Feast joined on another host, and joins again", 0))
                }
            },
            Stage::Answering => match writes::go_on(feast.host, std::slice::from_mut(&mut self.answer))? {
                writes::Look::Goes(progress) => Ok(Now::Running(progress, POLL_MS)),
                writes::Look::Failed(error) => self.fail(feast, error),
                writes::Look::Done => {
                    self.stage = Stage::Cleaning { rows: self.answer.rows.unwrap_or_default() };
                    Ok(running("the answer is written", 0))
                }
            },
            Stage::Cleaning { rows } => {
                let outcome = Outcome { rows: *rows, snapshots: self.snapshots.clone() };
                self.clean(feast)?;
                feast.host.log(Level::Info, &format!("{} rows with features", outcome.rows));
                Ok(Now::Succeeded(outcome))
            }
        }
    }

    /// Ends it, and removes what it left.
    ///
    /// # Errors
    /// Those of the host.
    pub fn cancel(&self, feast: Feast<'_>) -> Result<()> {
        for write in self.writes.iter().chain([&self.answer]).filter(|write| write.rows.is_none()) {
            write.cancel(feast.host)?;
        }
        if let Stage::Joining(sdk) = &self.stage {
            sdk.remove(feast.host)?;
        }
        self.clean(feast)
    }

    fn write(&mut self, feast: Feast<'_>) -> Result<Now> {
        match writes::go_on(feast.host, &mut self.writes)? {
            writes::Look::Goes(progress) => return Ok(Now::Running(progress, POLL_MS)),
            // The statements are ours, so what does not fit in them are the rows.
            writes::Look::Failed(Error::InvalidInput(input)) => {
                return self.fail(feast, Error::invalid("entities", input.message));
            }
            writes::Look::Failed(error) => return self.fail(feast, error),
            writes::Look::Done => {}
        }
        let mut asked = Asked::default();
        for view in &self.views {
            let mut known = Known::of(feast.host, &view.name)?;
            if known.file.as_ref() != Some(&view.file) || known.types != view.types {
                known.file = Some(view.file.clone());
                known.types = view.types.clone();
                known.keep(feast.host, &view.name)?;
            }
            if !known.applied {
                asked.apply.push(view.name.clone());
            }
        }
        let mut waits = None;
        for view in 0..self.views.len() {
            if self.is_asked(view) {
                let Asking { rows, features, .. } = &self.views[view];
                asked.joins.push(Join { rows: rows.clone(), features: features.clone() });
                continue;
            }
            match writes::go_on(feast.host, std::slice::from_mut(&mut self.views[view].nothing))? {
                writes::Look::Goes(progress) => waits = Some(progress),
                writes::Look::Failed(error) => return self.fail(feast, error),
                writes::Look::Done => {}
            }
        }
        if let Some(progress) = waits {
            return Ok(Now::Running(progress, POLL_MS));
        }
        if asked.joins.is_empty() {
            self.stage = Stage::Answering;
            return Ok(running("no row asks for anything", 0));
        }
        let sdk = Sdk::start(feast.host, feast.configuration, &format!("join-{}", self.attempt), &asked)?;
        self.stage = Stage::Joining(sdk);
        Ok(running("Feast joins", 250))
    }

    fn joined(&mut self, feast: Feast<'_>) -> Result<Now> {
        let Stage::Joining(sdk) = &self.stage else { return Err(Error::internal("there is no join")) };
        let mut replaced = Vec::new();
        for (index, view) in self.views.iter().enumerate() {
            let mut known = Known::of(feast.host, &view.name)?;
            if known.file.as_ref() != Some(&view.file) {
                replaced.push(index);
            } else if !known.applied {
                known.applied = true;
                known.keep(feast.host, &view.name)?;
            }
        }
        if replaced.is_empty() {
            let objects: Vec<String> = (0..self.views.len())
                .filter(|view| self.is_asked(*view))
                .map(|view| self.views[view].answer.clone())
                .collect();
            sdk.store(feast.host, &objects)?;
            self.stage = Stage::Answering;
            self.met = None;
            return Ok(running("Feast has joined", 0));
        }
        sdk.remove(feast.host)?;
        self.attempt += 1;
        for index in replaced {
            // The files come first among the writes, in the views' order.
            self.writes[index].again(self.attempt);
        }
        self.stage = Stage::Writing;
        self.replaced += 1;
        if self.replaced.is_multiple_of(ATTEMPTS) {
            let message = "the tables changed during each of several tries: ask again when less is written to them";
            return self.fail(feast, Error::unavailable(message));
        }
        Ok(running("a file was replaced during the join, which is made again", 0))
    }

    /// Whether any row asks for the view at that index.
    fn is_asked(&self, view: usize) -> bool {
        let rows = &self.views[view].rows;
        self.writes.iter().any(|write| write.object == *rows && write.rows.is_some_and(|rows| rows > 0))
    }

    fn fail(&mut self, feast: Feast<'_>, error: Error) -> Result<Now> {
        if matches!(error, Error::Unavailable(_)) {
            return self.leave(feast, error);
        }
        if let Err(left) = self.clean(feast) {
            feast.host.log(Level::Warn, &format!("what the join was made of stays: {}", left.words()));
        }
        Ok(Now::Failed(error))
    }

    /// To be gone on with by the host's next try, which needs what is written, and would find what failed under its old name.
    fn leave(&mut self, feast: Feast<'_>, error: Error) -> Result<Now> {
        if let Stage::Joining(sdk) = &self.stage {
            sdk.remove(feast.host)?;
            self.stage = Stage::Writing;
        }
        self.attempt += 1;
        let of_views = self.views.iter_mut().map(|view| &mut view.nothing);
        let writes = self.writes.iter_mut().chain(of_views).chain([&mut self.answer]);
        for write in writes.filter(|write| write.rows.is_none()) {
            write.again(self.attempt);
        }
        self.met = error.words().lines().last().map(str::to_owned);
        Ok(Now::Failed(error))
    }

    /// Removes what the join was made of; the answer stays.
    fn clean(&self, feast: Feast<'_>) -> Result<()> {
        for attempt in 1..=self.attempt {
            feast.host.remove(&format!("join-{attempt}"))?;
        }
        let of_views = self.views.iter().flat_map(|view| [&view.rows, &view.answer]);
        let rows = self.writes.get(self.views.len()).map(|write| &write.object);
        for object in of_views.chain(rows).chain(&self.given) {
            feast.host.delete_object(object)?;
        }
        Ok(())
    }
}

fn table_of(feast: Feast<'_>, view: &FeatureView) -> Result<lakehouse::Table> {
    feast.host.describe(&view.source).map_err(|error| match error {
        Error::NotFound(message) => {
            Error::Conflict(format!("the table of feature view `{}` is gone: {message}", view.name))
        }
        other => other,
    })
}

fn table_input(table: &asgard_sdk::TableName) -> Given {
    Given::Table(table.namespace.clone(), table.name.clone())
}

/// The columns of an Arrow IPC stream, as the engine sees them.
fn columns_of(feast: Feast<'_>, ipc: &[u8]) -> Result<Vec<Column>> {
    let statement = lakehouse::Statement {
        sql: format!("SELECT * FROM {GIVEN}"),
        dialect: lakehouse::Dialect::Trino,
        inputs: vec![(GIVEN.to_owned(), lakehouse::Input::Arrow(ipc.to_vec()))],
    };
    let plan = feast.host.plan(&statement).map_err(|error| match error {
        Error::InvalidInput(input) => Error::invalid("entities", input.message),
        other => other,
    })?;
    Ok(plan.columns)
}

fn snapshots(selections: &[Selection], tables: &[lakehouse::Table]) -> Vec<(String, i64)> {
    let mut snapshots: Vec<(String, i64)> = Vec::new();
    for (selection, table) in selections.iter().zip(tables) {
        let name = format!("{}.{}", selection.view.source.namespace, selection.view.source.name);
        if let Some(snapshot) = table.snapshot
            && !snapshots.iter().any(|(known, _)| *known == name)
        {
            snapshots.push((name, snapshot));
        }
    }
    snapshots
}
