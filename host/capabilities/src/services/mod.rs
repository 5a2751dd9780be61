//! Long-lived local programs under supervision.

use asgard_contract::{Error, Result};

use crate::processes::{Chunk, File};

#[derive(Debug, Clone)]
pub struct Spec {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub files: Vec<File>,
    pub memory_bytes: Option<u64>,
    pub health_path: String,
    pub ready_timeout_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceState {
    Starting,
    Ready,
    Failed(String),
}

#[derive(Debug, Clone)]
pub struct ServiceStatus {
    pub state: ServiceState,
    pub url: String,
    pub restarts: u32,
}

/// What is lent.
#[derive(Clone)]
pub struct Services {}

impl Services {
    pub async fn ensure(&self, _name: &str, _spec: Spec) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn status(&self, _name: &str) -> Result<ServiceStatus> {
        Err(Error::internal("unfinished"))
    }
    pub async fn output(&self, _name: &str, _offset: u64, _max: u32) -> Result<Chunk> {
        Err(Error::internal("unfinished"))
    }
    pub async fn remove(&self, _name: &str) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
}
