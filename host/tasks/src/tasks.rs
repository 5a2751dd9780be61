//! The tasks of a host: what is asked of them from outside.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use asgard_store::tasks::Lease;
use asgard_store::{Entry, Store};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::{Interrupt, Interruption};
use crate::stopwatch::Stopwatches;
use crate::worker::Worker;
use crate::{
    Allowance, Allowances, Event, Handler, LogLine, NewTask, Schedules, Task, TaskFilter, TasksConfig, TasksError,
    TasksResult,
};

/// How often a wait looks for itself: the end of a task on another host is announced by nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A step that runs here, under its lease.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) lease: Lease,
    pub(crate) interrupt: Interrupt,
}

/// All tasks of one store.
pub struct Tasks {
    store: Store,
    config: TasksConfig,
    handlers: RwLock<HashMap<String, Arc<dyn Handler>>>,
    /// Steps that run here, by task.
    running: Mutex<HashMap<String, Running>>,
    stopwatches: Stopwatches,
    /// Whether [`Tasks::run`] runs here.
    working: AtomicBool,
    due: Notify,
    schedules_changed: Notify,
    /// Counts tasks that ended here.
    ended: watch::Sender<u64>,
    allowances: OnceLock<Arc<dyn Allowances>>,
}

impl Tasks {
    /// Tasks in `store`. They move while [`Tasks::run`] runs, here or on another host.
    pub fn new(store: Store, config: TasksConfig) -> Arc<Self> {
        Arc::new(Self {
            store,
            config,
            handlers: RwLock::default(),
            running: Mutex::default(),
            stopwatches: Stopwatches::default(),
            working: AtomicBool::new(false),
            due: Notify::new(),
            schedules_changed: Notify::new(),
            ended: watch::Sender::new(0),
            allowances: OnceLock::new(),
        })
    }

    /// Has tasks of `kind` done by `handler` from now on.
    pub fn register(&self, kind: &str, handler: Arc<dyn Handler>) {
        self.handlers.write().unwrap_or_else(PoisonError::into_inner).insert(kind.to_owned(), handler);
        self.announce();
    }

    /// Has tasks limited by what environments allow. Without this they are not; a second call changes nothing.
    pub fn limit_by(&self, allowances: Arc<dyn Allowances>) {
        let _ = self.allowances.set(allowances);
    }

    pub(crate) async fn allowances(&self) -> HashMap<String, Allowance> {
        match self.allowances.get() {
            Some(allowances) => allowances.allowances().await,
            None => HashMap::new(),
        }
    }

    /// Stores a task; its first step starts at once.
    ///
    /// # Errors
    /// [`TasksError::UnknownKind`], and those of the store.
    pub async fn submit(&self, new: NewTask) -> TasksResult<Task> {
        self.known(new.kind())?;
        let task = self.store.insert_task(&new).await?;
        self.announce();
        Ok(task)
    }

    /// As [`Tasks::submit`], together with the resource that the task is about, both or neither: see [`Store::put_with_task`].
    ///
    /// # Errors
    /// As [`Tasks::submit`], and a conflict where the resource changed meanwhile or its name is taken.
    pub async fn submit_with<T: Serialize>(
        &self,
        new: NewTask,
        entry: Entry<'_>,
        body: &(dyn Fn(&Task) -> T + Send + Sync),
    ) -> TasksResult<Task> {
        self.known(new.kind())?;
        let task = self.store.put_with_task(entry, &new, body).await?;
        self.announce();
        Ok(task)
    }

    /// Stores a task; its first step starts when the older ones of its environment, kind and subject have ended.
    ///
    /// # Errors
    /// As [`Tasks::submit`].
    pub async fn submit_behind(&self, new: NewTask) -> TasksResult<Task> {
        self.known(new.kind())?;
        let task = self.store.insert_task_behind(&new).await?;
        self.announce();
        Ok(task)
    }

    /// Stores a task, unless one of its environment, kind and subject is under way: then that one is the answer. Of two
    /// requests at once, both get the same task.
    ///
    /// # Errors
    /// As [`Tasks::submit`].
    pub async fn submit_unless_running(&self, new: NewTask) -> TasksResult<Task> {
        self.known(new.kind())?;
        let task = self.store.insert_task_unless_unfinished(&new).await?;
        self.announce();
        Ok(task)
    }

