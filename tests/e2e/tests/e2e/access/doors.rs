//! Addresses and certificates.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use asgard_journey::client::Client;
use asgard_journey::host::LIGHT;
use asgard_journey::ports::free_port;

use super::{ask, made};
use crate::world::{World, certify, refused, until};

/// Says what a host answers over HTTPS, trusting one certificate.
const ASK: &str = "
import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
connection = http.client.HTTPSConnection('localhost', int(sys.argv[2]), timeout=10, context=context)
connection.request('GET', '/health')
print(connection.getresponse().read().decode())
";

/// A host that is not asked over HTTP whether it is ready.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start(world: &World, data: &Path, address: &str, arguments: &[&str]) -> Self {
        let file = data.join("first-environment.toml");
        std::fs::write(&file, LIGHT).unwrap();
        let port = free_port().unwrap();
        let child = Command::new(&world.built().asgard)
            .args(["serve", "--listen", &format!("{address}:{port}"), "--data"])
            .arg(data)
            .args(["--plugins", world.built().plugins.to_str().unwrap()])
            .args(["--first-environment", file.to_str().unwrap()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("the host listens", Duration::from_secs(60), || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { child, port }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn elsewhere(world: &World) {
    let data = world.folder("access-elsewhere");
    let token = made(world, &data, &["remote", "--role", "viewer", "--new"]);
    let served = Served::start(world, &data, "0.0.0.0", &[]);
    let client = Client::new(format!("http://127.0.0.1:{}", served.port));
    refused(&client.send("GET", "/sink", None, &[]).unwrap(), 401);
    assert_eq!(ask(&client, &token, "GET", "/sink", None).status, 200);
}

pub(super) fn certified(world: &World) {
    let data = world.folder("access-tls");
    let (certificate, key) = (data.join("tls.crt"), data.join("tls.key"));
    certify(&data);
    let first = data.join("first.pem");
    std::fs::copy(&certificate, &first).unwrap();
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let served = Served::start(world, &data, "127.0.0.1", &files);
    let says = |trusted: &Path| {
        let arguments = [trusted.to_str().unwrap().to_owned(), served.port.to_string()];
        let output = Command::new(world.python()).args(["-c", ASK]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    until("the host answers", Duration::from_secs(180), || says(&first).contains("healthy").then_some(()));
    // Someone who connects and says nothing keeps nobody out.
    let silent = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    assert!(says(&first).contains("healthy"));
    drop(silent);

    std::fs::write(&key, "half of a renewal").unwrap();
    std::thread::sleep(Duration::from_secs(5));
    assert!(says(&first).contains("healthy"), "a file that cannot be used leaves the old certificate in place");
    certify(&data);
    until("the new certificate is shown", Duration::from_secs(60), || {
        says(&certificate).contains("healthy").then_some(())
    });
    assert!(!says(&first).contains("healthy"));
}

pub(super) fn uncertified(world: &World) {
    let data = world.folder("access-no-tls");
    certify(&data);
    let other = world.folder("access-other-tls");
    certify(&other);
    let (certificate, key) = (data.join("tls.crt"), other.join("tls.key"));
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let output = super::asgard(world, &data, &[&["serve", "--listen", "127.0.0.1:0"], &files[..]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("tls.key: it does not fit the certificate"), "{said}");
}
