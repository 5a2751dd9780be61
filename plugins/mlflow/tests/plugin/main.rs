//! The plugin's logic against the answers of a real MLflow 3.17 (`answers/`), and a process that lives in memory.

mod recorded;
mod registry;
mod training;
