//! Secrets in a process's variables and files, where the grant says so: a program is told a database's password as its author thought
//! of it, in a file or a variable.
//!
//! A reference (`secret://NAME`) is replaced where it is a whole value: of a variable, or of a string in a file that is JSON and is
//! called so (`*.json`). Without the grant it is refused, since the text of the reference is of no use to anybody.

use asgard_contract::{Error, Result};
use serde_json::Value;

use super::{Content, Processes, Spec};
use crate::secrets::{reference, refers, substitute};

impl Processes {
    /// Puts the secrets in the places of their references.
    ///
    /// # Errors
    /// `forbidden` without the grant; those of the secret store.
    pub(super) async fn substitute(&self, spec: &mut Spec) -> Result<()> {
        let environment = &self.holder.caller.environment;
        let check = || {
            if self.substituting.contains(&spec.program) {
                return Ok(());
            }
            let entry = format!("write `{{ program = \"{}\", substitute_secrets = true }}` in", spec.program);
            Err(self.holder.forbidden(&format!("tell secrets to `{}`", spec.program), "processes", &entry))
        };
        for (_, value) in &mut spec.environment {
            if let Some(name) = reference(value) {
                check()?;
                *value = self.secrets.get(environment, name).await?;
            }
        }
        for file in &mut spec.files {
            let Content::Inline(content) = &mut file.content else { continue };
            if !file.path.ends_with(".json") {
                continue;
            }
            let Ok(mut document) = serde_json::from_slice::<Value>(content) else { continue };
            if refers(&document) {
                check()?;
                substitute(&mut document, environment, self.secrets.as_ref()).await?;
                *content = serde_json::to_vec(&document).map_err(|error| Error::internal(error.to_string()))?;
            }
        }
        Ok(())
    }
}
