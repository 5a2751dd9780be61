//! One instance's life: its store, its limits, and the calls that run in it.
//!
//! A call ends in one of four ways: the guest answers; it breaks a limit or traps; the outer time limit passes; the caller
//! drops the future. After any but the first the instance is not in a state to go on in: it is gone, and the session says so when it
//! is asked again. Log lines reach the sink in every case.
//!
//! The instance goes to the threads of guests for a call and comes back with the answer: a guest that computes holds up other guests,
//! a tick at a time, and no request.
//!
//! # Two clocks
//! The epoch interrupts a guest that computes, so that it gives way to others and its processor time is checked. A guest that
//! waits in a host function never sees the epoch: the outer limit, on the wall's clock, ends that one.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use asgard_contract::{Error, Result};
use asgard_threads::Ended;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;
use wasmtime::{Store, UpdateDeadline};

use crate::call::Call;
use crate::failure::explain;
use crate::host::Host;
use crate::limits::{self, Broken};
use crate::logbook::Logbook;
use crate::meter::{Meter, Metered};
use crate::plugin::Plugin;

/// A call of the guest under way: the outer result is the runtime's (a trap), the inner one the guest's answer.
pub(crate) type Running<'a, T, E> =
    Pin<Box<dyn Future<Output = wasmtime::Result<std::result::Result<T, E>>> + Send + 'a>>;

/// One instance, for as long as it answers.
pub(crate) struct Session {
    plugin: Plugin,
    call: Arc<Call>,
    /// None while a call runs, and for good when one did not come back.
    instance: Option<Instance>,
}

/// A store in which one component is instantiated at most.
struct Instance {
    store: Store<Host>,
    plugin: Plugin,
    call: Arc<Call>,
    log: Logbook,
    meter: Arc<Meter>,
    // Last, so that the instance's place is free before another may take it.
    _permits: Vec<OwnedSemaphorePermit>,
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    Step,
    Sync,
}

impl Session {
    /// Whose it is.
    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    /// Waits for a free place, as long as a step may take.
    pub(crate) async fn open(plugin: &Plugin, call: &Arc<Call>, lifetime: Lifetime) -> Result<Self> {
        let runtime = plugin.runtime();
        let mut permits = Vec::with_capacity(2);
        if lifetime == Lifetime::Sync {
            permits.push(place(&runtime.syncs, call, "syncs").await?);
        }
        permits.push(place(&runtime.instances, call, "calls of plugins").await?);
        Ok(Self::with(plugin, call, permits))
    }

    /// For a sync, if there is a place free. None: there is not.
    pub(crate) fn open_at_once(plugin: &Plugin, call: &Arc<Call>) -> Option<Self> {
        let runtime = plugin.runtime();
        let places = [&runtime.syncs, &runtime.instances];
        let permits = places.into_iter().map(|places| Arc::clone(places).try_acquire_owned().ok());
        Some(Self::with(plugin, call, permits.collect::<Option<Vec<_>>>()?))
    }

    fn with(plugin: &Plugin, call: &Arc<Call>, permits: Vec<OwnedSemaphorePermit>) -> Self {
        let runtime = plugin.runtime();
        let log = Logbook::new(Arc::clone(&call.log), call.limits.log_lines, call.lent.used_secrets.clone());
        let meter = Arc::new(Meter::default());
        let mut store = Store::new(runtime.engine(), Host::new(plugin.clone(), Arc::clone(call), log.clone()));
        store.limiter(|host| &mut host.growth);
        store.set_hostcall_fuel(limits::transfer_bytes(&call.limits));
        store.epoch_deadline_callback({
            let meter = Arc::clone(&meter);
            let limit_seconds = call.limits.cpu_seconds;
            move |_| {
                if meter.now() > Duration::from_secs(limit_seconds) {
                    return Err(Broken::Processor { limit_seconds }.into());
                }
                Ok(UpdateDeadline::Yield(1))
            }
        });
        let instance =
            Instance { store, plugin: plugin.clone(), call: Arc::clone(call), log, meter, _permits: permits };
        Self { plugin: plugin.clone(), call: Arc::clone(call), instance: Some(instance) }
    }

    /// Runs one call within the limits.
    ///
    /// # Errors
    /// The guest's own, or what happened to it.
    pub(crate) async fn run<T, E>(
        &mut self,
        function: &'static str,
        body: impl for<'a> FnOnce(&'a mut Store<Host>) -> Running<'a, T, E> + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Into<Error> + 'static,
    {
        let manifest = self.plugin.manifest();
        let who = format!("plugin `{}` (`{function}`)", manifest.name);
        let Some(mut instance) = self.instance.take() else {
            return Err(Error::internal(format!("{who} was asked again after a call that did not come back")));
        };
        let span = tracing::info_span!(
            "plugin",
            plugin = %manifest.name,
            version = %manifest.version,
            function,
            environment = %self.call.environment,
            task = %self.call.task_id,
        );
        let failed = format!("{who} ended the thread that it ran on");
        let work = async move {
            let (answered, result) = instance.run(&who, body).await;
            (answered.then_some(instance), result)
        };
        let threads = &self.plugin.runtime().threads;
        let (instance, result) = threads.run(work.instrument(span)).await.map_err(|ended| match ended {
            Ended::Panicked => Error::internal(failed),
            Ended::Stopping => Error::unavailable("the host is stopping"),
        })?;
        self.instance = instance;
        result
    }
}

impl Instance {
    /// One call within the limits, and whether the guest came back from it.
    async fn run<T, E: Into<Error>>(
        &mut self,
        who: &str,
        body: impl for<'a> FnOnce(&'a mut Store<Host>) -> Running<'a, T, E>,
    ) -> (bool, Result<T>) {
        let limit = Duration::from_secs(self.call.limits.step_seconds);
        let _lines = self.log.open();
        let _ticking = self.plugin.runtime().ticker.hold();
        self.meter.reset();
        self.store.set_epoch_deadline(1);

        let work = Metered { future: body(&mut self.store), meter: Arc::clone(&self.meter) };
        let environment = &self.call.environment;
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(answer)) => (true, answer.map_err(|error| self.call.lent.used_secrets.conceal_error(error.into()))),
            Ok(Err(failure)) => {
                self.log.flush();
                let error = explain(&failure, who, environment, self.log.last_words());
                (false, Err(self.call.lent.used_secrets.conceal_error(error)))
            }
            Err(_) => (false, Err(limits::out_of_time(who, environment, &self.call.limits))),
        }
    }
}

async fn place(places: &Arc<Semaphore>, call: &Call, what: &str) -> Result<OwnedSemaphorePermit> {
    let limit = Duration::from_secs(call.limits.step_seconds);
    let full = || Error::unavailable(format!("this host runs as many {what} at one time as it may; try again later"));
    tokio::time::timeout(limit, Arc::clone(places).acquire_owned()).await.map_err(|_| full())?.map_err(|_| full())
}
