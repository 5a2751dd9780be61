//! dbt's side of a gold model, for every plugin that runs one: Jinja and configuration, without dbt.
//!
//! An engine decides what is run and where the result goes; what a model *means* is decided here, so that a model that is
//! moved from one engine to another is rendered to the same statement and gets the same settings.
//!
//! | in a model | means here |
//! | --- | --- |
//! | `ref('model')`, `ref('project', 'model')` | a gold model's or silver table's name in the lakehouse; the project is ignored |
//! | `source('silver', 'work_orders')` | a table by namespace and name |
//! | `config(…)` | settings beside the request's; see [`settings`] |
//! | `var('name', default)` | `vars` of the binding's configuration |
//! | `is_incremental()` | the model is incremental and its table exists |
//! | `this`, `model`, `target` | the model's own table, name and tags, the environment |
//! | `dbt.dateadd(…)` and the others, with and without `dbt.`; `dbt_utils.…` | what they print on Trino; see `macros` |
//! | `log(…)`, `exceptions.raise_compiler_error(…)`, `execute` | as in dbt; `execute` is true, for nothing is parsed ahead |
//!
//! What asks the engine or Python is refused by name; see `refused`. A name that is not known is an error with its line,
//! never an empty text.

mod context;
mod jinja;
mod macros;
mod prepared;
mod python;
mod refused;
mod relation;
mod settings;

pub use jinja::{Rendered, Scene, render};
pub use macros::DBT_UTILS;
pub use prepared::{Existing, Prepared, Surroundings};
pub use relation::CATALOG;
pub use settings::{Settings, materialization_name};
