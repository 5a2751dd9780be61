//! Tokens of an OpenID Connect issuer: whom it vouches for, and what this host grants them.
//!
//! - A token is taken when one of the issuer's keys signed it, for this host's audience, and its time has come and is not over;
//!   clocks may differ by a set number of seconds. Only signatures with a key pair count: what the header of a token says
//!   about its algorithm never makes a public key a password.
//! - The issuer says who someone is; what they may do here says the host's own file ([`OidcConfig`]).
//! - Nothing is asked of the issuer for a token: its keys are fetched once and kept ([`keys`]). A token that it withdraws is
//!   good until it expires, so issuers should make them short.

mod claims;
mod keys;
mod signatures;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

pub use self::claims::{OidcConfig, OidcGrant};
use self::keys::{Keys, KeysError};
use super::caller::{Caller, Who};
use super::unauthenticated;
use crate::problem::Problem;

/// An issuer that the host trusts to say who someone is.
pub(super) struct Issuer {
    config: OidcConfig,
    keys: Keys,
}

impl Issuer {
    /// # Errors
    /// `invalid-input` with the line of the configuration that is wrong.
    pub(super) fn new(config: OidcConfig) -> asgard_contract::Result<Self> {
        config.check()?;
        signatures::install();
        let keys = Keys::new(&config.issuer)?;
        Ok(Self { config, keys })
    }

    /// Who the bearer of a token is, with what is granted to them, which may be nothing.
    pub(super) async fn identify(&self, token: &str) -> Result<Caller, Problem> {
        let header = decode_header(token).map_err(|error| self.refused(error.kind()))?;
        if !signatures::ALGORITHMS.contains(&header.alg) {
            return Err(self.refused(&ErrorKind::InvalidAlgorithm));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await.map_err(|error| match error {
            KeysError::Unknown => unauthenticated(format!("no key of {} signed the token", self.config.issuer)),
            KeysError::Away(why) => {
                let message =
                    format!("the keys of {} cannot be had, and its tokens not be checked: {why}", self.config.issuer);
                Problem::from(asgard_contract::Error::unavailable(message))
            }
        })?;
        let key = DecodingKey::from_jwk(&key).map_err(|error| self.refused(error.kind()))?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.config.clock_skew_seconds;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audience);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let token =
            decode::<Map<String, Value>>(token, &key, &validation).map_err(|error| self.refused(error.kind()))?;
        let subject = self.config.subject(&token.claims).ok_or_else(|| {
            unauthenticated(format!("the token has no claim `{}` that says who it is", self.config.subject_claim))
        })?;
        Ok(Caller { who: Who::Subject(subject), grants: self.config.granted(&token.claims) })
    }

    fn refused(&self, error: &ErrorKind) -> Problem {
        let issuer = &self.config.issuer;
        unauthenticated(match error {
            ErrorKind::ExpiredSignature => "the token has expired: sign in again".to_owned(),
            ErrorKind::ImmatureSignature => "the time of the token has not come yet: compare the clocks".to_owned(),
            ErrorKind::InvalidAudience => {
                format!("the token is for another audience: this host is `{}`", self.config.audience.join("` or `"))
            }
            ErrorKind::InvalidIssuer => format!("the token is of another issuer: this host trusts {issuer}"),
            ErrorKind::InvalidSignature => format!("no key of {issuer} signed the token"),
            ErrorKind::MissingRequiredClaim(claim) => format!("the token has no claim `{claim}`"),
            ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => {
                "the token is signed in a way that this host does not take: expected RS, PS, ES or EdDSA".to_owned()
            }
            _ => "this is no token of this host, and none of its issuer".to_owned(),
        })
    }
}

/// Whether a text has the shape of such a token: three parts.
pub(super) fn is_one(text: &str) -> bool {
    text.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_token_without_a_known_signature_is_refused_before_any_key_is_fetched() {
        let config: OidcConfig = toml::from_str(
            "issuer = \"https://issuer.invalid\"\naudience = [\"asgard\"]\n[[grant]]\nvalue = \"a\"\nrole = \"viewer\"\n",
        )
        .unwrap();
        let issuer = Issuer::new(config).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // {"alg":"HS256"} and {"alg":"none"}, each with {"sub":"a"}.
        for token in ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "a.b.c"] {
            let problem = runtime.block_on(issuer.identify(token)).unwrap_err();
            assert_eq!(problem.status, StatusCode::UNAUTHORIZED.as_u16(), "{token}: {}", problem.detail);
        }
    }
}
