//! The runtime with real components: the fixtures in `tests/fixtures`, built when the first test asks for one.

mod cache;
mod example;
mod grants;
mod hostile_acts;
mod refusals;
mod setup;
mod steps;
mod syncs;
