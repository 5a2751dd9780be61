//! From a host's name to the addresses that may be connected to: the one place where names are resolved for plugins.

use std::net::SocketAddr;

use asgard_contract::{Error, Result};

use crate::addresses::{Addresses, Host};
use crate::holder::Holder;

/// Checks the name, resolves it, checks each address. The caller connects to what comes back and to nothing else.
///
/// # Errors
/// `forbidden` with what to add to `grant`; `unavailable` when nobody knows the name.
pub(crate) async fn resolve(
    host: &Host,
    port: u16,
    addresses: &Addresses,
    holder: &Holder,
    grant: &str,
) -> Result<Vec<SocketAddr>> {
    addresses.check_name(host, port).map_err(|denial| holder.unreachable(denial, host, port, None, grant))?;
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name,
    };
    let found = tokio::net::lookup_host((name.as_str(), port))
        .await
        .map_err(|error| Error::unavailable(format!("host `{name}` is unknown: {error}")))?;
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
        (true, Some((denial, address))) => Err(holder.unreachable(denial, host, port, Some(address), grant)),
        (true, None) => Err(Error::unavailable(format!("host `{name}` has no address"))),
    }
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
