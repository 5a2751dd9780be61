//! A run that is audited writes to a branch of the lakehouse's catalog. In Trino that branch is a catalog of its own, made for the run and
//! dropped with its end.
//!
//! The binding's catalog is of one branch and cannot be sent to another. What the new one is made of, the binding says; what it is called,
//! the branch's name: a repeated step means the same one, and neither making nor dropping it is wrong twice.
//!
//! # Views
//! A view keeps the catalog of the session that makes it, and reads by it ever after. It is made from a session in the binding's catalog,
//! under its whole name on the branch: once merged it means what it would have meant if it had been made there.

use asgard_sdk::context::Level;
use asgard_sdk::{Error, Result};

use crate::configuration::Configuration;
use crate::host::Host;
use crate::names::{quoted, text};
use crate::trino::Client;

const FIELD: &str = "configuration.audit_catalog";

/// The branch that the host sends a run to.
#[derive(Debug)]
pub struct Branch {
    home: Configuration,
    /// What Trino calls it.
    catalog: String,
}

impl Branch {
    /// None for a run that is not audited.
    ///
    /// # Errors
    /// `invalid-input` for a binding whose catalog for branches is none, or is not of this one.
    pub fn of(configuration: &Configuration) -> Result<Option<Self>> {
        let branch = configuration.branch.as_str();
        if branch.is_empty() {
            return Ok(None);
        }
        if !configuration.audit_catalog.values().any(|value| value.contains(branch)) {
            return Err(Error::invalid(
                FIELD,
                format!(
                    "none of its properties names the branch `{branch}`, so rows would not be written there: write \
                     `${{lakehouse.catalog.uri}}` for the catalog's address, or `${{lakehouse.catalog.branch}}` in it"
                ),
            ));
        }
        let catalog = branch.to_ascii_lowercase().replace(|each: char| !each.is_ascii_alphanumeric(), "_");
        Ok(Some(Self { home: configuration.clone(), catalog }))
    }

    /// The binding's configuration with this catalog in the place of its own.
    pub fn configuration(&self) -> Configuration {
        let home = &self.home.catalog;
        // A catalog's own properties are named after it.
        let session = self.home.session.iter().map(|(name, value)| {
            let of_catalog = name.strip_prefix(home.as_str()).and_then(|rest| rest.strip_prefix('.'));
            let name = of_catalog.map_or_else(|| name.clone(), |property| format!("{}.{property}", self.catalog));
            (name, value.clone())
        });
        Configuration {
            catalog: self.catalog.clone(),
            session: session.collect(),
            home: Some(home.clone()),
            ..self.home.clone()
        }
    }

    /// Makes the catalog. Nothing happens if it is there.
    ///
    /// # Errors
    /// `invalid-input` for properties that Trino does not take, and for a Trino whose catalogs are files only; `unavailable` and those
    /// of access.
    pub fn make(&self, host: &dyn Host) -> Result<()> {
        let properties =
            self.home.audit_catalog.iter().map(|(name, value)| format!("{} = {}", quoted(name), text(value)));
        let properties: Vec<String> = properties.collect();
        let sql = format!(
            "CREATE CATALOG IF NOT EXISTS {} USING iceberg WITH ({})",
            quoted(&self.catalog),
            properties.join(", ")
        );
        match Client::new(host, &self.home).query(&sql) {
            Ok(_) => Ok(()),
            Err(Error::InvalidInput(input)) => Err(Error::invalid(FIELD, input.message)),
            // A property that the connector does not know is an error of its start.
            Err(Error::Internal(message)) => Err(Error::invalid(FIELD, message)),
            Err(error) => Err(error),
        }
    }

    /// Drops the catalog. Nothing happens if there is none.
    ///
    /// # Errors
    /// Trino's own.
    pub fn remove(&self, host: &dyn Host) -> Result<()> {
        let sql = format!("DROP CATALOG IF EXISTS {}", quoted(&self.catalog));
        Client::new(host, &self.home).query(&sql).map(drop)
    }

    /// As [`remove`](Self::remove), when the run is over whatever becomes of it.
    pub fn leave(&self, host: &dyn Host) {
        if let Err(error) = self.remove(host) {
            host.log(Level::Warn, &format!("the catalog `{}` stays in Trino: {error:?}", self.catalog));
        }
    }
}
