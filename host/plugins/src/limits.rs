//! What one call may use, and what its caller is told when it uses more.

use asgard_contract::Error;
use asgard_contract::environment::Limits;
use wasmtime::ResourceLimiter;

use crate::engine::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};

/// What a guest may hand to the host at once, at least: the host copies it, and lists that point at one string many
/// times would grow without bound on the way.
const TRANSFER_BYTES: u64 = 128 << 20;

/// A limit that a call broke. Ends the call as a trap would; nothing else is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("memory limit")]
    Memory { wanted: u64, limit: u64 },
    #[error("processor time limit")]
    Processor { limit_seconds: u64 },
    #[error("table limit")]
    Table { wanted: usize },
}

impl Broken {
    /// For the caller: which limit, its value, and how to raise it. Internal, since the same call would break it
    /// again.
    pub(crate) fn into_error(self, who: &str, environment: &str) -> Error {
        let raise = |field: &str| format!("raise `limits.{field}` of environment `{environment}`");
        Error::internal(match self {
            Self::Memory { wanted, limit } => format!(
                "{who} asked for {wanted} bytes of memory and may have {limit}: {} if it needs more",
                raise("memory_bytes")
            ),
            Self::Processor { limit_seconds } => format!(
                "{who} used more than {limit_seconds} s of processor time in one call and was ended: {} if it needs more",
                raise("cpu_seconds")
            ),
            Self::Table { wanted } => {
                format!("{who} asked for a function table of {wanted} entries, and a plugin may have {TABLE_ELEMENTS}")
            }
        })
    }
}

/// Past the outer time limit. Retryable: the guest was waiting for something outside of it, most likely.
pub(crate) fn out_of_time(who: &str, environment: &str, limits: &Limits) -> Error {
    Error::unavailable(format!(
        "{who} did not answer within {} s and was ended: raise `limits.step_seconds` of environment `{environment}` if \
         it needs longer",
        limits.step_seconds
    ))
}

/// Bytes that may pass from guest to host in one call of the host.
pub(crate) fn transfer_bytes(limits: &Limits) -> usize {
    // The frame around the largest body: URL, headers.
    let body = limits.http_body_bytes.saturating_add(1 << 20);
    usize::try_from(body.max(TRANSFER_BYTES)).unwrap_or(usize::MAX)
}

/// Watches one instance grow.
pub(crate) struct Growth {
    limit: u64,
    /// Of all memories of the instance.
    used: u64,
}

impl Growth {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_bytes, used: 0 }
    }
}

impl ResourceLimiter for Growth {
    /// Ends the call rather than let `memory.grow` fail: a guest that cannot allocate aborts anyway, and would say
    /// nothing of the reason.
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_sub(current as u64).saturating_add(desired as u64);
        if wanted > self.limit {
            return Err(Broken::Memory { wanted, limit: self.limit }.into());
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Err(Broken::Table { wanted: desired }.into());
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}
