//! The plugin's logic against the answers of a real Feast 0.67 (`answers/`), an engine that writes at once, and a process that lives in
//! memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the first thing that is not as it should be")]

mod historical;
mod materialise;
mod online;
mod push;
mod recorded;
mod registration;
