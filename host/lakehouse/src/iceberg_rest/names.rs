//! Names of namespaces and tables as clients send them.
//!
//! A name becomes part of a folder's name and of a URL that readers do not decode, so only characters that mean nothing in
//! either are taken. Namespaces have one level, as in SQL.

use asgard_contract::TableName;

use super::wire::Identifier;
use super::{RestError, RestResult, ServedCatalog};

/// Longer ones do not fit into the catalog's columns together with the folders around them.
const LONGEST: usize = 200;

/// A namespace's name that can be one.
pub(super) fn namespace(levels: &[String]) -> RestResult<&str> {
    match levels {
        [name] => {
            check("namespace", name)?;
            Ok(name)
        }
        _ => Err(RestError::bad(format!("`{}` is no namespace here: a namespace has one level", levels.join(".")))),
    }
}

/// A table's or view's name that can be one.
pub(super) fn table(levels: &[String], name: &str) -> RestResult<TableName> {
    let namespace = namespace(levels)?;
    check("name", name)?;
    Ok(TableName::new(namespace, name))
}

/// A name to look for. Not checked: connectors and models name tables by rules of their own.
pub(super) fn known(levels: &[String], name: &str) -> TableName {
    TableName::new(levels.join("."), name)
}

/// As [`known`], from one value.
pub(super) fn identified(identifier: &Identifier) -> TableName {
    known(&identifier.namespace, &identifier.name)
}

fn check(field: &str, name: &str) -> RestResult<()> {
    let fits = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().count() <= LONGEST && name.chars().all(fits) {
        return Ok(());
    }
    Err(RestError::bad(format!(
        "{field}: `{name}` is no name here: expected 1 to {LONGEST} letters, digits, `_` and `-`"
    )))
}

impl ServedCatalog {
    /// A namespace that there is.
    pub(super) async fn existing_namespace(&self, levels: &[String]) -> RestResult<String> {
        let missing = || RestError::NoSuchNamespace(levels.join("."));
        // A name that can be none is not there.
        let name = namespace(levels).map_err(|_| missing())?;
        let known = self.catalog.namespaces().await?;
        if known.iter().any(|known| known == name) { Ok(name.to_owned()) } else { Err(missing()) }
    }

    /// The name of something that is to be made in a namespace that there is. SQL does not tell names by their case, so one that
    /// differs from another in that alone would hide it. `renamed`: what has the name until now.
    pub(super) async fn new_name(
        &self,
        levels: &[String],
        name: &str,
        renamed: Option<&TableName>,
    ) -> RestResult<TableName> {
        self.existing_namespace(levels).await?;
        let name = table(levels, name)?;
        let others = self.catalog.entries().await?.into_iter().map(|entry| entry.name);
        let hidden = |other: &TableName| {
            *other != name
                && Some(other) != renamed
                && other.namespace.eq_ignore_ascii_case(&name.namespace)
                && other.name.to_lowercase() == name.name.to_lowercase()
        };
        match others.into_iter().find(hidden) {
            Some(other) => Err(RestError::bad(format!(
                "name: `{name}` differs from `{other}` in case alone, which SQL does not tell apart: choose another name"
            ))),
            None => Ok(name),
        }
    }
}
