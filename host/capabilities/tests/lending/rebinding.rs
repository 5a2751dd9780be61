//! Names whose addresses change between the look and the connection, or lead where nobody may go.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asgard_capabilities::Resolver;
use asgard_capabilities::http::Request;
use asgard_contract::{Error, Result};
use async_trait::async_trait;

use crate::host::TestHost;
use crate::server::Server;

/// Public, and for us nobody's: nothing is ever sent there, because the answer to the next question is another one.
const PUBLIC: &str = "93.184.216.34";

/// Answers each question with the next of its addresses, and goes on with the last.
struct Answers {
    addresses: Vec<IpAddr>,
    asked: AtomicUsize,
}

impl Answers {
    fn of(addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self { addresses, asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Answers {
    async fn lookup(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst).min(self.addresses.len() - 1);
        Ok(vec![SocketAddr::new(self.addresses[asked], port)])
    }
}

async fn get(host: &TestHost, name: &str, port: u16) -> Result<u16> {
    let url = format!("http://{name}:{port}/");
    let request = Request { method: "GET".to_owned(), url, headers: Vec::new(), body: None, timeout_ms: 5000 };
    host.lent().http.unwrap().send(request).await.map(|response| response.status)
}

#[tokio::test]
async fn a_name_that_turns_private_after_the_look_is_not_connected_to() {
    let server = Server::start(|_| ("200 OK".to_owned(), Vec::new())).await;
    let grants = format!(r#"silver.grants.http = [{{ host = "*.example.com:{}" }}]"#, server.port);
    let names = Answers::of(&[PUBLIC, "127.0.0.1"]);
    let host = TestHost::resolving(names.clone(), &grants);
    let error = get(&host, "rebinds.example.com", server.port).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
    assert!(error.to_string().contains("(127.0.0.1), which is no public address"), "{error}");
    assert_eq!(names.asked.load(Ordering::SeqCst), 2, "once for the grant, once for the connection");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_was_named_is_connected_to_where_it_leads() {
    let server = Server::start(|_| ("200 OK".to_owned(), Vec::new())).await;
    let grants = format!(r#"silver.grants.http = [{{ host = "inside.example.com:{}" }}]"#, server.port);
    let host = TestHost::resolving(Answers::of(&["127.0.0.1"]), &grants);
    assert_eq!(get(&host, "inside.example.com", server.port).await.unwrap(), 200);
}

#[tokio::test]
async fn a_socket_goes_to_an_address_that_was_looked_at() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let grants = format!(r#"silver.grants.sockets = ["*.example.com:{port}"]"#);
    let host = TestHost::resolving(Answers::of(&["127.0.0.1"]), &grants);
    let sockets = host.lent().sockets.unwrap();
    let error = sockets.connect("rebinds.example.com", port, 2000).await.map(drop).unwrap_err();
    assert!(error.to_string().contains("(127.0.0.1), which is no public address"), "{error}");
    let accepted = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "nobody connected");
}

#[tokio::test]
async fn no_name_leads_to_a_metadata_service_even_one_that_is_granted_by_name() {
    let grants = r#"
        silver.grants.http = [{ host = "metadata.example.com:80" }, { host = "*:80" }, { host = "0.0.0.0/0:80" }]
        silver.grants.sockets = ["metadata.example.com:80", "*:80", "0.0.0.0/0:80"]
    "#;
    let addresses = [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "100.100.100.200",
    ];
    for address in addresses {
        let host = TestHost::resolving(Answers::of(&[address]), grants);
        let by_http = get(&host, "metadata.example.com", 80).await.unwrap_err();
        let sockets = host.lent().sockets.unwrap();
        let by_socket = sockets.connect("metadata.example.com", 80, 2000).await.map(drop).unwrap_err();
        for error in [by_http, by_socket] {
            assert!(matches!(error, Error::Forbidden { .. }), "{address}: {error:?}");
            assert!(error.to_string().contains("metadata services are never lent"), "{address}: {error}");
        }
    }
}
