//! Which grant covers a host, and the credential that goes with it.

use std::sync::{Arc, Mutex, PoisonError};

use asgard_contract::environment::{Credential, HttpGrant};
use asgard_contract::{Error, Result};

use super::connector::{Connector, Pool};
use super::oauth::TokenSource;
use crate::addresses::{Addresses, Host};
use crate::resolve::{Resolver, Unresolved, addresses_of};
use crate::secrets;

/// The HTTP grants of one binding, parsed once.
pub(crate) struct Policy {
    grants: Vec<(Target, Arc<Attached>)>,
    names: Arc<dyn Resolver>,
}

/// What a grant's `host` names.
enum Target {
    Fixed(Arc<Granted>),
    /// `${services.NAME.address}`: the address may change when the service moves, and the pool with it.
    Service {
        name: String,
        last: Mutex<Option<(u16, Arc<Granted>)>>,
    },
}

/// What a grant adds to requests.
pub(super) struct Attached {
    pub(super) credential: Option<Attachment>,
    pub(super) substitute_secrets: bool,
}

/// A credential, with the names of its secrets.
pub(super) enum Attachment {
    Bearer { secret: String },
    Basic { username: String, secret: String },
    Oauth(Box<TokenSource>),
    Sigv4 { region: String, service: String, secret: String },
}

/// A granted host with its pool.
pub(super) struct Granted {
    addresses: Arc<Addresses>,
    names: Arc<dyn Resolver>,
    pub(super) pool: Pool,
}

impl Granted {
    fn new(addresses: Addresses, names: &Arc<dyn Resolver>) -> Self {
        let (addresses, names) = (Arc::new(addresses), Arc::clone(names));
        Self { pool: Connector::new(Arc::clone(&addresses), Arc::clone(&names)).pool(), addresses, names }
    }
}

impl Policy {
    /// # Errors
    /// `invalid-input` in `http[N]`.
    pub(crate) fn parse(grants: &[HttpGrant], names: Arc<dyn Resolver>) -> Result<Self> {
        let one = |(index, grant): (usize, &HttpGrant)| {
            parse(grant, &names).map_err(|error| error.in_field(&format!("http[{index}]")))
        };
        Ok(Self { grants: grants.iter().enumerate().map(one).collect::<Result<_>>()?, names })
    }

    /// Names of services that grants stand for, with the grants' places in the list.
    pub(crate) fn services(&self) -> impl Iterator<Item = (usize, &str)> {
        self.grants.iter().enumerate().filter_map(|(index, (target, _))| match target {
            Target::Service { name, .. } => Some((index, name.as_str())),
            Target::Fixed(_) => None,
        })
    }

    /// The policy with the ports that services have now.
    ///
    /// # Errors
    /// Those of `port`.
    pub(crate) fn with_services(&self, port: impl Fn(&str) -> Result<u16>) -> Result<Reachable> {
        let mut grants = Vec::with_capacity(self.grants.len());
        for (target, attached) in &self.grants {
            let granted = match target {
                Target::Fixed(granted) => Arc::clone(granted),
                Target::Service { name, last } => {
                    let port = port(name)?;
                    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                    match &*last {
                        Some((known, granted)) if *known == port => Arc::clone(granted),
                        _ => {
                            let granted = Granted::new(Addresses::parse(&[format!("127.0.0.1:{port}")])?, &self.names);
                            let granted = Arc::new(granted);
                            *last = Some((port, Arc::clone(&granted)));
                            granted
                        }
                    }
                }
            };
            grants.push((granted, Arc::clone(attached)));
        }
        Ok(Reachable { grants })
    }
}

fn parse(grant: &HttpGrant, names: &Arc<dyn Resolver>) -> Result<(Target, Arc<Attached>)> {
    let target = match service(&grant.host) {
        Some(name) => Target::Service { name: name.to_owned(), last: Mutex::default() },
        None => {
            let addresses = Addresses::parse(&[&grant.host]).map_err(|error| match error {
                Error::InvalidInput { message, .. } => Error::invalid("host", message),
                other => other,
            })?;
            Target::Fixed(Arc::new(Granted::new(addresses, names)))
        }
    };
    // Both `NAME` and `secret://NAME` are understood: the field can hold nothing else.
    let name = |secret: &str| secrets::reference(secret).unwrap_or(secret).to_owned();
    let credential = grant.credential.as_ref().map(|credential| {
        Ok(match credential {
            Credential::Bearer { secret } => Attachment::Bearer { secret: name(secret) },
            Credential::Basic { username, secret } => {
                Attachment::Basic { username: username.clone(), secret: name(secret) }
            }
            Credential::OauthClientCredentials { token_url, client_id, secret, scope } => Attachment::Oauth(Box::new(
                TokenSource::new(token_url, client_id.clone(), name(secret), scope.clone())?,
            )),
            Credential::AwsSigv4 { region, service, secret } => {
                Attachment::Sigv4 { region: region.clone(), service: service.clone(), secret: name(secret) }
            }
        })
    });
    let credential = credential.transpose().map_err(|error: Error| error.in_field("credential"))?;
    Ok((target, Arc::new(Attached { credential, substitute_secrets: grant.substitute_secrets })))
}

