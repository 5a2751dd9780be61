//! How the builder logs in to the registry: a `config.json` in a Secret.

use asgard_sdk::{Error, Result};
use serde_json::{Value, json};

use crate::configuration::{Configuration, Login};

/// Where the builder's `config.json` comes from.
pub enum Source {
    /// Nobody is asked who pushes.
    None,
    /// A Secret that somebody made.
    Existing(String),
    /// A Secret that is made for this build.
    Made(Value),
}

/// What the configuration says. `token` asks ECR for one.
///
/// # Errors
/// `invalid-input` where it says two things; those of `token`.
pub fn source(configuration: &Configuration, token: impl FnOnce() -> Result<String>) -> Result<Source> {
    let from_team = from_team(configuration)?;
    let Some(ecr) = &configuration.ecr else { return Ok(from_team) };
    let registry = &configuration.registry;
    let config = match (ecr.login, &from_team) {
        (Login::DockerConfig, Source::None) => {
            return Err(Error::invalid(
                "configuration.ecr.login",
                "`docker-config` needs `docker_config` or `docker_config_secret`",
            ));
        }
        (Login::DockerConfig, _) => return Ok(from_team),
        (Login::Token, Source::None) => json!({ "auths": { registry: { "auth": token()? } } }),
        (Login::Helper, Source::None) => json!({ "credHelpers": { registry: "ecr-login" } }),
        (_, _) => {
            return Err(Error::invalid(
                "configuration.ecr.login",
                "the builder reads one `config.json`, and there is one already: choose `docker-config`, and let it name the helper \
                 `ecr-login` for this registry",
            ));
        }
    };
    Ok(made(&config.to_string()))
}

/// What the team set. The host puts secrets in the places of references on the way to the cluster, inside of a JSON text too.
fn from_team(configuration: &Configuration) -> Result<Source> {
    let user = match (&configuration.username, &configuration.password) {
        (None, None) => None,
        (Some(username), Some(password)) => Some(json!({ "username": username, "password": password })),
        _ => {
            return Err(Error::invalid(
                "configuration.password",
                "`username` and `password` belong together: set both or neither",
            ));
        }
    };
    match (user, &configuration.docker_config, &configuration.docker_config_secret) {
        (None, None, None) => Ok(Source::None),
        (Some(user), None, None) => {
            let registry = &configuration.registry;
            Ok(made(&json!({ "auths": { registry: user } }).to_string()))
        }
        (None, Some(reference), None) => Ok(made(reference)),
        (None, None, Some(name)) => Ok(Source::Existing(name.clone())),
        _ => Err(Error::invalid(
            "configuration.docker_config",
            "the builder reads one `config.json`: set one of `username`, `docker_config` and `docker_config_secret`",
        )),
    }
}

fn made(config: &str) -> Source {
    Source::Made(json!({ "stringData": { ".dockerconfigjson": config } }))
}
