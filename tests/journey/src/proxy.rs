//! A network between a client and a server of this machine, which breaks after so many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Result;

/// Passes connections on while bytes are left.
pub struct Proxy {
    port: u16,
    left: Arc<AtomicI64>,
}

impl Proxy {
    /// Passes on to a port of this machine.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let shared = Arc::clone(&left);
        // Ends with the process: nobody connects to it after its test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let left = Arc::clone(&shared);
                    std::thread::spawn(move || pump(from, to, &left));
                }
            }
        });
        Ok(Self { port, left })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The network breaks after so many bytes in both directions together.
    pub fn break_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Nothing breaks any more.
    pub fn mend(&self) {
        self.break_after(i64::MAX);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, left: &AtomicI64) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let before = left.fetch_sub(length as i64, Ordering::SeqCst);
        // A piece is cut where the bytes end.
        let passed = before.clamp(0, length as i64) as usize;
        if to.write_all(&buffer[..passed]).is_err() || passed < length {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
