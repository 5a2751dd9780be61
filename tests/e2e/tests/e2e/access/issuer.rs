//! Tokens of an OpenID Connect issuer, which this test is.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::{STARTED_WITH, ask, closed, sink};
use crate::world::{World, refused, until};

struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair }
    }

    fn listed(&self) -> Value {
        // 4, then both coordinates.
        let point = self.pair.public_key().as_ref();
        let encoded = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": encoded(&point[1..33]), "y": encoded(&point[33..65])})
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.id});
        let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Answers with its discovery document and its keys, for as long as the test runs.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys: Arc<Mutex<Vec<Value>>> = Arc::default();
        let issuer = Self { url: url.clone(), keys: Arc::clone(&keys) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                while lines.next().is_some_and(|line| !line.is_empty()) {}
                let body = match first.split(' ').nth(1) {
                    Some("/.well-known/openid-configuration") => {
                        json!({"issuer": url, "jwks_uri": format!("{url}/keys")})
                    }
                    _ => json!({"keys": *keys.lock().unwrap()}),
                }
                .to_string();
                let _ = write!(
                    &stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        issuer
    }

    fn claims(&self, subject: &str, groups: &[&str]) -> Value {
        json!({"iss": self.url, "aud": "asgard", "sub": subject, "exp": now() + 600, "groups": groups})
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub(super) fn trusted(world: &World) {
    let issuer = Issuer::start();
    let (first, second, foreign) = (Key::new("first"), Key::new("second"), Key::new("first"));
    *issuer.keys.lock().unwrap() = vec![first.listed(), json!({"kty": "of tomorrow"})];
    let file = world.folder("access-issuer-file").join("oidc.toml");
    let text = format!(
        "issuer = \"{}\"\naudience = [\"asgard\"]\nclock_skew_seconds = 5\n\
         [[grant]]\nvalue = \"data\"\nrole = \"operator\"\nenvironments = [\"local\"]\n\
         [[grant]]\nvalue = \"everyone\"\nrole = \"viewer\"\n",
        issuer.url
    );
    std::fs::write(&file, text).unwrap();
    let host = closed(world, "access-issuer", &["--oidc", file.to_str().unwrap()]);
    let client = host.client();

    let ada = first.sign(&issuer.claims("ada", &["data", "everyone"]));
    let me = ask(&client, &ada, "GET", "/access/me", None).body;
    assert_eq!(me["who"], "oidc:ada", "{me}");
    let grants = json!([{"role": "operator", "environments": ["local"]}, {"role": "viewer", "environments": null}]);
    assert_eq!(me["grants"], grants);
    assert_eq!(ask(&client, &ada, "POST", "/sink", Some(&sink("of ada"))).status, 201);
    refused(&ask(&client, &ada, "GET", "/secrets", None), 403);
    let entries = ask(&client, STARTED_WITH, "GET", "/access/audit?who=oidc:ada", None).body;
    assert_eq!(entries["total"], 2, "{entries}");

    let bob = first.sign(&issuer.claims("bob", &["other"]));
    assert!(refused(&ask(&client, &bob, "GET", "/sink", None), 403).contains("oidc:bob has nothing"));

    let changed = |name: &str, value: Value| {
        let mut claims = issuer.claims("ada", &["data"]);
        claims[name] = value;
        first.sign(&claims)
    };
    let unsigned = |algorithm: &str| {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "kid": "first"}).to_string());
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(issuer.claims("ada", &["data"]).to_string()))
    };
    for (token, said) in [
        (changed("exp", json!(now() - 60)), "expired"),
        (changed("nbf", json!(now() + 60)), "has not come"),
        (changed("exp", json!("never")), "exp"),
        (changed("aud", json!(["other"])), "audience"),
        (changed("iss", json!("http://127.0.0.1:1")), "issuer"),
        (changed("sub", json!("")), "`sub`"),
        (foreign.sign(&issuer.claims("ada", &["data"])), "no key of"),
        (unsigned("none"), "no token"),
        (unsigned("HS256"), "signed in a way"),
        ("a.b.c".to_owned(), "no token"),
    ] {
        let detail = refused(&ask(&client, &token, "GET", "/sink", None), 401);
        assert!(detail.contains(said), "{said}: {detail}");
    }
    assert_eq!(ask(&client, &changed("exp", json!(now() - 2)), "GET", "/sink", None).status, 200, "clocks may differ");

    let eve = second.sign(&issuer.claims("eve", &["everyone"]));
    refused(&ask(&client, &eve, "GET", "/sink", None), 401);
    *issuer.keys.lock().unwrap() = vec![first.listed(), second.listed()];
    until("a new key is known", Duration::from_secs(60), || {
        (ask(&client, &eve, "GET", "/sink", None).status == 200).then_some(())
    });
    assert_eq!(ask(&client, &ada, "GET", "/sink", None).status, 200);
}

pub(super) fn away(world: &World) {
    let file = world.folder("access-away-file").join("oidc.toml");
    let text = "issuer = \"http://127.0.0.1:9\"\naudience = [\"asgard\"]\n[[grant]]\nvalue = \"a\"\nrole = \"admin\"\n";
    std::fs::write(&file, text).unwrap();
    let host = closed(world, "access-away", &["--oidc", file.to_str().unwrap()]);
    let client = host.client();
    let token =
        Key::new("any").sign(&json!({"iss": "http://127.0.0.1:9", "aud": "asgard", "sub": "x", "exp": now() + 60}));
    let answer = ask(&client, &token, "GET", "/sink", None);
    assert!(refused(&answer, 503).contains("http://127.0.0.1:9"));
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(ask(&client, STARTED_WITH, "GET", "/sink", None).status, 200, "other tokens do not need the issuer");
}
