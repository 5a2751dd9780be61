//! `asgard:plugin/context`: who calls, and the task's log.

use std::time::{SystemTime, UNIX_EPOCH};

use asgard_contract::log::Level;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::plugin::context as wit;

impl wit::Host for Host {
    fn configuration(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.configuration.to_string())
    }

    fn environment(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.environment.clone())
    }

    fn task_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.task_id.clone())
    }

    fn resets(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call.resets)
    }

    fn log(&mut self, level: wit::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            wit::Level::Debug => Level::Debug,
            wit::Level::Info => Level::Info,
            wit::Level::Warn => Level::Warn,
            wit::Level::Error => Level::Error,
        };
        self.log.log(level, &message);
        Ok(())
    }

    fn event(&mut self, kind: String, reason: String, message: String) -> wasmtime::Result<()> {
        self.log.event(&kind, &reason, &message);
        Ok(())
    }

    fn now_ms(&mut self) -> wasmtime::Result<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }
}
