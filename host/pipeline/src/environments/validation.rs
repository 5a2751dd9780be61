//! What can be said against a document without asking any backend of its plugins.

use asgard_capabilities::Lender;
use asgard_contract::environment::{Binding, Environment};
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};

use super::Environments;
use crate::concealment::exposed;
use crate::{names, secrets};

impl Environments {
    /// Looks that every name in a document stands for something, every configuration fits its plugin, and every grant can be read.
    ///
    /// # Errors
    /// `invalid-input` with the field of the document that is wrong.
    pub(super) async fn validate(&self, document: &Environment) -> Result<()> {
        names::label("name", &document.name)?;
        secrets::check_sources(document)?;
        for (role, place, binding) in document.places() {
            self.bindable(role, &place, binding).await?;
        }
        Lender::check(document, &self.folder_of(&document.name))
    }

    /// Whether the plugin of a binding can fill the role.
    async fn bindable(&self, role: Role, place: &str, binding: &Binding) -> Result<()> {
        let field = format!("{place}.plugin");
        let plugin = self.plugins.bound(binding).await.map_err(|error| match error {
            Error::NotFound { message } => Error::invalid(&field, message),
            other => other,
        })?;
        let missing = role.interfaces().iter().find(|interface| !plugin.interfaces().contains(*interface));
        if let Some(interface) = missing {
            let name = &binding.plugin;
            let message =
                format!("plugin `{name}` does not export what role `{role}` needs: the interface `{interface}`");
            return Err(Error::invalid(field, message));
        }
        plugin.validate_configuration(&binding.configuration).map_err(|error| error.in_field(place))?;
        if let Some(path) = exposed(&plugin.manifest().configuration, &binding.configuration) {
            // The value is not repeated: documents are kept, and so are logs.
            let message = "is a secret, and documents are kept and shown: store it with `asgard secret set NAME` and write \
                `secret://NAME`";
            return Err(Error::invalid(format!("{place}.{path}"), message));
        }
        Ok(())
    }
}
