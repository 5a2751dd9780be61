//! A request of the role gold, rendered for Trino.

use asgard_dbt::{Existing, Prepared, Surroundings};
use asgard_sdk::context::Level;
use asgard_sdk::transform::{GoldModel, Request};
use asgard_sdk::{Column, Error, Result};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::names;

/// What `target.type` is in a model.
const ENGINE: &str = "trino";

/// The gold model of a request.
///
/// # Errors
/// `unsupported` for a silver run.
pub fn of(request: Request) -> Result<GoldModel> {
    match request {
        Request::Gold(model) => Ok(model),
        Request::Silver(_) => Err(Error::Unsupported(
            "`dbt-trino` runs gold models: bind `spark` or `sql` to the role silver, whose statements are Spark SQL"
                .to_owned(),
        )),
    }
}

/// Renders it, with the lakehouse's tables in the session's catalog.
///
/// # Errors
/// Those of the model.
pub fn prepared(
    host: &dyn Host,
    configuration: &Configuration,
    model: &GoldModel,
    existing: Existing,
) -> Result<Prepared> {
    let environment = host.environment();
    let surroundings = Surroundings { variables: &configuration.vars, environment: &environment, engine: ENGINE };
    let mut prepared = Prepared::new(model, existing, surroundings)?;
    prepared.sql = names::in_catalog(
        prepared.sql.trim_end_matches(|end: char| end == ';' || end.is_whitespace()),
        configuration.session_catalog(prepared.settings.materialization),
    );
    Ok(prepared)
}

/// Tells in the log what a model asks for and does not get.
pub fn note_unknown(host: &dyn Host, prepared: &Prepared, known: &[&str]) {
    for name in prepared.settings.unknown.iter().filter(|name| !known.contains(&name.as_str())) {
        host.log(Level::Warn, &format!("config `{name}` changes nothing on Trino"));
    }
}

/// The key of a merge must be columns of the result.
///
/// # Errors
/// `invalid-input` for `unique_key`.
pub fn check_key(prepared: &Prepared, columns: &[Column]) -> Result<()> {
    for name in &prepared.settings.unique_key {
        if !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
            let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::invalid(
                "unique_key",
                format!("the result has no column `{name}`: it has {}", known.join(", ")),
            ));
        }
    }
    Ok(())
}
