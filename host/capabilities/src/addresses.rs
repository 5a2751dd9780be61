//! Which addresses a plugin may reach: patterns, parsed once, that decide on the name and again on what it resolves to.
//!
//! | pattern | reaches |
//! | --- | --- |
//! | `db.internal:5432` | this name on this port, whatever it resolves to, private addresses included |
//! | `*.example.com:443` | every name below `example.com` (not itself), on public addresses |
//! | `*:5432` | every name, on public addresses |
//! | `10.0.0.0/8:5432`, `[fd00::/8]:5432` | every address in the network, and names that resolve into it |
//! | `127.0.0.1:80`, `[::1]:80` | this address, and names that resolve to it |
//! | `localhost:80` | the name `localhost` and every loopback address |
//! | `…:*`, `…:8000-8010` | every port; the ports from 8000 to 8010 |
//!
//! An empty list means that nothing may be reached.
//!
//! Two decisions are made for each connection. The *name* is checked before it is resolved, so that a denied name is
//! not even looked up. Each *address* is checked after, and the connection goes to that very address, so a name
//! server that changes its answer between the two (DNS rebinding) gains nothing. Private, loopback and other special
//! addresses need a pattern that names them: an exact name, an address, a network or `localhost`; `*` and
//! `*.example.com` never reach them, because anyone can point a public name at `10.0.0.1`. Link-local addresses and the
//! metadata services of clouds are never reached, whatever the patterns say: they hand out credentials to anyone who asks.
//! IPv6 forms that carry an IPv4 address are judged by that address.
//!
//! A network pattern says nothing about names, so with one of them on a port every name may be *looked up* for that port.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use asgard_contract::{Error, Result};
use ipnet::{IpNet, Ipv4Net};

/// A list of patterns. Empty: nothing is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Addresses(Vec<Pattern>);

/// One accepted form; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    host: HostPattern,
    ports: Ports,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// Without the leading `*.`.
    Below(String),
    Name(String),
    Localhost,
    Network(IpNet),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ports {
    Any,
    /// Both ends included; one port is a range of one.
    Range(u16, u16),
}

impl Ports {
    fn contain(self, port: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Range(first, last) => (first..=last).contains(&port),
        }
    }
}

/// A host as a plugin names it: in lower case, without the final dot, an address where it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

impl FromStr for Host {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("host", format!("`{text}` is no host: expected a name or an IP address"));
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(canonical(address)));
        }
        // The parser of browsers: it knows `127.1` and `0x7f000001` for the addresses they are.
        match url::Host::parse(text.trim_end_matches('.')).map_err(|_| wrong())? {
            url::Host::Domain(name) if name.is_empty() || name.contains('*') => Err(wrong()),
            url::Host::Domain(name) => Ok(Self::Name(name)),
            url::Host::Ipv4(address) => Ok(Self::Address(address.into())),
            url::Host::Ipv6(address) => Ok(Self::Address(canonical(address.into()))),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Why an address may not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// No pattern covers it; one could be added.
    NotGranted,
    /// The pattern covers public addresses only and this one is private; it can be named.
    NotPublic,
    /// Link-local or metadata: no pattern helps.
    Never,
}

/// What kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Public,
    /// Private, loopback, unique local, shared (carrier-grade NAT), documentation and benchmark networks.
    Special,
    Never,
}

/// How closely a pattern names a host; greater is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closeness {
    Any,
    /// The longer the suffix, the closer.
    Below(usize),
    /// The longer the prefix, the closer.
    Network(u8),
    Exact,
}

