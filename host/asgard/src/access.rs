//! Whom a host lets in and how much they may ask, as `asgard serve` is told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use asgard_api::{Admission, Limits, OidcConfig, TlsFiles};
use asgard_store::AuditRetention;
use clap::Args;

use crate::data::DataFolder;

/// A training script with generous room. Data does not come in through this door.
const LARGEST_BODY_MIB: usize = 16;

/// A closed host's, where none is set. A person's page asks for tens of things, a script of the six steps for a few a second:
/// this is for a client that has gone wrong.
const REQUESTS_PER_SECOND: u32 = 100;

/// As [`REQUESTS_PER_SECOND`]. Each may hold a statement's memory.
const REQUESTS_UNDER_WAY: u32 = 64;

/// Who may come in.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// A token with all rights, beside the API tokens; sent as `Authorization: Bearer TOKEN`.
    #[arg(long, env = "ASGARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Take tokens of an OpenID Connect issuer too: a file that says which, and what they grant.
    #[arg(long, value_name = "FILE", env = "ASGARD_OIDC")]
    oidc: Option<PathBuf>,
    /// Let everyone in who reaches the address.
    #[arg(long, conflicts_with_all = ["token", "oidc"])]
    insecure: bool,
    /// Speak HTTPS with this certificate (PEM, with those between it and the authority). Read again when the file changes.
    #[arg(long, value_name = "FILE", requires = "tls_key", env = "ASGARD_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert", env = "ASGARD_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// The largest body of a request, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = LARGEST_BODY_MIB)]
    largest_body: usize,
    /// How many requests a second one caller may make; 0: any number. Default: 100 where the host wants tokens.
    #[arg(long, value_name = "N")]
    requests_per_second: Option<u32>,
    /// How many requests of one caller may be under way; 0: any number. Default: 64 where the host wants tokens.
    #[arg(long, value_name = "N")]
    requests_under_way: Option<u32>,
    /// How many days the audit trail is kept.
    #[arg(long, value_name = "DAYS", default_value_t = 400)]
    audit_days: u32,
    /// How many entries of the audit trail are kept, the newest.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    audit_entries: u64,
}

impl Access {
    /// Whom a host on `listen` lets in. One without tokens is open, and may only be reached from this machine.
    pub(crate) async fn admission(&self, listen: SocketAddr, data: &DataFolder) -> Result<Admission> {
        if self.insecure {
            return Ok(Admission::Everyone);
        }
        // A variable that a chart sets to nothing is none.
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        let issuer = self.oidc.as_deref().map(issuer).transpose()?;
        if token.is_some() || issuer.is_some() || has_token(data).await? {
            return Ok(Admission::Bearers { token: token.map(Into::into), issuer });
        }
        ensure!(
            listen.ip().is_loopback(),
            "{listen} can be reached from other machines: make a token first (`asgard token create NAME --role admin`), set \
             one (ASGARD_TOKEN), name an issuer of tokens (`--oidc`), listen on 127.0.0.1, or let everyone in (`--insecure`)"
        );
        Ok(Admission::Everyone)
    }

    /// What each caller may ask. An open host belongs to its machine, and counts nothing unless it is told to.
    pub(crate) fn limits(&self, admission: &Admission) -> Limits {
        let limit = |set: Option<u32>, closed: u32| match admission {
            Admission::Everyone => set.filter(|most| *most > 0),
            Admission::Bearers { .. } => Some(set.unwrap_or(closed)).filter(|most| *most > 0),
        };
        Limits {
            body: self.largest_body.saturating_mul(1 << 20),
            requests_per_second: limit(self.requests_per_second, REQUESTS_PER_SECOND),
            requests_under_way: limit(self.requests_under_way, REQUESTS_UNDER_WAY),
        }
    }

    pub(crate) fn audit(&self) -> AuditRetention {
        AuditRetention { days: self.audit_days, entries: self.audit_entries }
    }

    pub(crate) fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles { certificate: self.tls_cert.clone()?, key: self.tls_key.clone()? })
    }
}

fn issuer(file: &Path) -> Result<OidcConfig> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} does not say which issuer is trusted with what", file.display()))
}

async fn has_token(data: &DataFolder) -> Result<bool> {
    let store = data.store().await?;
    let found = store.has_token().await.map_err(asgard_contract::Error::from)?;
    store.close().await;
    Ok(found)
}
