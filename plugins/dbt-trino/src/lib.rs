//! Gold models on Trino.
//!
//! | mode | who renders and runs | what it takes |
//! | --- | --- | --- |
//! | `dbt` | dbt, from a project that is written for each run | a Python with dbt as a process, or an image as a Kubernetes Job |
//! | `statements` | the plugin, by Trino's protocol | nothing but Trino |
//!
//! Both take the request that the embedded engine takes and leave the same rows. In both, Trino itself is asked what stands under
//! the target's name, what a model's columns are, and what was written in the end.
//!
//! # Once
//! A step may be repeated after a crash, and a repeated `INSERT` would add its rows twice. Nothing that writes is begun in the
//! step that makes it known:
//!
//! - A statement that was posted to Trino does not run before its first `nextUri` is asked for. The address is stored between the
//!   two, so what a lost step posted never runs, and what a repeated one asks for is the same query.
//! - A Job is applied suspended, and woken in the step after: it cannot run, end and be forgotten before it is known.
//! - A process has a key of the task, and is started once under it.
//!
//! When Trino forgot a query, its files tell: it puts a query's id into the names of the files that it writes
//! (see [`statements`]).
//!
//! # Audits
//! The host sends a run that is audited to a branch of the catalog, and checks and merges it itself. Where that branch is to Trino, see
//! [`branch`].
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod branch;
pub mod configuration;
pub mod dbt;
pub mod host;
pub mod model;
pub mod names;
pub mod plan;
pub mod run;
pub mod statements;
pub mod target;
pub mod trino;

#[cfg(target_arch = "wasm32")]
mod component;
