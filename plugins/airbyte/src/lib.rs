//! Drives an Airbyte server over its API. Airbyte moves the rows; the plugin makes what it needs for that, starts its jobs and tells how
//! they go.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`configuration`] | the server, the workspace, and the types of sources |
//! | [`client`] | requests and answers, and failures as the contract's errors |
//! | [`wire`] | what the API calls things |
//! | [`sources`] | types of sources, and their configuration in Airbyte's names |
//! | [`destinations`] | a sink as a destination of Airbyte's |
//! | [`inventory`] | finds, makes, changes and removes: nothing is made twice |
//! | [`trial`] | checks and discovers a source before anything is stored |
//! | [`jobs`] | a sync as one job |
//! | [`reset`] | has Airbyte forget how far a connection's syncs came |
//!
//! Names in Airbyte end with the host's id, `work orders (3f2a…)`: what was made is found again, even if a crash forgot its id.

pub mod client;
pub mod configuration;
pub mod destinations;
pub mod host;
pub mod inventory;
pub mod jobs;
pub mod reset;
pub mod sources;
pub mod trial;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod component;
