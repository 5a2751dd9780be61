//! Ingestions: which streams of a source go to which sink, and when. One sync of an ingestion is a job, and a task.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asgard_contract::connector::{Ingestion as ContractIngestion, ResourceDefinition, StreamSelection};
use asgard_contract::log::Discard;
use asgard_contract::{Error, Result};
use asgard_store::ResourceKind;
use asgard_tasks::{NewTask, Task, TaskStatus};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;
use super::streams::{Reselected, StreamChoice, refresh, reselect, select, table_of};
use super::sync;
use crate::environments::Active;
use crate::pipelines::Begun;
use crate::{Page, Paged, Pipeline, names, new_id};

/// An ingestion to be made.
#[derive(Debug, Clone)]
pub struct NewIngestion {
    pub name: String,
    pub source_id: String,
    pub sink_id: String,
    pub schedule: Option<Schedule>,
    pub active: bool,
    pub prefix: String,
    /// None = all that can be synced.
    pub streams: Option<Vec<StreamChoice>>,
}

/// What may change of an ingestion.
#[derive(Debug, Clone, Default)]
pub struct IngestionPatch {
    pub name: Option<String>,
    pub schedule: Option<Schedule>,
    pub active: Option<bool>,
    /// All that it is to have: others are taken out and keep their tables.
    pub streams: Option<Vec<StreamChoice>>,
}

/// An ingestion as answers show it.
#[derive(Debug, Clone)]
pub struct Ingestion {
    pub id: String,
    pub name: String,
    pub source_id: String,
    pub sink_id: String,
    pub active: bool,
    pub schedule: Option<Schedule>,
    pub prefix: String,
    pub streams: Vec<StreamSelection>,
    pub created_at: DateTime<Utc>,
    /// End of the last sync that succeeded.
    pub last_sync: Option<DateTime<Utc>>,
    pub next_sync: Option<DateTime<Utc>>,
    /// The newest job.
    pub job: Option<Job>,
}

/// One sync.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: String,
    pub status: TaskStatus,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub records_copied: u64,
    pub bytes_copied: u64,
    pub streams: Vec<StreamResult>,
    pub error: Option<String>,
}

/// What a job did for one stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct StreamResult {
    /// `namespace.name`, as the source has it.
    pub name: String,
    pub records: u64,
    pub bytes: u64,
    /// `pending`, `running`, `succeeded` or `failed`.
    pub status: String,
    pub error: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) source_id: String,
    pub(super) sink_id: String,
    pub(super) active: bool,
    pub(super) schedule: Option<Schedule>,
    pub(super) prefix: String,
    /// Without checkpoints: those are in the tables, committed together with their rows.
    pub(super) streams: Vec<StreamSelection>,
    pub(super) handle: Vec<u8>,
    /// Counts resets: checkpoints of an earlier generation do not count.
    pub(super) generation: u32,
    /// How often a stream began anew while others went on, by bronze table.
    #[serde(default)]
    pub(super) beginnings: BTreeMap<String, u32>,
    /// Streams whose primary key a request chose, by bronze table; the others have the source's.
    #[serde(default)]
    pub(super) chosen_keys: BTreeSet<String>,
}

impl Record {
    /// Whose checkpoints count for a stream of the ingestion.
    pub(super) fn owner(&self, id: &str, stream: &StreamSelection) -> String {
        match self.beginnings.get(&stream.table) {
            None => format!("{id}/{}", self.generation),
            Some(times) => format!("{id}/{}.{times}", self.generation),
        }
    }

    fn note_chosen_keys(&mut self, choices: &[StreamChoice]) {
        for stream in &self.streams {
            if choices.iter().any(|choice| choice.is_of(stream) && !choice.primary_key.is_empty()) {
                self.chosen_keys.insert(stream.table.clone());
            }
        }
    }
}