/// The name in `${services.NAME.address}`.
fn service(host: &str) -> Option<&str> {
    host.strip_prefix("${services.")?.strip_suffix(".address}")
}

/// A policy at one moment: what a call may reach.
pub(crate) struct Reachable {
    grants: Vec<(Arc<Granted>, Arc<Attached>)>,
}

impl Reachable {
    /// The grant for a host: of those that allow it, the one that names it most closely, and of two alike the first.
    ///
    /// A grant that names the host exactly decides without looking it up. Otherwise the addresses decide: a name that
    /// resolves into a granted network is allowed by the network's grant, whatever `*` says about it.
    pub(super) async fn grant(&self, host: &Host, port: u16) -> std::result::Result<(&Granted, &Attached), Unresolved> {
        use crate::addresses::{Closeness, Denial};
        let mut candidates: Vec<_> = self
            .grants
            .iter()
            .filter_map(|(granted, attached)| Some((granted.addresses.closeness(host, port)?, granted, attached)))
            .collect();
        // Stable, so the order of the file is kept among equals.
        candidates.sort_by_key(|(closeness, ..)| std::cmp::Reverse(*closeness));
        let mut why = Unresolved::Denied(Denial::NotGranted, None);
        for (closeness, granted, attached) in candidates {
            let decided = match (closeness, host) {
                (Closeness::Exact, _) => {
                    granted.addresses.check_name(host, port).map_err(|denial| Unresolved::Denied(denial, None))
                }
                _ => addresses_of(host, port, &granted.addresses, &*granted.names).await.map(drop),
            };
            match decided {
                Ok(()) => return Ok((granted, attached)),
                Err(denied) => why = denied,
            }
        }
        if let (Host::Address(address), Unresolved::Denied(Denial::NotGranted, None)) = (host, &why) {
            // No list covers it; an empty one still knows what is never lent.
            if let Err(denial) = Addresses::default().check_address(host, port, *address) {
                why = Unresolved::Denied(denial, None);
            }
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::SystemResolver;

    fn grant(host: &str, credential: Option<Credential>) -> HttpGrant {
        HttpGrant { host: host.to_owned(), credential, substitute_secrets: false }
    }

    fn named(secret: &str) -> Option<Credential> {
        Some(Credential::Bearer { secret: secret.to_owned() })
    }

    async fn chosen(grants: &[HttpGrant], host: &str, port: u16) -> std::result::Result<Option<String>, Unresolved> {
        let reachable = Policy::parse(grants, Arc::new(SystemResolver)).unwrap().with_services(|_| Ok(8000)).unwrap();
        let (_, attached) = reachable.grant(&host.parse().unwrap(), port).await?;
        Ok(attached.credential.as_ref().map(|credential| match credential {
            Attachment::Bearer { secret } => secret.clone(),
            _ => "other".to_owned(),
        }))
    }

    #[tokio::test]
    async fn the_grant_that_names_a_host_most_closely_gives_its_credential() {
        let grants = [
            grant("*:*", None),
            grant("127.0.0.0/8:*", named("network")),
            grant("127.0.0.1:80", named("secret://address")),
            grant("localhost:443", named("localhost")),
            grant("${services.mlflow.address}", named("service")),
        ];
        for (host, port, secret) in [
            ("127.0.0.1", 80, Some("address")),
            ("127.0.0.1", 81, Some("network")),
            ("127.0.0.2", 80, Some("network")),
            ("127.0.0.1", 8000, Some("service")),
            ("localhost", 443, Some("localhost")),
            ("localhost", 81, Some("network")),
            ("93.184.216.34", 80, None),
        ] {
            assert_eq!(chosen(&grants, host, port).await.unwrap().as_deref(), secret, "{host}:{port}");
        }
    }

    #[tokio::test]
    async fn what_no_grant_covers_is_denied() {
        use crate::addresses::Denial;
        for (grants, host, denial) in [
            (vec![], "127.0.0.1", Denial::NotGranted),
            (vec![grant("*:*", None)], "127.0.0.1", Denial::NotPublic),
            (vec![grant("*:*", None)], "localhost", Denial::NotPublic),
            (vec![grant("*:*", None)], "169.254.169.254", Denial::Never),
            (vec![grant("db.internal:*", None)], "169.254.169.254", Denial::Never),
        ] {
            let found = chosen(&grants, host, 80).await.unwrap_err();
            assert!(matches!(found, Unresolved::Denied(found, _) if found == denial), "{host}: {found:?}");
        }
    }

    #[test]
    fn a_grant_that_cannot_be_read_is_refused_with_its_place() {
        let oauth = |token_url: &str| {
            let (token_url, client_id, secret) = (token_url.to_owned(), "id".to_owned(), "s".to_owned());
            Some(Credential::OauthClientCredentials { token_url, client_id, secret, scope: None })
        };
        for (wrong, field) in [
            (grant("db", None), "http[1].host"),
            (grant("${services.mlflow.url}", None), "http[1].host"),
            (grant("db:1", oauth("ftp://x")), "http[1].credential.token_url"),
        ] {
            let error = Policy::parse(&[grant("a:1", None), wrong], Arc::new(SystemResolver)).map(|_| ()).unwrap_err();
            assert!(matches!(&error, Error::InvalidInput { field: Some(found), .. } if found == field), "{error:?}");
        }
    }
}
