//! From a host's name to the addresses that may be connected to: the one place where names are resolved for plugins.

use std::net::{IpAddr, SocketAddr};

use asgard_contract::{Error, Result};
use async_trait::async_trait;

use crate::addresses::{Addresses, Denial, Host};
use crate::holder::Holder;

/// Knows the addresses of names.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of `name`, in the order in which they are to be tried; what may be reached of them is decided after.
    ///
    /// # Errors
    /// When nobody knows the name.
    async fn lookup(&self, name: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// As every program on this machine resolves names.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn lookup(&self, name: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.collect())
    }
}

/// Why a name leads nowhere.
#[derive(Debug, Clone)]
pub(crate) enum Unresolved {
    /// By the policy, with the address that the name resolved to.
    Denied(Denial, Option<IpAddr>),
    Unknown(String),
}

impl Unresolved {
    /// As the plugin sees it.
    pub(crate) fn explain(&self, host: &Host, port: u16, holder: &Holder, grant: &str) -> Error {
        match self {
            Self::Denied(denial, address) => holder.unreachable(*denial, host, port, *address, grant),
            Self::Unknown(why) => Error::unavailable(format!("host `{host}` is unknown: {why}")),
        }
    }
}

/// Checks the name, resolves it, checks each address. The caller connects to what comes back and to nothing else.
pub(crate) async fn addresses_of(
    host: &Host,
    port: u16,
    addresses: &Addresses,
    names: &dyn Resolver,
) -> std::result::Result<Vec<SocketAddr>, Unresolved> {
    addresses.check_name(host, port).map_err(|denial| Unresolved::Denied(denial, None))?;
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name,
    };
    let found = names.lookup(name, port).await.map_err(|error| Unresolved::Unknown(error.to_string()))?;
    let mut allowed = Vec::new();
    let mut denied = None;
    for address in found {
        match addresses.check_address(host, port, address.ip()) {
            Ok(()) => allowed.push(address),
            Err(denial) => denied = Some((denial, address.ip())),
        }
    }
    match (allowed.is_empty(), denied) {
        (false, _) => Ok(allowed),
        (true, Some((denial, address))) => Err(Unresolved::Denied(denial, Some(address))),
        (true, None) => Err(Unresolved::Unknown("it has no address".to_owned())),
    }
}

/// [`addresses_of`], for a holder.
///
/// # Errors
/// `forbidden` with what to add to `grant`; `unavailable` when nobody knows the name.
pub(crate) async fn resolve(
    host: &Host,
    port: u16,
    addresses: &Addresses,
    names: &dyn Resolver,
    holder: &Holder,
    grant: &str,
) -> Result<Vec<SocketAddr>> {
    addresses_of(host, port, addresses, names).await.map_err(|unresolved| unresolved.explain(host, port, holder, grant))
}

/// The words for a connection that could not be made.
pub(crate) fn connect_error(target: &str, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    let why = match error.kind() {
        ErrorKind::ConnectionRefused => "the connection was refused: nothing listens on that port".to_owned(),
        ErrorKind::TimedOut => "no answer in time: a firewall may drop the packets".to_owned(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "there is no route to it".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "it closed the connection".to_owned(),
        _ => error.to_string(),
    };
    Error::unavailable(format!("`{target}` cannot be reached: {why}"))
}