    /// A task by id.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, id: &str) -> TasksResult<Option<Task>> {
        Ok(self.store.task(id).await?)
    }

    /// A page of tasks, newest first, and how many match in all.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, filter: &TaskFilter, limit: u32, offset: u64) -> TasksResult<(Vec<Task>, u64)> {
        Ok(self.store.tasks(filter, limit, offset).await?)
    }

    /// Lines of a task's log after position `after` (0 = from the beginning), oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn log(&self, id: &str, after: i64, limit: u32) -> TasksResult<Vec<LogLine>> {
        Ok(self.store.task_log(id, after, limit).await?)
    }

    /// Events of a task after position `after` (0 = from the beginning), oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn events(&self, id: &str, after: i64, limit: u32) -> TasksResult<Vec<Event>> {
        Ok(self.store.task_events(id, after, limit).await?)
    }

    /// Waits until a task has ended, or `longest` is over, and answers with the task as it is then.
    ///
    /// # Errors
    /// [`TasksError::NotFound`].
    pub async fn wait(&self, id: &str, longest: Duration) -> TasksResult<Task> {
        let deadline = Instant::now() + longest;
        let mut ended = self.ended.subscribe();
        loop {
            let task = self.store.task(id).await?.ok_or_else(|| TasksError::NotFound(id.to_owned()))?;
            if task.status.is_final() || Instant::now() >= deadline {
                return Ok(task);
            }
            let until = deadline.min(Instant::now() + LOOK_AGAIN);
            // Either is a reason to look again; the sender lives as long as `self`.
            let _ = tokio::time::timeout_at(until, ended.changed()).await;
        }
    }

    /// Ends a task: its step is interrupted, its backend told. Answers when it has ended, or after
    /// [`TasksConfig::cancel_answer`]; the end comes then by itself. A task that has ended stays as it is.
    ///
    /// # Errors
    /// [`TasksError::NotFound`], and those of the store.
    pub async fn cancel(&self, id: &str) -> TasksResult<Task> {
        let mut ended = self.ended.subscribe();
        let mut task = self.store.request_cancel(id).await?;
        if task.status.is_final() {
            self.ended();
        }
        self.announce();
        let deadline = Instant::now() + self.config.cancel_answer;
        while !task.status.is_final() && self.working.load(Ordering::Acquire) && Instant::now() < deadline {
            // In the loop: a step may have been leased before the request and have begun after it.
            self.interrupt(id, Interruption::Cancel);
            let until = deadline.min(Instant::now() + LOOK_AGAIN);
            let _ = tokio::time::timeout_at(until, ended.changed()).await;
            task = self.store.task(id).await?.ok_or_else(|| TasksError::NotFound(id.to_owned()))?;
        }
        Ok(task)
    }

    /// Works on due tasks until `shutdown`; returns when every step has ended and its lease is given back.
    pub async fn run(self: &Arc<Self>, shutdown: CancellationToken) {
        self.working.store(true, Ordering::Release);
        Worker::new(Arc::clone(self), shutdown).run().await;
        self.working.store(false, Ordering::Release);
    }

    /// Tasks that submit themselves.
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules::new(self)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn config(&self) -> &TasksConfig {
        &self.config
    }

    pub(crate) fn known(&self, kind: &str) -> TasksResult<()> {
        match self.handler(kind) {
            Some(_) => Ok(()),
            None => Err(TasksError::UnknownKind(kind.to_owned())),
        }
    }

    pub(crate) fn handler(&self, kind: &str) -> Option<Arc<dyn Handler>> {
        self.handlers.read().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.handlers.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn started(&self, running: Running) {
        self.running().insert(running.lease.task().to_owned(), running);
    }

    pub(crate) fn stopped(&self, id: &str) {
        self.running().remove(id);
    }

    /// The steps that run here now.
    pub(crate) fn running_steps(&self) -> Vec<Running> {
        self.running().values().cloned().collect()
    }

    fn interrupt(&self, id: &str, why: Interruption) {
        if let Some(running) = self.running().get(id) {
            running.interrupt.because(why);
        }
    }

    pub(crate) fn stopwatches(&self) -> &Stopwatches {
        &self.stopwatches
    }

    pub(crate) fn ended(&self) {
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Something is due.
    pub(crate) fn announce(&self) {
        self.due.notify_one();
    }

    pub(crate) async fn wait_due(&self) {
        self.due.notified().await;
    }

    pub(crate) fn wake_schedules(&self) {
        self.schedules_changed.notify_one();
    }

    pub(crate) async fn wait_schedules(&self) {
        self.schedules_changed.notified().await;
    }
}
