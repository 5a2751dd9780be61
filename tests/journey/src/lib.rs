//! The journey from raw tables to a served model, as the demo, the tests and the benchmarks run it.

pub mod chaos;
pub mod client;
pub mod database;
pub mod factory;
pub mod faults;
pub mod host;
pub mod modeller;
pub mod ports;
pub mod postgres;
pub mod processes;
pub mod proxy;
pub mod random;
pub mod s3;
pub mod source;
pub mod steps;
pub mod suite;
pub mod waiting;
