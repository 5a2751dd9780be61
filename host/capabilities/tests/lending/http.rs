use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use asgard_capabilities::http::{Credential, Request, Response};
use asgard_contract::{Error, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::host::TestHost;
use crate::server::{Received, Server};

fn get(url: &str) -> Request {
    Request { method: "GET".to_owned(), url: url.to_owned(), headers: Vec::new(), body: None, timeout_ms: 5000 }
}

fn post(url: &str, content_type: &str, body: &str) -> Request {
    let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
    Request { method: "POST".to_owned(), headers, body: Some(body.into()), ..get(url) }
}

async fn send(host: &TestHost, request: Request) -> Result<Response> {
    host.lent().http.unwrap().send(request).await
}

fn echo(received: &Received) -> (String, Vec<u8>) {
    (
        "200 OK\r\nx-seen: yes".to_owned(),
        format!("{}\n\n", received.head).into_bytes().into_iter().chain(received.body.clone()).collect(),
    )
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

const LOOPBACK: &str = r#"silver.grants.http = [{ host = "127.0.0.1:*" }]"#;

#[tokio::test]
async fn any_status_is_an_answer_and_connections_are_used_again() {
    let server = Server::start(|received| {
        let status =
            if received.line().contains("/missing") { "404 Not Found" } else { "200 OK\r\nX-Two: a\r\nX-Two: b" };
        (status.to_owned(), received.body.clone())
    })
    .await;
    let host = TestHost::new(LOOPBACK);
    for _ in 0..3 {
        let response = send(&host, post(&server.url("/p?q=1"), "text/plain", "body")).await.unwrap();
        assert_eq!((response.status, text(&response)), (200, "body"));
        let twos: Vec<_> =
            response.headers.iter().filter(|(name, _)| name == "x-two").map(|(_, value)| value.as_str()).collect();
        assert_eq!(twos, ["a", "b"]);
        assert_eq!(send(&host, get(&server.url("/missing"))).await.unwrap().status, 404);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn only_granted_hosts_are_reached() {
    let server = Server::start(echo).await;
    let host = TestHost::new(&format!(
        "silver.grants.http = [{{ host = \"127.0.0.1:{}\" }}, {{ host = \"*:443\" }}]",
        server.port
    ));
    assert_eq!(send(&host, get(&server.url("/"))).await.unwrap().status, 200);
    for (url, expected) in [
        ("http://127.0.0.1:1/", "add `127.0.0.1:1` to `silver.grants.http` of environment `test`"),
        ("http://2130706433:1/", "add `127.0.0.1:1`"),
        ("http://example.com/", "add `example.com:80`"),
        ("https://localhost/", "`localhost:443`"),
        ("https://169.254.169.254/", "never lent"),
        ("https://[::ffff:169.254.169.254]/", "never lent"),
    ] {
        let error = send(&host, get(url)).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{url}: {error:?}");
        assert!(error.to_string().contains(expected), "{url}: {error}");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn reasons_for_no_answer_are_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rude_port = rude.local_addr().unwrap().port();
    let talking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = rude.accept().await {
            let _ = stream.write_all(b"-ERR this is no HTTP\r\n\r\n").await;
        }
    });
    let host =
        TestHost::new(r#"silver.grants.http = [{ host = "127.0.0.1:*" }, { host = "no-such-host.invalid:80" }]"#);
    for (url, expected) in [
        (format!("http://127.0.0.1:{closed}/"), "the connection was refused: nothing listens on that port"),
        (format!("http://127.0.0.1:{silent_port}/"), "did not answer within 500 ms"),
        (format!("https://127.0.0.1:{rude_port}/"), "it does not speak TLS on this port"),
        (format!("http://127.0.0.1:{rude_port}/"), "did not answer as HTTP servers do"),
        ("http://no-such-host.invalid/".to_owned(), "host `no-such-host.invalid` is unknown"),
    ] {
        let error = send(&host, Request { timeout_ms: 500, ..get(&url) }).await.unwrap_err();
        assert!(error.is_retryable(), "{url}: {error:?}");
        assert!(error.to_string().contains(expected), "{url}: {error}");
    }
    talking.abort();
    drop(silent);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let port = crate::sockets::tls_server(&crate::sockets::self_signed("127.0.0.1")).await;
    let error = send(&TestHost::new(LOOPBACK), get(&format!("https://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(error.to_string().contains("an authority that is not trusted"), "{error}");
}

#[tokio::test]
async fn the_host_attaches_the_credential_and_the_plugin_cannot() {
    let server = Server::start(echo).await;
    for (credential, expected) in [
        (r#"{ type = "bearer", secret = "password" }"#, "authorization: Bearer pencil\n"),
        (
            r#"{ type = "basic", username = "ada", secret = "secret://password" }"#,
            "authorization: Basic YWRhOnBlbmNpbA==\n",
        ),
        (
            r#"{ type = "aws_sigv4", region = "eu-west-1", service = "s3", secret = "aws" }"#,
            "/eu-west-1/s3/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=",
        ),
    ] {
        let host =
            TestHost::new(&format!("silver.grants.http = [{{ host = \"127.0.0.1:*\", credential = {credential} }}]"));
        let response = send(&host, post(&server.url("/"), "text/plain", "x")).await.unwrap();
        assert!(text(&response).replace('\r', "").contains(expected), "{}", text(&response));

        let mut request = get(&server.url("/"));
        request.headers.push(("AUTHORIZATION".to_owned(), "mine".to_owned()));
        let error = send(&host, request).await.unwrap_err();
        assert!(error.to_string().contains("the grant's credential sets `authorization`"), "{error}");
    }
    let without = TestHost::new(LOOPBACK);
    let mut request = get(&server.url("/"));
    request.headers.push(("authorization".to_owned(), "mine".to_owned()));
    assert!(text(&send(&without, request).await.unwrap()).contains("authorization: mine"));
    for name in ["Host", "Content-Length", "Transfer-Encoding", "Connection", "bad name"] {
        let mut request = get(&server.url("/"));
        request.headers.push((name.to_owned(), "1".to_owned()));
        assert!(matches!(send(&without, request).await, Err(Error::InvalidInput { .. })), "{name}");
    }
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_when_it_is_refused() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let tokens = Server::start(move |received| {
        // A server that wants the client's name in the form.
        let body = String::from_utf8(received.body.clone()).unwrap();
        if body != "grant_type=client_credentials&scope=read&client_id=me&client_secret=pencil" {
            return ("401 Unauthorized".to_owned(), b"{\"error\":\"invalid_client\"}".to_vec());
        }
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        ("200 OK".to_owned(), format!("{{\"access_token\":\"t{number}\",\"expires_in\":3600}}").into_bytes())
    })
    .await;
    let api = Server::start(|received| {
        let revoked = received.line().contains("/second") && received.header("authorization") == Some("Bearer t1");
        (
            if revoked { "401 Unauthorized" } else { "200 OK" }.to_owned(),
            received.header("authorization").unwrap().into(),
        )
    })
    .await;
    let host = TestHost::new(&format!(
        "[[silver.grants.http]]\nhost = \"127.0.0.1:{}\"\n[silver.grants.http.credential]\n\
         type = \"oauth_client_credentials\"\ntoken_url = \"{}\"\nclient_id = \"me\"\nsecret = \"password\"\nscope = \"read\"",
        api.port,
        tokens.url("/token"),
    ));
    for (path, token) in
        [("/first", "Bearer t1"), ("/first", "Bearer t1"), ("/second", "Bearer t2"), ("/first", "Bearer t2")]
    {
        let response = send(&host, get(&api.url(path))).await.unwrap();
        assert_eq!((response.status, text(&response)), (200, token), "{path}");
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 2);
    // The token's server is the host's to reach, not the plugin's.
    assert!(matches!(send(&host, get(&tokens.url("/token"))).await, Err(Error::Forbidden { .. })));
}

#[tokio::test]
async fn a_client_that_the_token_server_does_not_know_is_unauthenticated() {
    let tokens = Server::start(|_| ("401 Unauthorized".to_owned(), b"{\"error\":\"invalid_client\"}".to_vec())).await;
    let host = TestHost::new(&format!(
        "silver.grants.http = [{{ host = \"127.0.0.1:1\", credential = {{ type = \"oauth_client_credentials\", \
         token_url = \"{}\", client_id = \"me\", secret = \"password\" }} }}]",
        tokens.url("/"),
    ));
    let error = send(&host, get("http://127.0.0.1:1/")).await.unwrap_err();
    assert!(
        matches!(error, Error::Unauthenticated { .. }) && error.to_string().contains("invalid_client"),
        "{error:?}"
    );
}

#[tokio::test]
async fn redirects_stay_within_granted_hosts_and_leave_secrets_behind() {
    let other = Server::start(echo).await;
    let elsewhere = other.url("/there");
    let server = Server::start(move |received| match received.line().split(' ').nth(1).unwrap() {
        "/near" => ("302 Found\r\nlocation: /here".to_owned(), Vec::new()),
        "/far" => (format!("307 Temporary Redirect\r\nlocation: {elsewhere}"), Vec::new()),
        "/away" => ("302 Found\r\nlocation: http://example.com:81/".to_owned(), Vec::new()),
        "/circle" => ("302 Found\r\nlocation: /circle".to_owned(), Vec::new()),
        _ => echo(received),
    })
    .await;
    let host = TestHost::new(&format!(
        "silver.grants.http = [{{ host = \"127.0.0.1:{}\" }}, {{ host = \"127.0.0.1:{}\", credential = {{ type = \"bearer\", secret = \"password\" }} }}]",
        server.port, other.port
    ));
    let mut request = post(&server.url("/near"), "text/plain", "body");
    request.headers.push(("cookie".to_owned(), "a=b".to_owned()));
    let near = send(&host, request.clone()).await.unwrap();
    assert!(
        text(&near).starts_with("GET /here") && text(&near).contains("cookie: a=b") && !text(&near).contains("body")
    );

    request.url = server.url("/far");
    let far = send(&host, request).await.unwrap();
    assert!(text(&far).starts_with("POST /there") && text(&far).ends_with("body"), "{}", text(&far));
    assert!(!text(&far).contains("a=b") && text(&far).contains("authorization: Bearer pencil"));

    let error = send(&host, get(&server.url("/away"))).await.unwrap_err();
    assert!(error.to_string().contains("add `example.com:81` to `silver.grants.http`"), "{error}");
    let error = send(&host, get(&server.url("/circle"))).await.unwrap_err();
    assert!(error.to_string().contains("redirects in a circle"), "{error}");
}

#[tokio::test]
async fn bodies_are_bounded_both_ways() {
    let server = Server::start(|received| ("200 OK".to_owned(), vec![0; received.line().len() * 100])).await;
    let host = TestHost::new(&format!("limits.http_body_bytes = 2000\n{LOOPBACK}"));
    assert_eq!(send(&host, get(&server.url("/"))).await.unwrap().body.len(), 1400);
    let error = send(&host, get(&server.url("/longer-path"))).await.unwrap_err();
    assert!(error.to_string().contains("larger than 2000 bytes"), "{error}");
    let error = send(&host, post(&server.url("/"), "text/plain", &"x".repeat(2001))).await.unwrap_err();
    assert!(matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == "body"), "{error:?}");
}

#[tokio::test]
async fn secrets_are_put_into_bodies_by_grant_only() {
    let server = Server::start(echo).await;
    for (granted, expected) in [(true, r#"{"p":"pencil"}"#), (false, r#"{"p":"secret://password"}"#)] {
        let grants = format!("silver.grants.http = [{{ host = \"127.0.0.1:*\", substitute_secrets = {granted} }}]");
        let request = post(&server.url("/"), "application/json", r#"{"p":"secret://password"}"#);
        let response = send(&TestHost::new(&grants), request).await.unwrap();
        assert!(text(&response).ends_with(expected), "{}", text(&response));
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_with_the_field() {
    let host = TestHost::new(LOOPBACK);
    for (request, wrong) in [
        (get("/relative"), "url"),
        (get("ftp://127.0.0.1/"), "url"),
        (get("http://ada:pencil@127.0.0.1/"), "url"),
        (Request { method: "G ET".to_owned(), ..get("http://127.0.0.1/") }, "method"),
        (Request { method: "CONNECT".to_owned(), ..get("http://127.0.0.1/") }, "method"),
        (Request { headers: vec![("x".to_owned(), "a\r\nb: c".to_owned())], ..get("http://127.0.0.1/") }, "headers[0]"),
    ] {
        let error = send(&host, request).await.unwrap_err();
        assert!(
            matches!(&error, Error::InvalidInput { field: Some(field), .. } if field == wrong),
            "{wrong}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_closed_its_connection_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        // One answer a connection, without saying so.
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    });
    let host = TestHost::new(LOOPBACK);
    for _ in 0..20 {
        assert_eq!(send(&host, get(&format!("http://127.0.0.1:{port}/"))).await.unwrap().body, b"ok");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    serving.abort();
}

fn bearer(secret: &str) -> Credential {
    Credential::Bearer { secret: secret.to_owned() }
}

async fn send_as(host: &TestHost, request: Request, credential: Credential) -> Result<Response> {
    host.lent().http.unwrap().send_as(request, credential).await
}

#[tokio::test]
async fn a_credential_that_a_plugin_names_is_attached_by_the_host() {
    let server = Server::start(echo).await;
    let host = TestHost::new(r#"silver.grants.http = [{ host = "127.0.0.1:*", substitute_secrets = true }]"#);
    let seen = send_as(&host, get(&server.url("/")), bearer("secret://password")).await.unwrap();
    assert!(text(&seen).to_lowercase().contains("authorization: bearer pencil"), "{}", text(&seen));
    let basic = Credential::Basic { username: "ada".to_owned(), secret: "secret://password".to_owned() };
    let seen = send_as(&host, get(&server.url("/")), basic).await.unwrap();
    assert!(text(&seen).contains("Basic YWRhOnBlbmNpbA=="), "{}", text(&seen));

    let plain = send_as(&host, get(&server.url("/")), bearer("hunter2")).await.unwrap_err();
    assert!(!plain.to_string().contains("hunter2"), "{plain}");
    let mut taken = get(&server.url("/"));
    taken.headers.push(("Authorization".to_owned(), "mine".to_owned()));
    let error = send_as(&host, taken, bearer("secret://password")).await.unwrap_err();
    assert!(error.to_string().contains("`authorization`"), "{error}");
}

#[tokio::test]
async fn a_secret_goes_to_a_server_as_it_is_only_by_grant_and_a_signature_without() {
    let server = Server::start(echo).await;
    let host = TestHost::new(LOOPBACK);
    let key = |session_token: Option<&str>| Credential::AwsSigv4 {
        access_key_id: "AKID".to_owned(),
        secret_access_key: "secret://password".to_owned(),
        session_token: session_token.map(str::to_owned),
        region: "eu-west-1".to_owned(),
        service: "s3".to_owned(),
    };
    for credential in [bearer("secret://password"), key(Some("secret://password"))] {
        let error = send_as(&host, get(&server.url("/")), credential).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
        assert!(error.to_string().contains("substitute_secrets"), "{error}");
    }
    let signed = send_as(&host, get(&server.url("/b/k")), key(None)).await.unwrap();
    let signed = text(&signed);
    assert!(signed.contains("Credential=AKID/") && signed.contains("/eu-west-1/s3/aws4_request"), "{signed}");
    assert!(!signed.contains("pencil"), "{signed}");

    let own =
        r#"silver.grants.http = [{ host = "127.0.0.1:*", credential = { type = "bearer", secret = "password" } }]"#;
    let error = send_as(&TestHost::new(own), get(&server.url("/")), key(None)).await.unwrap_err();
    assert!(error.to_string().contains("the grant has a credential"), "{error}");
}

#[tokio::test]
async fn a_redirect_to_another_origin_goes_without_the_credential() {
    let other = Server::start(echo).await;
    let target = other.url("/there");
    let server = Server::start(move |_| (format!("302 Found\r\nLocation: {target}"), Vec::new())).await;
    let host = TestHost::new(r#"silver.grants.http = [{ host = "127.0.0.1:*", substitute_secrets = true }]"#);
    let seen = send_as(&host, get(&server.url("/")), bearer("secret://password")).await.unwrap();
    assert!(text(&seen).contains("/there") && !text(&seen).contains("pencil"), "{}", text(&seen));
}
