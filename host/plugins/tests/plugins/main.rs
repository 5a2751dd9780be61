//! The runtime with real components: the fixtures in `tests/fixtures`, built when the first test asks for one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundled;
mod cache;
mod components;
mod example;
mod grants;
mod hostile_acts;
mod refusals;
mod setup;
mod steps;
mod stored;
mod syncs;
