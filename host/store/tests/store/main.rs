//! The store by behaviour, through its surface, on real files.

mod concurrency;
mod leases;
mod plugins;
mod reopening;
mod resources;
mod secrets;
