//! Whether a service answers.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Whether a GET of `path` on this machine's `port` is answered with 200 within `limit`.
///
/// A connection for each look: one that is kept open would say that the service lives, not that it still accepts.
pub(super) async fn answers(port: u16, path: &str, limit: Duration) -> bool {
    tokio::time::timeout(limit, get(port, path)).await.ok().flatten() == Some(http::StatusCode::OK)
}

async fn get(port: u16, path: &str) -> Option<http::StatusCode> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = http::Request::get(path)
        .header(http::header::HOST, format!("127.0.0.1:{port}"))
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    // Both ends of the exchange are driven here, so nothing is left running when the limit ends it.
    tokio::select! {
        response = sender.send_request(request) => response.ok().map(|response| response.status()),
        _ = connection => None,
    }
}