impl Pipeline {
    /// Discovers the source's streams, chooses, and stores the ingestion; with a manual schedule (or none) the first
    /// sync starts at once.
    ///
    /// # Errors
    /// `invalid-input` naming the stream or the schedule, `conflict` when two streams would share a table.
    pub async fn create_ingestion(&self, active: &Arc<Active>, new: NewIngestion) -> Result<Ingestion> {
        names::title("name", &new.name)?;
        names::prefix(&new.prefix)?;
        if let Some(schedule) = &new.schedule {
            schedule.check()?;
        }
        self.source_record(active, &new.source_id).await.map_err(|e| as_input(e, "sourceId"))?;
        self.sink_record(active, &new.sink_id).await.map_err(|e| as_input(e, "destinationId"))?;
        self.refuse_taken_name(active, ResourceKind::Ingestion, "ingestion", &new.name).await?;

        let discovered = self.discover(active, &new.source_id).await?;
        let streams = select(&discovered, new.streams.as_deref(), &new.prefix)?;
        self.refuse_taken_tables(active, &streams, None).await?;

        let id = new_id();
        let mut record = Record {
            source_id: new.source_id,
            sink_id: new.sink_id,
            active: new.active,
            schedule: new.schedule,
            prefix: new.prefix,
            streams,
            handle: Vec::new(),
            generation: 0,
            beginnings: BTreeMap::new(),
            chosen_keys: BTreeSet::new(),
        };
        record.note_chosen_keys(new.streams.as_deref().unwrap_or_default());
        // Stored first: what the backend makes for an ingestion that nobody knows could never be removed.
        self.store.put_new(&active.name, ResourceKind::Ingestion, &id, &new.name, &record).await?;
        let record = match self.provision_ingestion(active, &id).await {
            Ok(record) => record,
            Err(error) => {
                if let Err(error) = self.retire_ingestion(active, &id).await {
                    tracing::warn!(ingestion = id, %error, "what was made for an ingestion that failed is still there");
                }
                self.store.delete(&active.name, ResourceKind::Ingestion, &id).await?;
                return Err(error);
            }
        };
        self.put_schedule(active, &id, &record).await?;
        if record.active && !record.schedule.as_ref().is_some_and(Schedule::is_cron) {
            self.start_sync(active, &id).await?;
        }
        self.ingestion(active, &id).await
    }

