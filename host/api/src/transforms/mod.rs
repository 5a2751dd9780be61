//! Roles `silver` and `gold`: SQL that makes tables.

pub(crate) mod gold;
mod quality;
pub(crate) mod silver;
pub(crate) mod silver_run;
pub(crate) mod tables;
