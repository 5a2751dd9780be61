//! Roles `silver` and `gold`: SQL that makes tables.

mod generic_tests;
pub(crate) mod gold;
mod quality;
pub(crate) mod silver;
pub(crate) mod silver_run;
pub(crate) mod tables;
