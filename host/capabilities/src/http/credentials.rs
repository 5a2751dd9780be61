//! Credentials, attached on the way out. A plugin that sets a header that its grant's credential owns is refused: it
//! would not know whose header the server sees.

use asgard_contract::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::Credential;
use super::policy::{Attached, Attachment};
use super::sigv4;
use crate::secrets::{self, Secrets};

/// Adds the credential's headers to the request.
///
/// # Errors
/// `invalid-input` when the plugin set one of them; those of the secret store and of the token's server.
pub(super) async fn attach(
    attachment: &Attachment,
    request: &mut http::Request<Bytes>,
    url: &Url,
    environment: &str,
    secrets: &dyn Secrets,
) -> Result<()> {
    refuse_taken(request, matches!(attachment, Attachment::Sigv4 { .. }), "the grant's credential")?;
    let authorization = match attachment {
        Attachment::Bearer { secret } => format!("Bearer {}", secrets.get(environment, secret).await?),
        Attachment::Basic { username, secret } => basic(username, &secrets.get(environment, secret).await?),
        Attachment::Oauth(source) => format!("Bearer {}", source.token(environment, secrets).await?),
        Attachment::Sigv4 { region, service, secret } => {
            let keys = sigv4::Keys::parse(&secrets.get(environment, secret).await?, secret)?;
            return sigv4::sign(request, url, &keys, region, service, chrono::Utc::now());
        }
    };
    request.headers_mut().insert(AUTHORIZATION, sensitive(&authorization)?);
    Ok(())
}

/// A credential that a plugin named, with its secrets.
pub(super) enum Resolved {
    Authorization(String),
    Sigv4 { keys: sigv4::Keys, region: String, service: String },
}

/// Whether the server sees a secret itself, rather than a proof of it.
pub(super) fn is_shown_to_the_server(credential: &Credential) -> bool {
    match credential {
        Credential::Bearer { .. } | Credential::Basic { .. } => true,
        Credential::AwsSigv4 { session_token, .. } => session_token.is_some(),
    }
}

/// Looks the secrets up.
///
/// # Errors
/// `invalid-input` for what is no reference; those of the secret store.
pub(super) async fn resolve(credential: &Credential, environment: &str, store: &dyn Secrets) -> Result<Resolved> {
    let value = async |text: &str| {
        let name = secrets::reference(text).ok_or_else(|| {
            // Not shown: it may be a password in the wrong place.
            Error::invalid("credential", "this is no reference to a secret: expected `secret://NAME`")
        })?;
        store.get(environment, name).await
    };
    Ok(match credential {
        Credential::Bearer { secret } => Resolved::Authorization(format!("Bearer {}", value(secret).await?)),
        Credential::Basic { username, secret } => Resolved::Authorization(basic(username, &value(secret).await?)),
        Credential::AwsSigv4 { access_key_id, secret_access_key, session_token, region, service } => {
            let secret = value(secret_access_key).await?;
            let session = match session_token {
                Some(token) => Some(value(token).await?),
                None => None,
            };
            Resolved::Sigv4 {
                keys: sigv4::Keys::new(access_key_id.clone(), secret, session),
                region: region.clone(),
                service: service.clone(),
            }
        }
    })
}

/// Adds the headers of a credential that a plugin named.
///
/// # Errors
/// `invalid-input` when the plugin set one of them, or when no header can hold the secret.
pub(super) fn attach_resolved(resolved: &Resolved, request: &mut http::Request<Bytes>, url: &Url) -> Result<()> {
    refuse_taken(request, matches!(resolved, Resolved::Sigv4 { .. }), "the credential")?;
    match resolved {
        Resolved::Authorization(value) => {
            request.headers_mut().insert(AUTHORIZATION, sensitive(value)?);
            Ok(())
        }
        Resolved::Sigv4 { keys, region, service } => {
            sigv4::sign(request, url, keys, region, service, chrono::Utc::now())
        }
    }
}

fn refuse_taken(request: &http::Request<Bytes>, signed: bool, who: &str) -> Result<()> {
    let owned: &[HeaderName] = if signed { &sigv4::HEADERS } else { &[AUTHORIZATION] };
    match owned.iter().find(|name| request.headers().contains_key(*name)) {
        Some(taken) => Err(Error::invalid("headers", format!("{who} sets `{taken}`: leave it out"))),
        None => Ok(()),
    }
}

/// Forgets a token, so that the next request asks for another. False when there is none to forget.
pub(super) async fn forget(attached: &Attached) -> bool {
    match &attached.credential {
        Some(Attachment::Oauth(source)) => source.forget().await,
        _ => false,
    }
}

pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// A value that no log shows.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::invalid(
            "grants.http.credential",
            "the secret has a character that no header can hold, such as a line's end",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}
