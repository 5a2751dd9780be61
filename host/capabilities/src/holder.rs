//! Who holds what was lent: named in every span and every denial.

use std::future::Future;

use asgard_contract::environment::{Environment, Grants};
use asgard_contract::manifest::Role;
use asgard_contract::{Error, Result};
use tracing::{Instrument, field};

use crate::addresses::{Denial, Host};
use crate::lender::Caller;

/// A caller and the place of its grants in the environment file.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) caller: Caller,
    /// `silver`, `ingestion[0]`.
    binding: String,
}

impl Holder {
    pub(crate) fn new(caller: Caller, environment: &Environment, grants: &Grants) -> Self {
        let mut places = Vec::new();
        for role in Role::ALL {
            for (index, binding) in environment.bindings(role).into_iter().enumerate() {
                if binding.plugin == caller.plugin && binding.grants == *grants {
                    places.push(match role {
                        Role::Ingestion => format!("ingestion[{index}]"),
                        _ => role.to_string(),
                    });
                }
            }
        }
        let binding = if places.is_empty() { "the binding".to_owned() } else { places.join(" and ") };
        Self { caller, binding }
    }

    #[cfg(test)]
    pub(crate) fn for_test(plugin: &str) -> Self {
        let caller = Caller {
            environment: "test".to_owned(),
            plugin: plugin.to_owned(),
            version: "0.1.0".to_owned(),
            task: "task-1".to_owned(),
        };
        Self { caller, binding: "silver".to_owned() }
    }

    /// `silver.grants.sockets`, for texts.
    pub(crate) fn grant(&self, name: &str) -> String {
        format!("`{}.grants.{name}` of environment `{}`", self.binding, self.caller.environment)
    }

    /// A denial that says what to add where.
    pub(crate) fn forbidden(&self, act: &str, grant: &str, addition: &str) -> Error {
        Error::forbidden(format!("plugin `{}` may not {act}: {addition} {}", self.caller.plugin, self.grant(grant)))
    }

    /// A denial of an address.
    pub(crate) fn unreachable(
        &self,
        denial: Denial,
        host: &Host,
        port: u16,
        resolved: Option<std::net::IpAddr>,
        grant: &str,
    ) -> Error {
        let target = format!("{host}:{port}");
        let via = match (resolved, host) {
            (Some(address), Host::Name(_)) => format!(" ({address})"),
            _ => String::new(),
        };
        match denial {
            Denial::NotGranted | Denial::NotPublic if resolved.is_none() || denial == Denial::NotGranted => {
                self.forbidden(&format!("reach `{target}`{via}"), grant, &format!("add `{target}` to"))
            }
            Denial::NotGranted | Denial::NotPublic => self.forbidden(
                &format!("reach `{target}`{via}, which is no public address"),
                grant,
                &format!("a pattern with `*` covers public addresses only; if this one is meant, add `{target}` to"),
            ),
            Denial::Never => Error::forbidden(format!(
                "plugin `{}` may not reach `{target}`{via}: link-local addresses and metadata services are never lent",
                self.caller.plugin
            )),
        }
    }

    /// Runs one use of a capability in its span; the decision is known when it ends.
    pub(crate) async fn using<T>(
        &self,
        capability: &'static str,
        act: &'static str,
        target: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let span = tracing::info_span!(
            "capability",
            capability,
            act,
            target,
            environment = %self.caller.environment,
            plugin = %self.caller.plugin,
            version = %self.caller.version,
            task = %self.caller.task,
            decision = field::Empty,
        );
        async {
            let result = work.await;
            let decision = match &result {
                Ok(_) => "allowed",
                Err(Error::Forbidden { message }) => {
                    tracing::warn!(message, "denied");
                    "denied"
                }
                Err(error) => {
                    tracing::debug!(%error, "failed");
                    "allowed"
                }
            };
            tracing::Span::current().record("decision", decision);
            result
        }
        .instrument(span)
        .await
    }
}
