//! Roles `training`, `build` and `serving`: deployments and the models they make.

pub(crate) mod deployments;
pub(crate) mod registry;
mod script;