impl Addresses {
    /// Reads a list of patterns.
    ///
    /// # Errors
    /// `invalid-input` with the index of the pattern that cannot be read.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self> {
        let mut parsed = Vec::with_capacity(patterns.len());
        for (index, pattern) in patterns.iter().enumerate() {
            parsed.push(pattern.as_ref().parse::<Pattern>().map_err(|error| error.in_field(&index.to_string()))?);
        }
        Ok(Self(parsed))
    }

    /// The first decision: whether a host may be looked up and tried at all.
    ///
    /// # Errors
    /// Why not.
    pub fn check_name(&self, host: &Host, port: u16) -> std::result::Result<(), Denial> {
        match host {
            Host::Address(address) => self.check_address(host, port, *address),
            Host::Name(_) => {
                let covered = self
                    .on(port)
                    .any(|pattern| matches!(pattern.host, HostPattern::Network(_)) || pattern.host.covers_name(host));
                if covered { Ok(()) } else { Err(Denial::NotGranted) }
            }
        }
    }

    /// The second decision: whether `address`, which `host` resolved to, may be connected to.
    ///
    /// # Errors
    /// Why not.
    pub fn check_address(&self, host: &Host, port: u16, address: IpAddr) -> std::result::Result<(), Denial> {
        let address = canonical(address);
        let reach = reach(address);
        if reach == Reach::Never {
            return Err(Denial::Never);
        }
        let mut covered_by_wildcard = false;
        for pattern in self.on(port) {
            match &pattern.host {
                HostPattern::Network(network) if network.contains(&address) => return Ok(()),
                HostPattern::Localhost if address.is_loopback() => return Ok(()),
                HostPattern::Name(_) if pattern.host.covers_name(host) => return Ok(()),
                HostPattern::Any | HostPattern::Below(_) if pattern.host.covers_name(host) => {
                    if reach == Reach::Public {
                        return Ok(());
                    }
                    covered_by_wildcard = true;
                }
                _ => {}
            }
        }
        Err(if covered_by_wildcard { Denial::NotPublic } else { Denial::NotGranted })
    }

    /// How closely the closest pattern names `host`; none when it is not covered. For choosing between several lists that
    /// all allow it.
    pub(crate) fn closeness(&self, host: &Host, port: u16) -> Option<Closeness> {
        let of = |pattern: &Pattern| match (&pattern.host, host) {
            (HostPattern::Network(network), Host::Address(address)) => {
                network.contains(&canonical(*address)).then_some(Closeness::Network(network.prefix_len()))
            }
            // What it resolves to may be in the network.
            (HostPattern::Network(network), Host::Name(_)) => Some(Closeness::Network(network.prefix_len())),
            (HostPattern::Localhost, Host::Address(address)) => address.is_loopback().then_some(Closeness::Exact),
            (pattern, _) if !pattern.covers_name(host) => None,
            (HostPattern::Name(_) | HostPattern::Localhost, _) => Some(Closeness::Exact),
            (HostPattern::Below(suffix), _) => Some(Closeness::Below(suffix.len())),
            (HostPattern::Any, _) => Some(Closeness::Any),
        };
        self.on(port).filter_map(of).max()
    }

    fn on(&self, port: u16) -> impl Iterator<Item = &Pattern> {
        self.0.iter().filter(move |pattern| pattern.ports.contain(port))
    }
}

impl HostPattern {
    fn covers_name(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Below(suffix), Host::Name(name)) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (Self::Name(expected), Host::Name(name)) => expected == name,
            (Self::Localhost, Host::Name(name)) => name == "localhost",
            _ => false,
        }
    }
}

/// IPv4 written as IPv6 is IPv4.
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Likewise for a network, as far as all of it is IPv4.
fn canonical_network(network: IpNet) -> IpNet {
    /// Of `::ffff:0:0/96`, below which IPv4 lies.
    const MAPPED: u8 = 96;
    let network = network.trunc();
    let (IpNet::V6(v6), IpAddr::V4(v4)) = (network, canonical(network.addr())) else { return network };
    let prefix = v6.prefix_len().checked_sub(MAPPED);
    prefix.and_then(|prefix| Ipv4Net::new(v4, prefix).ok()).map_or(network, IpNet::V4)
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    // Alibaba's and Azure's metadata services are the two that are not link-local.
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        _ if METADATA.contains(&address) => Reach::Never,
        // "This network", link-local, protocol assignments (Oracle's metadata is 192.0.0.192), multicast and above.
        (0, ..) | (169, 254, _) | (192, 0, 0) | (224.., ..) => Reach::Never,
        (10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Reach::Special,
        (192, 0, 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Reach::Special,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    // Amazon's and Google's metadata services, which lie among the unique local addresses.
    const METADATA: [Ipv6Addr; 2] =
        [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];
    let segments = address.segments();
    let carried = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        _ if METADATA.contains(&address) => Reach::Never,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Special,
        // NAT64, 6to4 and the old "compatible" form carry an IPv4 address that a gateway would connect to.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] | [0, 0, 0, 0, 0, 0, high, low] => {
            if reach_v4(carried(high, low)) == Reach::Public { Reach::Public } else { Reach::Never }
        }
        // Link-local, site-local and multicast.
        [0xfe80..=0xffff, ..] => Reach::Never,
        [0xfc00..=0xfdff, ..] | [0x2001, 0xdb8, ..] => Reach::Special,
        _ => Reach::Public,
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::InvalidInput {
            field: None,
            message: format!(
                "`{text}` is no address pattern ({what}): expected `host:port`, such as `db.internal:5432`, \
                 `*.example.com:443`, `*:5432`, `10.0.0.0/8:5432`, `localhost:*` or `[::1]:8000-8010`"
            ),
        };
        let (host, ports) = text.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
        let ports = parse_ports(ports).ok_or_else(|| wrong("the port is not `*`, a number or a range"))?;
        let host = parse_host(host).ok_or_else(|| wrong("the host cannot be read"))?;
        Ok(Self { host, ports })
    }
}

