//! Airbyte source connectors as processes: any program that speaks the Airbyte protocol, without an Airbyte server.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`configuration`] | which connectors the binding names |
//! | [`process`] | a command of a connector as a process of the host: arguments, files, limits |
//! | [`lines`] | a process's output as lines, in bounded memory, with nothing lost unnoticed |
//! | [`messages`] | the protocol's messages |
//! | [`failure`] | what a connector, or the end of its process, says went wrong |
//! | [`command`] | `spec`, `check` and `discover`, which answer once |
//! | [`specification`] | a connector's specification as the type of source that the host knows |
//! | [`catalog`] | its catalog as streams, and the catalog that a read is configured with |
//! | [`values`] | records brought to the types of their columns |
//! | [`checkpoint`] | the connector's states as the host's checkpoints |
//! | [`sync`] | a read as the events of a sync |
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod catalog;
pub mod checkpoint;
pub mod command;
pub mod configuration;
pub mod failure;
pub mod host;
pub mod lines;
pub mod messages;
pub mod process;
pub mod specification;
pub mod sync;
pub mod values;

#[cfg(target_arch = "wasm32")]
mod component;
