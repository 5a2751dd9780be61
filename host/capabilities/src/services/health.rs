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
    // Both ends of the exchange are driven here, so nothing is left running when the limit ends it. A server that closes the
    // connection with its answer ends both at once: the answer counts, whichever is seen first.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let response = tokio::select! {
        response = &mut answer => response,
        _ = connection => answer.await,
    };
    response.ok().map(|response| response.status())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers each connection with this text and closes it.
    async fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1000]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    #[tokio::test]
    async fn an_answer_counts_though_the_connection_ends_with_it() {
        let port = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await;
        for _ in 0..200 {
            assert!(answers(port, "/health", Duration::from_secs(10)).await);
        }
    }

    #[tokio::test]
    async fn another_status_no_answer_and_nobody_are_no_answer() {
        let limit = Duration::from_secs(10);
        let busy = server("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert!(!answers(busy, "/health", limit).await);
        assert!(!answers(server("").await, "/health", limit).await);
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
        assert!(!answers(nobody, "/health", limit).await);
    }
}
