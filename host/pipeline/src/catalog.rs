//! The catalog that an environment's document names, with the secrets in place.

use asgard_contract::environment::{Catalog, Credential, Environment};
use asgard_contract::{Error, Result};
use asgard_lakehouse::{Authorization, CatalogConfig};

use crate::secrets::EnvironmentSecrets;

/// # Errors
/// `invalid-input` for the part of `lakehouse` that is wrong.
pub(crate) async fn of_environment(secrets: &EnvironmentSecrets, document: &Environment) -> Result<CatalogConfig> {
    let Catalog::Rest { uri, warehouse, authorization } = &document.lakehouse.catalog else {
        return Ok(CatalogConfig::Sqlite);
    };
    if document.lakehouse.storage.is_none() {
        let message = "another program's catalog lists the tables: say where their files go, in a place that it allows";
        return Err(Error::invalid("lakehouse.storage", message));
    }
    let authorization = match authorization {
        Some(credential) => Some(authorization_of(secrets, credential).await?),
        None => None,
    };
    Ok(CatalogConfig::Rest { uri: uri.clone(), warehouse: warehouse.clone(), authorization })
}

async fn authorization_of(secrets: &EnvironmentSecrets, credential: &Credential) -> Result<Authorization> {
    const FIELD: &str = "lakehouse.catalog.authorization";
    let get = async |name: &str| {
        secrets.get(name).await.map_err(|error| match error {
            Error::NotFound { message } => Error::invalid(format!("{FIELD}.secret"), message),
            other => other,
        })
    };
    Ok(match credential {
        Credential::Bearer { secret } => Authorization::Bearer { token: get(secret).await? },
        Credential::Basic { username, secret } => {
            Authorization::Basic { username: username.clone(), password: get(secret).await? }
        }
        Credential::OauthClientCredentials { token_url, client_id, secret, scope } => Authorization::Oauth {
            token_url: token_url.clone(),
            client_id: client_id.clone(),
            client_secret: get(secret).await?,
            scope: scope.clone(),
        },
        Credential::AwsSigv4 { .. } => {
            let message =
                "`aws_sigv4` is not spoken to catalogs: expected `bearer`, `basic` or `oauth_client_credentials`";
            return Err(Error::invalid(format!("{FIELD}.type"), message));
        }
    })
}
