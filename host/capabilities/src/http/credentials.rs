//! Credentials, attached on the way out. A plugin that sets a header that its grant's credential owns is refused: it
//! would not know whose header the server sees.

use asgard_contract::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use url::Url;

use super::policy::{Attached, Attachment};
use super::sigv4;
use crate::secrets::Secrets;

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
    let owned: &[HeaderName] = match attachment {
        Attachment::Sigv4 { .. } => &sigv4::HEADERS,
        _ => &[AUTHORIZATION],
    };
    if let Some(taken) = owned.iter().find(|name| request.headers().contains_key(*name)) {
        let message = format!("the grant's credential sets `{taken}`: leave it out");
        return Err(Error::invalid("headers", message));
    }
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
