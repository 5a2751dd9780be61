//! Real engines and catalogs beside a host: [`nessie`], [`trino`] and [`spark`] (and its [`spark_servers`]), each a process of its own on free ports, and
//! what they answer in words that can be compared. And a real cluster: [`kubernetes`] with its [`registry`] and the Spark [`operator`],
//! on a [`network`] that pods share with this machine; beside it a [`tracker`] of experiments, [`feast`], and the API of [`ecr`].
//! [`helm`] installs charts there, and [`forward`] lets pods reach what listens on loopback. [`bindings`] are the parts of environments that
//! are bound to them, and [`stack`] is all of production.
//!
//! `cargo xtask test --live data` and `--live ml` fetch them and name them in the environment ([`installed`]).

pub mod bindings;
pub mod ecr;
pub mod feast;
pub mod forward;
pub mod helm;
pub mod images;
pub mod installed;
pub mod kubernetes;
pub mod nessie;
pub mod network;
pub mod operator;
mod process;
pub mod registry;
pub mod rows;
pub mod spark;
pub mod spark_servers;
pub mod stack;
pub mod tracker;
pub mod trino;
