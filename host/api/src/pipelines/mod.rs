//! Pipelines: `/pipelines` and their runs.

pub(crate) mod definitions;
pub(crate) mod lineage;
pub(crate) mod runs;
mod steps;

pub(crate) use steps::Steps;
