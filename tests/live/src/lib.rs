//! Real engines and catalogs beside a host: [`nessie`], [`trino`] and [`spark`], each a process of its own on free ports, and
//! what they answer in words that can be compared.
//!
//! `cargo xtask test --live data` fetches them and names them in the environment ([`installed`]).

pub mod installed;
pub mod nessie;
mod process;
pub mod rows;
pub mod spark;
pub mod trino;
