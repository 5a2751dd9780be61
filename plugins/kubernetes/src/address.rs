//! Where a model is reached.

use asgard_sdk::Result;
use asgard_sdk::kubernetes::Reference;
use asgard_sdk::serving::Outcome;
use asgard_workloads::cluster::{Cluster, number, text};
use serde_json::Value;

use crate::configuration::{Configuration, Kind};
use crate::manifest;

/// The URL, once there is one.
///
/// # Errors
/// Those of the cluster.
pub fn of(
    cluster: &dyn Cluster,
    name: &str,
    namespace: &str,
    configuration: &Configuration,
) -> Result<Option<Outcome>> {
    let asked = &configuration.service;
    let service = || cluster.find(&Reference::new("v1", "Service", namespace, name));
    Ok(match asked.kind {
        Kind::LoadBalancer => service()?.as_ref().and_then(balanced).map(|(host, ip)| Outcome {
            url: url("http", &host, asked.port),
            // Some clouds have a name in place of an address.
            external_ip: Some(ip.unwrap_or(host)),
        }),
        Kind::ClusterIP => {
            Some(Outcome { url: url("http", &format!("{name}.{namespace}.svc"), asked.port), external_ip: None })
        }
        Kind::NodePort => {
            let port = service()?.map(|service| number(&service, "/spec/ports/0/nodePort")).unwrap_or_default();
            let port = u16::try_from(port).ok().filter(|port| *port > 0);
            port.zip(asked.node_address.as_ref())
                .map(|(port, node)| Outcome { url: url("http", node, port), external_ip: Some(node.clone()) })
        }
        Kind::Ingress => {
            let ingress = cluster.find(&Reference::new("networking.k8s.io/v1", "Ingress", namespace, name))?;
            let scheme = if asked.tls_secret.is_some() { "https" } else { "http" };
            let address = ingress.as_ref().and_then(balanced).map(|(host, ip)| ip.unwrap_or(host));
            ingress
                .and(manifest::host(name, configuration))
                .map(|host| Outcome { url: format!("{scheme}://{host}"), external_ip: address })
        }
    })
}

/// The first address of a load balancer: what it is reached by, and its IP if that is one.
fn balanced(resource: &Value) -> Option<(String, Option<String>)> {
    let first = resource.pointer("/status/loadBalancer/ingress/0")?;
    match (text(first, "/ip"), text(first, "/hostname")) {
        ("", "") => None,
        ("", host) => Some((host.to_owned(), None)),
        (ip, _) => Some((ip.to_owned(), Some(ip.to_owned()))),
    }
}

fn url(scheme: &str, host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == 80 { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{port}") }
}
