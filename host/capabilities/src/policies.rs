//! All grants of one binding, parsed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use asgard_contract::environment::{Environment, Grants, ProcessGrant};
use asgard_contract::{Error, Result};

use crate::addresses::Addresses;
use crate::resolve::Resolver;
use crate::{files, http, kubernetes, lakehouse};

/// What a binding lends, capability by capability.
pub(crate) struct Policies {
    pub(crate) http: http::Policy,
    pub(crate) sockets: Option<Addresses>,
    pub(crate) reveal_secrets: bool,
    /// Names of programs, for processes and for services.
    pub(crate) processes: Arc<BTreeSet<String>>,
    /// Those of them whose processes see secrets.
    pub(crate) substituting: Arc<BTreeSet<String>>,
    pub(crate) services: Arc<BTreeSet<String>>,
    pub(crate) objects: bool,
    pub(crate) files: Option<Arc<files::Policy>>,
    pub(crate) key_value: bool,
    pub(crate) lakehouse: Arc<lakehouse::Namespaces>,
    pub(crate) kubernetes: Arc<kubernetes::Policy>,
}

impl Policies {
    /// Reads the grants of a binding of `environment`, which has a `folder` of its own; `names` resolves what they
    /// name.
    ///
    /// # Errors
    /// `invalid-input` with the grant that cannot be read, or that names what the environment lacks.
    pub(crate) fn parse(
        grants: &Grants,
        environment: &Environment,
        folder: &Path,
        names: &Arc<dyn Resolver>,
    ) -> Result<Self> {
        let http = http::Policy::parse(&grants.http, Arc::clone(names))?;
        if let Some((index, name)) = http.services().find(|(_, name)| !environment.services.contains_key(*name)) {
            let message = format!("the environment has no service `{name}`: add `[services.{name}]`");
            return Err(Error::invalid(format!("http[{index}].host"), message));
        }
        let sockets = Addresses::parse(&grants.sockets).map_err(|error| match error {
            Error::InvalidInput { field: Some(index), message } => Error::invalid(format!("sockets[{index}]"), message),
            other => other,
        })?;
        Ok(Self {
            http,
            sockets: (!grants.sockets.is_empty()).then_some(sockets),
            reveal_secrets: grants.reveal_secrets,
            processes: programs("processes", grants.processes.iter().map(ProcessGrant::program), environment)?,
            substituting: Arc::new(
                grants
                    .processes
                    .iter()
                    .filter(|grant| grant.substitutes_secrets())
                    .map(|grant| grant.program().to_owned())
                    .collect(),
            ),
            services: programs("services", grants.services.iter().map(String::as_str), environment)?,
            objects: grants.objects,
            files: (!grants.files.is_empty())
                .then(|| files::Policy::parse(&grants.files, folder))
                .transpose()?
                .map(Arc::new),
            key_value: grants.key_value,
            lakehouse: Arc::new(
                lakehouse::Namespaces::parse(&grants.lakehouse).map_err(|error| error.in_field("lakehouse"))?,
            ),
            kubernetes: Arc::new(kubernetes::Policy::parse(&grants.kubernetes)?),
        })
    }
}

fn programs<'a>(
    field: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    environment: &Environment,
) -> Result<Arc<BTreeSet<String>>> {
    for (index, name) in names.clone().enumerate() {
        if !environment.programs.contains_key(name) {
            let message = format!("the environment has no program `{name}`: add `[programs.{name}]`");
            return Err(Error::invalid(format!("{field}[{index}]"), message));
        }
    }
    Ok(Arc::new(names.map(str::to_owned).collect()))
}