fn parse_ports(text: &str) -> Option<Ports> {
    if text == "*" {
        return Some(Ports::Any);
    }
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    match text.split_once('-') {
        None => number(text).map(|port| Ports::Range(port, port)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Ports::Range(first, last))
        }
    }
}

fn parse_host(text: &str) -> Option<HostPattern> {
    if text == "*" {
        return Some(HostPattern::Any);
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        return match suffix.parse().ok()? {
            Host::Name(name) => Some(HostPattern::Below(name)),
            Host::Address(_) => None,
        };
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    // An IPv6 address without brackets would make `::1:80` mean two things.
    if bracketed.is_none() && text.contains(':') {
        return None;
    }
    let bare = bracketed.unwrap_or(text);
    if bare.contains('/') {
        return bare.parse::<IpNet>().ok().map(|network| HostPattern::Network(canonical_network(network)));
    }
    match text.parse().ok()? {
        Host::Address(address) => Some(HostPattern::Network(IpNet::from(address))),
        Host::Name(name) if name == "localhost" => Some(HostPattern::Localhost),
        Host::Name(name) => Some(HostPattern::Name(name)),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Below(suffix) => write!(f, "*.{suffix}")?,
            HostPattern::Name(name) => f.write_str(name)?,
            HostPattern::Localhost => f.write_str("localhost")?,
            HostPattern::Network(network) => {
                let single = network.prefix_len() == network.max_prefix_len();
                match (network, single) {
                    (IpNet::V4(network), true) => write!(f, "{}", network.addr())?,
                    (IpNet::V4(network), false) => write!(f, "{network}")?,
                    (IpNet::V6(network), true) => write!(f, "[{}]", network.addr())?,
                    (IpNet::V6(network), false) => write!(f, "[{network}]")?,
                }
            }
        }
        match self.ports {
            Ports::Any => f.write_str(":*"),
            Ports::Range(first, last) if first == last => write!(f, ":{first}"),
            Ports::Range(first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decide(patterns: &[&str], host: &str, address: &str, port: u16) -> std::result::Result<(), Denial> {
        let addresses = Addresses::parse(patterns).unwrap();
        let host: Host = host.parse().unwrap();
        addresses.check_name(&host, port)?;
        addresses.check_address(&host, port, address.parse().unwrap())
    }

    #[test]
    fn each_form_reaches_what_the_table_says() {
        let public = "93.184.216.34";
        let allowed: &[(&[&str], &str, &str, u16)] = &[
            (&["db.internal:5432"], "db.internal", "10.1.2.3", 5432),
            (&["db.internal:5432"], "DB.Internal.", public, 5432),
            (&["*.example.com:443"], "api.example.com", public, 443),
            (&["*.example.com:443"], "a.b.example.com", public, 443),
            (&["*:5432"], "anything.org", public, 5432),
            (&["*:5432"], public, public, 5432),
            (&["10.0.0.0/8:5432"], "10.9.9.9", "10.9.9.9", 5432),
            (&["10.0.0.0/8:5432"], "db.internal", "10.9.9.9", 5432),
            (&["127.0.0.1:*"], "127.0.0.1", "127.0.0.1", 1),
            (&["localhost:*"], "localhost", "127.0.0.1", 65535),
            (&["localhost:*"], "127.0.0.1", "127.0.0.1", 80),
            (&["localhost:*"], "localhost", "::1", 80),
            (&["[::1]:80"], "::1", "::1", 80),
            (&["[::1]:80"], "[::1]", "::1", 80),
            (&["[::ffff:10.0.0.0/104]:80"], "10.1.1.1", "10.1.1.1", 80),
            (&["[fd00::/8]:80"], "x", "fd12::1", 80),
            (&["x:8000-8010"], "x", public, 8010),
            (&["10.0.0.1:80"], "::ffff:10.0.0.1", "::ffff:10.0.0.1", 80),
            (&["nothing:1", "db:2"], "db", "192.168.0.1", 2),
            (&["*:443"], "nat64", "64:ff9b::5db8:d822", 443),
        ];
        for (patterns, host, address, port) in allowed {
            assert_eq!(decide(patterns, host, address, *port), Ok(()), "{patterns:?} {host} {address} {port}");
        }
    }

    #[test]
    fn what_no_pattern_names_is_denied() {
        use Denial::{Never, NotGranted, NotPublic};
        let public = "93.184.216.34";
        let denied: &[(&[&str], &str, &str, u16, Denial)] = &[
            (&[], "example.com", public, 443, NotGranted),
            (&["db:5432"], "db", "10.0.0.1", 5433, NotGranted),
            (&["db:5432"], "other", "10.0.0.1", 5432, NotGranted),
            (&["*.example.com:443"], "example.com", public, 443, NotGranted),
            (&["*.example.com:443"], "badexample.com", public, 443, NotGranted),
            (&["*.example.com:443"], "internal.example.com", "10.0.0.1", 443, NotPublic),
            (&["*:5432"], "rebound.org", "127.0.0.1", 5432, NotPublic),
            (&["*:5432"], "127.1", "127.0.0.1", 5432, NotPublic),
            (&["*:5432"], "0x7f000001", "127.0.0.1", 5432, NotPublic),
            (&["*:5432"], "rebound.org", "::ffff:127.0.0.1", 5432, NotPublic),
            (&["*:5432"], "x", "fd00::1", 5432, NotPublic),
            (&["*:5432"], "x", "100.64.0.1", 5432, NotPublic),
            (&["10.0.0.0/8:80"], "x", public, 80, NotGranted),
            (&["x:8000-8010"], "x", public, 8011, NotGranted),
            (&["169.254.169.254:80"], "169.254.169.254", "169.254.169.254", 80, Never),
            (&["metadata:80"], "metadata", "169.254.169.254", 80, Never),
            (&["metadata:80"], "metadata", "::ffff:169.254.169.254", 80, Never),
            (&["metadata:80"], "metadata", "64:ff9b::a9fe:a9fe", 80, Never),
            (&["metadata:80"], "metadata", "fd00:ec2::254", 80, Never),
            (&["0.0.0.0/0:*", "[::/0]:*"], "metadata", "fe80::1", 80, Never),
            (&["*:*"], "x", "0.0.0.0", 80, Never),
            (&["*:*"], "x", "100.100.100.200", 80, Never),
            (&["*:*"], "x", "224.0.0.1", 80, Never),
            (&["*:*"], "x", "2002:7f00:1::", 80, Never),
        ];
        for (patterns, host, address, port, denial) in denied {
            assert_eq!(decide(patterns, host, address, *port), Err(*denial), "{patterns:?} {host} {address} {port}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_forms() {
        for text in [
            "",
            "db",
            "db:",
            ":5432",
            "db:0",
            "db:99999",
            "db:9-8",
            "::1:80",
            "*.*.com:1",
            "10.0.0.0/40:1",
            "a b:1",
            "*.1.2.3.4:1",
        ] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.to_string().contains("expected `host:port`"), "{text}: {error}");
        }
        let error = Addresses::parse(&["db:1", "db"]).unwrap_err();
        assert!(matches!(error, Error::InvalidInput { field: Some(field), .. } if field == "1"));
    }

    fn any_pattern() -> impl Strategy<Value = String> {
        let host = prop_oneof![
            Just("*".to_owned()),
            Just("localhost".to_owned()),
            "[a-z]{1,8}(\\.[a-z]{2,5}){0,2}",
            "\\*\\.[a-z]{1,8}\\.[a-z]{2,4}",
            (any::<Ipv4Addr>(), 0u8..=32).prop_map(|(ip, bits)| format!("{ip}/{bits}")),
            (any::<Ipv6Addr>(), 0u8..=128).prop_map(|(ip, bits)| format!("[{ip}/{bits}]")),
            any::<Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
        ];
        let ports = prop_oneof![
            Just("*".to_owned()),
            (1u16..).prop_map(|port| port.to_string()),
            (1u16..30000, 30000u16..).prop_map(|(first, last)| format!("{first}-{last}")),
        ];
        (host, ports).prop_map(|(host, ports)| format!("{host}:{ports}"))
    }

    proptest! {
        #[test]
        fn rendering_and_reading_give_the_same_pattern(text in any_pattern()) {
            let pattern: Pattern = text.parse().unwrap();
            prop_assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern);
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_with_an_error(text in ".{0,40}") {
            let _ = text.parse::<Pattern>();
        }

        #[test]
        fn no_patterns_reach_a_link_local_address(patterns in proptest::collection::vec(any_pattern(), 0..5), tail in any::<u16>(), port in 1u16..) {
            let [c, d] = tail.to_be_bytes();
            let addresses = Addresses::parse(&patterns).unwrap();
            let host = Host::Name("localhost".to_owned());
            let result = addresses.check_address(&host, port, IpAddr::from([169, 254, c, d]));
            prop_assert_eq!(result, Err(Denial::Never));
        }
    }
}
