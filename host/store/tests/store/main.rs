//! The store by behaviour, through its surface, on real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod concurrency;
mod databases;
mod hosts;
mod leases;
mod logs;
mod plugins;
mod reopening;
mod resources;
mod retention;
mod secrets;
