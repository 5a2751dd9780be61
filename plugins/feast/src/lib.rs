//! Feature views in a real Feast, over the current snapshots of Iceberg tables.
//!
//! Feast reads one Parquet file for each view, which the host's engine writes of the table's current snapshot ([`snapshot`]) and
//! replaces when the table has a newer one. Who does what:
//!
//! | what | who |
//! | --- | --- |
//! | registration, removal, what there is | the registry server, by REST ([`registration`]) |
//! | tables of the online store, joins ([`historical`]) | Feast's SDK in a process ([`process`]): no server has a call for them |
//! | filling the online store ([`materialise`]), pushing to it ([`push`]), reading it ([`online`]) | the feature server |
//!
//! Two traps that shape this: a view that was registered by REST alone has no entity columns, so that Feast would join it with every
//! entity, and no table in the online store; the SDK's `apply` gives it both, once. And a registered view must not be registered
//! again for a new snapshot, since that takes them away: so the file keeps its name.
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod backend;
pub mod client;
pub mod configuration;
pub mod historical;
pub mod host;
pub mod known;
pub mod materialise;
pub mod online;
pub mod process;
pub mod push;
pub mod registration;
pub mod rows;
pub mod run;
pub mod snapshot;
pub mod values;
pub mod writes;

#[cfg(target_arch = "wasm32")]
mod component;
