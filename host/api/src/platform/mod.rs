//! What people who run the host need beside the pipeline: its health, tasks, environments, plugins and secrets.

pub(crate) mod environments;
pub(crate) mod follow;
pub(crate) mod health;
pub(crate) mod plugins;
pub(crate) mod secrets;
pub(crate) mod tasks;
