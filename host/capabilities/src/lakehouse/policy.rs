//! Which namespaces a binding may use.

use std::collections::BTreeSet;

use asgard_contract::environment::LakehouseGrant;
use asgard_contract::{Error, Result};

const NAMESPACES: [&str; 3] = ["bronze", "silver", "gold"];

/// A grant, parsed. Empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Namespaces {
    read: BTreeSet<String>,
    write: BTreeSet<String>,
}

impl Namespaces {
    /// # Errors
    /// `invalid-input` in `read[N]` or `write[N]`.
    pub(crate) fn parse(grant: &LakehouseGrant) -> Result<Self> {
        let names = |field: &str, names: &[String]| -> Result<BTreeSet<String>> {
            for (index, name) in names.iter().enumerate() {
                if !NAMESPACES.contains(&name.as_str()) {
                    let message = format!("there is no namespace `{name}`: expected {}", NAMESPACES.join(", "));
                    return Err(Error::invalid(format!("{field}[{index}]"), message));
                }
            }
            Ok(names.iter().cloned().collect())
        };
        Ok(Self { read: names("read", &grant.read)?, write: names("write", &grant.write)? })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.read.is_empty() && self.write.is_empty()
    }

    pub(super) fn may_read(&self, namespace: &str) -> bool {
        self.read.contains(namespace) || self.write.contains(namespace)
    }

    pub(super) fn may_write(&self, namespace: &str) -> bool {
        self.write.contains(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_includes_reading_and_nothing_includes_writing() {
        let grant = LakehouseGrant { read: vec!["bronze".to_owned()], write: vec!["silver".to_owned()] };
        let namespaces = Namespaces::parse(&grant).unwrap();
        let decisions =
            ["bronze", "silver", "gold"].map(|name| (namespaces.may_read(name), namespaces.may_write(name)));
        assert_eq!(decisions, [(true, false), (true, true), (false, false)]);
    }

    #[test]
    fn a_misspelt_namespace_is_refused_with_its_place() {
        let grant = LakehouseGrant { read: vec!["bronze".to_owned(), "sliver".to_owned()], write: Vec::new() };
        let error = Namespaces::parse(&grant).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { field: Some(field), .. } if field == "read[1]"));
    }
}
