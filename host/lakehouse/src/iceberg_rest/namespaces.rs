//! Namespaces: listed, made, changed, dropped.

use super::wire::{ChangeProperties, ChangedProperties, Namespace, Namespaces};
use super::{RestError, RestResult, ServedCatalog, names};

impl ServedCatalog {
    /// All namespaces; below a parent there are none.
    ///
    /// # Errors
    /// [`RestError::NoSuchNamespace`] for a parent that is not there.
    pub async fn namespaces(&self, parent: Option<&[String]>) -> RestResult<Namespaces> {
        if let Some(parent) = parent {
            self.existing_namespace(parent).await?;
            return Ok(Namespaces { namespaces: Vec::new() });
        }
        let names = self.catalog.namespaces().await?;
        Ok(Namespaces { namespaces: names.into_iter().map(|name| vec![name]).collect() })
    }

    /// # Errors
    /// [`RestError::AlreadyExists`], and [`RestError::BadRequest`] for a name that can be none.
    pub async fn create_namespace(&self, namespace: Namespace) -> RestResult<Namespace> {
        let name = names::namespace(&namespace.namespace)?;
        let known = self.catalog.namespaces().await?;
        if let Some(other) = known.iter().find(|other| *other != name && other.to_lowercase() == name.to_lowercase()) {
            return Err(RestError::bad(format!(
                "namespace: `{name}` differs from `{other}` in case alone, which SQL does not tell apart: choose another name"
            )));
        }
        if self.catalog.create_namespace(name, &namespace.properties).await? {
            return Ok(namespace);
        }
        Err(RestError::AlreadyExists(format!("namespace `{name}`")))
    }

    /// A namespace with where its tables are, unless somebody set another place: Trino stages no table without knowing it, and
    /// then takes the metadata of the one that it has just made for somebody else's files.
    ///
    /// # Errors
    /// [`RestError::NoSuchNamespace`].
    pub async fn namespace(&self, levels: &[String]) -> RestResult<Namespace> {
        let name = self.existing_namespace(levels).await?;
        let properties = self.catalog.namespace(&name).await?;
        let mut properties = properties.ok_or_else(|| RestError::NoSuchNamespace(name.clone()))?;
        properties.entry("location".to_owned()).or_insert_with(|| format!("{}/{name}", self.inner().warehouse()));
        Ok(Namespace { namespace: vec![name], properties })
    }

    /// # Errors
    /// [`RestError::NamespaceNotEmpty`], and [`RestError::BadRequest`] for those that there always are.
    pub async fn drop_namespace(&self, levels: &[String]) -> RestResult<()> {
        let name = self.existing_namespace(levels).await?;
        if crate::NAMESPACES.contains(&name.as_str()) {
            return Err(RestError::bad(format!("namespace `{name}` belongs to the lakehouse and stays")));
        }
        if self.catalog.drop_namespace(&name).await? {
            return Ok(());
        }
        Err(RestError::NamespaceNotEmpty(name))
    }

    /// # Errors
    /// [`RestError::NoSuchNamespace`], and [`RestError::BadRequest`] for a property that is both set and removed.
    pub async fn change_namespace(&self, levels: &[String], change: ChangeProperties) -> RestResult<ChangedProperties> {
        let before = self.namespace(levels).await?.properties;
        if let Some(both) = change.removals.iter().find(|key| change.updates.contains_key(*key)) {
            return Err(RestError::bad(format!("property `{both}` is in `removals` and in `updates`: decide on one")));
        }
        let name = names::namespace(levels)?;
        self.catalog.change_namespace(name, &change.updates, &change.removals).await?;
        let (removed, missing) = change.removals.into_iter().partition(|key| before.contains_key(key));
        Ok(ChangedProperties { updated: change.updates.into_keys().collect(), removed, missing })
    }
}
