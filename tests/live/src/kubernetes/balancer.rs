//! Gives services of type LoadBalancer their addresses, as a cloud does. The node's proxy answers on them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::client::Client;

/// How often services are looked at: clouds take longer.
const EVERY: Duration = Duration::from_millis(500);

/// Watches services until it is dropped.
pub(super) struct Balancer {
    ends: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Balancer {
    pub(super) fn start(client: Client, addresses: Vec<Ipv4Addr>) -> Self {
        let (ends, ended) = channel();
        let thread = std::thread::spawn(move || {
            // Ends when the other side is dropped.
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = balance(&client, &addresses) {
                    eprintln!("load balancers: {error:#}");
                }
            }
        });
        Self { ends: Some(ends), thread: Some(thread) }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn balance(client: &Client, addresses: &[Ipv4Addr]) -> Result<()> {
    let services = client.find("/api/v1/services")?.unwrap_or_default();
    let mut taken = BTreeSet::new();
    let mut waiting = Vec::new();
    for service in services["items"].as_array().into_iter().flatten() {
        if service["spec"]["type"] != "LoadBalancer" {
            continue;
        }
        match service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str() {
            Some(address) => _ = taken.insert(address.to_owned()),
            None => waiting.push(&service["metadata"]),
        }
    }
    let free = addresses.iter().map(Ipv4Addr::to_string).filter(|address| !taken.contains(address));
    for (service, address) in waiting.into_iter().zip(free) {
        let [namespace, name] = ["namespace", "name"].map(|field| service[field].as_str().unwrap_or_default());
        client.merge(
            &format!("/api/v1/namespaces/{namespace}/services/{name}/status"),
            &json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}),
        )?;
    }
    Ok(())
}