    /// All ingestions, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn ingestions(&self, active: &Active, page: Page) -> Result<Paged<Ingestion>> {
        let (found, total) = self.store.list(&active.name, ResourceKind::Ingestion, page.limit, page.offset).await?;
        let mut items = Vec::with_capacity(found.len());
        for resource in found {
            items.push(self.shown_ingestion(active, resource).await?);
        }
        Ok(Paged { items, total })
    }

    /// One ingestion with its newest job.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn ingestion(&self, active: &Active, id: &str) -> Result<Ingestion> {
        let resource = self.ingestion_record(active, id).await?;
        self.shown_ingestion(active, resource).await
    }

    /// Changes name, schedule, whether it is active, or its streams: those that stay as they are go on, others begin anew.
    ///
    /// # Errors
    /// `not-found`, `invalid-input`, `conflict`, and those of the connector.
    pub async fn update_ingestion(&self, active: &Arc<Active>, id: &str, patch: IngestionPatch) -> Result<Ingestion> {
        let resource = self.ingestion_record(active, id).await?;
        let name = patch.name.unwrap_or_else(|| resource.name.clone());
        names::title("name", &name)?;
        if name != resource.name {
            self.refuse_taken_name(active, ResourceKind::Ingestion, "ingestion", &name).await?;
        }
        let mut record = resource.body;
        if let Some(schedule) = patch.schedule {
            schedule.check()?;
            record.schedule = Some(schedule);
        }
        record.active = patch.active.unwrap_or(record.active);
        if let Some(choices) = patch.streams {
            self.choose_streams(active, id, &mut record, &choices).await?;
        }
        self.store.update(&active.name, ResourceKind::Ingestion, id, &name, resource.revision, &record).await?;
        self.put_schedule(active, id, &record).await?;
        self.ingestion(active, id).await
    }

    async fn choose_streams(
        &self,
        active: &Arc<Active>,
        id: &str,
        record: &mut Record,
        choices: &[StreamChoice],
    ) -> Result<()> {
        if self.running_sync(active, id).await?.is_some() {
            return Err(Error::conflict("a sync is running: cancel it first, with POST /ingestion/{id}/cancel"));
        }
        let discovered = self.discover(active, &record.source_id).await?;
        let Reselected { streams, anew } = reselect(&record.streams, &discovered, choices, &record.prefix)?;
        let others: Vec<StreamSelection> =
            streams.iter().filter(|stream| anew.contains(&stream.table)).cloned().collect();
        self.refuse_taken_tables(active, &others, Some(id)).await?;
        record.streams = streams;
        for table in anew {
            record.chosen_keys.remove(&table);
            *record.beginnings.entry(table).or_default() += 1;
        }
        record.note_chosen_keys(choices);
        let ingestion =
            ContractIngestion { streams: record.streams.clone(), ..self.contract_ingestion(active, id).await? };
        record.handle = self.provision(active, ingestion).await?;
        Ok(())
    }

    /// Removes an ingestion and what its backend keeps for it; cancels a running sync. Its tables stay, and may be changed as any
    /// others from then on. `force`: although the backend cannot be reached; what it keeps stays there.
    ///
    /// # Errors
    /// `not-found`; `conflict` where what the backend keeps cannot be removed.
    pub async fn delete_ingestion(&self, active: &Arc<Active>, id: &str, force: bool) -> Result<()> {
        let record = self.ingestion_record(active, id).await?.body;
        self.cancel_sync(active, id).await?;
        self.tasks.schedules().delete(&active.name, id).await?;
        if let Err(error) = self.retire_ingestion(active, id).await {
            if !force {
                self.put_schedule(active, id, &record).await?;
                let way_out = "Nothing was removed; to delete the ingestion all the same, force it (`?force=true`): what is kept for it \
                               there, such as a replication slot, stays";
                return Err(Error::conflict(format!("{}. {way_out}", error.to_string().trim_end_matches('.'))));
            }
            tracing::warn!(ingestion = id, %error, "what the backend of a deleted ingestion keeps for it is still there");
        }
        for stream in &record.streams {
            // Nobody goes on from a checkpoint that stays in a table that cannot be reached.
            if let Err(error) = active.lakehouse.release(&table_of(stream), id).await {
                tracing::warn!(ingestion = id, table = stream.table, %error, "a table keeps the checkpoint of a deleted ingestion");
            }
        }
        self.store.delete(&active.name, ResourceKind::Ingestion, id).await?;
        Ok(())
    }

    /// Starts a sync, or answers with the one that is running.
    ///
    /// # Errors
    /// `conflict` for an inactive ingestion.
    pub async fn start_sync(&self, active: &Arc<Active>, id: &str) -> Result<Job> {
        let record = self.ingestion_record(active, id).await?.body;
        if !record.active {
            return Err(Error::conflict("the ingestion is inactive: PATCH its `status` to `active` first"));
        }
        let task = self.tasks.submit_unless_running(self.sync_task(active, id, &record).await).await?;
        Ok(job(&task))
    }

    /// As [`Pipeline::start_sync`], for a step of a pipeline's run: a sync that somebody else started is waited for, since it may
    /// have begun too early. The ingestion is named by id or by name.
    pub(crate) async fn sync_of(&self, active: &Arc<Active>, ingestion: &str, parent: &str) -> Result<Begun> {
        let named = self.store.get_by_name::<Record>(&active.name, ResourceKind::Ingestion, ingestion).await?;
        let resource = match named {
            Some(named) => named,
            None => self.ingestion_record(active, ingestion).await?,
        };
        if !resource.body.active {
            return Err(Error::conflict(format!("ingestion `{}` is inactive", resource.name)));
        }
        let new = self.sync_task(active, &resource.id, &resource.body).await.parent(Some(parent));
        let task = self.tasks.submit_unless_running(new).await?;
        let own = task.parent.as_deref() == Some(parent);
        Ok(if own { Begun::Task(Box::new(task)) } else { Begun::Later })
    }

    /// Cancels the running sync, if there is one. What it committed stays.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn cancel_sync(&self, active: &Arc<Active>, id: &str) -> Result<Option<Job>> {
        self.ingestion_record(active, id).await?;
        match self.running_sync(active, id).await? {
            Some(task) => Ok(Some(job(&self.tasks.cancel(&task.id).await?))),
            None => Ok(None),
        }
    }

    /// Forgets all checkpoints: the next sync starts from the beginning, with the columns that the source has now.
    ///
    /// # Errors
    /// `conflict` while a sync is running, `not-found` for a stream that the source has not any more, and those of the connector.
    pub async fn reset_ingestion(&self, active: &Arc<Active>, id: &str) -> Result<Ingestion> {
        let resource = self.ingestion_record(active, id).await?;
        if self.running_sync(active, id).await?.is_some() {
            return Err(Error::conflict("a sync is running: cancel it first, with POST /ingestion/{id}/cancel"));
        }
        let mut record = resource.body;
        let discovered = self.discover(active, &record.source_id).await?;
        for stream in &mut record.streams {
            refresh(stream, &discovered, record.chosen_keys.contains(&stream.table))?;
        }
        record.generation += 1;
        self.store
            .update(&active.name, ResourceKind::Ingestion, id, &resource.name, resource.revision, &record)
            .await?;
        self.ingestion(active, id).await
    }

    /// The jobs of an ingestion, newest first.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn jobs(&self, active: &Active, id: &str, page: Page) -> Result<Paged<Job>> {
        self.ingestion_record(active, id).await?;
        let (tasks, total) = self.tasks.list(&sync::tasks_of(active, id), page.limit, page.offset).await?;
        Ok(Paged { items: tasks.iter().map(job).collect(), total })
    }

    /// The task behind a job of this ingestion.
    ///
    /// # Errors
    /// `not-found`.
    pub async fn job_task(&self, active: &Active, id: &str, job: &str) -> Result<Task> {
        let task = self.tasks.get(job).await?;
        task.filter(|task| task.environment == active.name && task.subject.as_deref() == Some(id))
            .ok_or_else(|| Error::not_found(format!("ingestion `{id}` has no job `{job}`")))
    }

    /// Keeps the columns that a stream has got.
    pub(super) async fn keep_columns(&self, active: &Active, id: &str, stream: &StreamSelection) -> Result<()> {
        let mut tries = 0;
        loop {
            let resource = self.ingestion_record(active, id).await?;
            let mut record = resource.body;
            let Some(kept) = record.streams.iter_mut().find(|kept| kept.table == stream.table) else { return Ok(()) };
            kept.columns.clone_from(&stream.columns);
            let kind = ResourceKind::Ingestion;
            match self.store.update(&active.name, kind, id, &resource.name, resource.revision, &record).await {
                Ok(_) => return Ok(()),
                // A request changed the ingestion meanwhile, which happens a few times at most.
                Err(_) if tries < 5 => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn provision_ingestion(&self, active: &Arc<Active>, id: &str) -> Result<Record> {
        let ingestion = self.contract_ingestion(active, id).await?;
        let handle = self.provision(active, ingestion).await?;
        let resource = self.ingestion_record(active, id).await?;
        let mut record = resource.body;
        record.handle = handle;
        self.store
            .update(&active.name, ResourceKind::Ingestion, id, &resource.name, resource.revision, &record)
            .await?;
        Ok(record)
    }

    async fn provision(&self, active: &Arc<Active>, ingestion: ContractIngestion) -> Result<Vec<u8>> {
        let (bound, _) = self.connector(active, &ingestion.source.source_type).await?;
        let connector = bound.plugin.connector(bound.call(&ingestion.id, Arc::new(Discard)).await?);
        connector.provision(&ResourceDefinition::Ingestion(ingestion)).await
    }

    async fn retire_ingestion(&self, active: &Arc<Active>, id: &str) -> Result<()> {
        let ingestion = self.contract_ingestion(active, id).await?;
        if let Ok((bound, _)) = self.connector(active, &ingestion.source.source_type).await {
            let connector = bound.plugin.connector(bound.call(id, Arc::new(Discard)).await?);
            connector.retire(&ResourceDefinition::Ingestion(ingestion)).await?;
        }
        Ok(())
    }

    pub(super) async fn ingestion_record(&self, active: &Active, id: &str) -> Result<asgard_store::Resource<Record>> {
        let found = self.store.get(&active.name, ResourceKind::Ingestion, id).await?;
        found.ok_or_else(|| {
            Error::not_found(format!("there is no ingestion `{id}`: GET /ingestion lists those there are"))
        })
    }

    /// The ingestion as its connector sees it, without checkpoints.
    pub(super) async fn contract_ingestion(&self, active: &Active, id: &str) -> Result<ContractIngestion> {
        let resource = self.ingestion_record(active, id).await?;
        let source = self.source_record(active, &resource.body.source_id).await?;
        let sink = self.sink_record(active, &resource.body.sink_id).await?;
        Ok(ContractIngestion {
            id: id.to_owned(),
            name: resource.name,
            source: source.body.contract(&source.id, &source.name),
            sink: sink.body.contract(&sink.id, &sink.name),
            streams: resource.body.streams,
            handle: (!resource.body.handle.is_empty()).then_some(resource.body.handle),
            resets: resource.body.generation,
            parts: 0,
            moment: None,
        })
    }

    pub(super) async fn refuse_used(
        &self,
        active: &Active,
        what: &str,
        id: &str,
        used: impl Fn(&Record) -> &String,
    ) -> Result<()> {
        for ingestion in self.all_ingestions(active).await? {
            if used(&ingestion.body) == id {
                return Err(Error::conflict(format!(
                    "ingestion `{}` ({}) uses this {what}: delete it first",
                    ingestion.name, ingestion.id
                )));
            }
        }
        Ok(())
    }

    /// `own`: the ingestion that may have them.
    async fn refuse_taken_tables(&self, active: &Active, streams: &[StreamSelection], own: Option<&str>) -> Result<()> {
        for ingestion in self.all_ingestions(active).await? {
            if own == Some(ingestion.id.as_str()) {
                continue;
            }
            let taken: HashMap<&str, &StreamSelection> =
                ingestion.body.streams.iter().map(|stream| (stream.table.as_str(), stream)).collect();
            for stream in streams {
                if taken.contains_key(stream.table.as_str()) {
                    return Err(Error::conflict(format!(
                        "`bronze.{}` belongs to ingestion `{}` ({}): set a `prefix`, choose other `streams`, or delete that ingestion",
                        stream.table, ingestion.name, ingestion.id
                    )));
                }
            }
        }
        Ok(())
    }

    async fn all_ingestions(&self, active: &Active) -> Result<Vec<asgard_store::Resource<Record>>> {
        Ok(self.store.list(&active.name, ResourceKind::Ingestion, u32::MAX, 0).await?.0)
    }

    /// A sync of this ingestion. Which version of the connector it takes shows when it begins, which connector that is now.
    pub(super) async fn sync_task(&self, active: &Arc<Active>, id: &str, record: &Record) -> NewTask {
        let task = NewTask::new(&active.name, sync::KIND).subject(id);
        let connector = async {
            let source = self.source_record(active, &record.source_id).await?;
            let (bound, _) = self.connector(active, &source.body.source_type).await?;
            asgard_contract::Result::Ok(bound.plugin.manifest().name.clone())
        };
        // A connector that cannot be used is told by the sync itself.
        match connector.await {
            Ok(name) => task.backend(&name),
            Err(_) => task,
        }
    }

    async fn running_sync(&self, active: &Active, id: &str) -> Result<Option<Task>> {
        let (tasks, _) = self.tasks.list(&sync::tasks_of(active, id), 1, 0).await?;
        Ok(tasks.into_iter().find(|task| !task.status.is_final()))
    }

    async fn shown_ingestion(&self, active: &Active, resource: asgard_store::Resource<Record>) -> Result<Ingestion> {
        let filter = sync::tasks_of(active, &resource.id);
        let (newest, _) = self.tasks.list(&filter, 1, 0).await?;
        let (succeeded, _) = self.tasks.list(&filter.clone().status(TaskStatus::Succeeded), 1, 0).await?;
        Ok(Ingestion {
            next_sync: self.tasks.schedules().next_fire(&active.name, &resource.id).await?,
            last_sync: succeeded.first().and_then(|task| task.finished_at),
            job: newest.first().map(job),
            id: resource.id,
            name: resource.name,
            source_id: resource.body.source_id,
            sink_id: resource.body.sink_id,
            active: resource.body.active,
            schedule: resource.body.schedule,
            prefix: resource.body.prefix,
            streams: resource.body.streams,
            created_at: resource.created_at,
        })
    }
}

pub(super) fn job(task: &Task) -> Job {
    let state: sync::State = serde_json::from_value(task.state.clone()).unwrap_or_default();
    Job {
        id: task.id.clone(),
        status: task.status,
        started_at: task.started_at,
        finished_at: task.finished_at,
        created_at: task.created_at,
        records_copied: state.streams.iter().map(|stream| stream.records).sum(),
        bytes_copied: state.streams.iter().map(|stream| stream.bytes).sum(),
        streams: state.streams,
        error: task.error.as_ref().map(ToString::to_string),
    }
}

/// A missing thing that the request's own field names is wrong input there.
fn as_input(error: Error, field: &str) -> Error {
    match error {
        Error::NotFound { message } => Error::invalid(field, message),
        other => other,
    }
}
