//! A network between a client and a server of this machine, which breaks or stands still after so many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Result;

/// How soon what stands still notices that it may go on.
const LOOK: Duration = Duration::from_millis(5);

/// Passes connections on while bytes are left.
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// All connections together.
struct Line {
    left: AtomicI64,
    /// Whether connections are kept when no bytes are left.
    holds: AtomicBool,
}

impl Proxy {
    /// Passes on to a port of this machine.
    ///
    /// # Errors
    /// When no port is free.
    pub fn start(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let line = Arc::new(Line { left: AtomicI64::new(i64::MAX), holds: AtomicBool::new(false) });
        let shared = Arc::clone(&line);
        // Ends with the process: nobody connects to it after its test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { continue };
                    let line = Arc::clone(&shared);
                    std::thread::spawn(move || pump(from, to, &line));
                }
            }
        });
        Ok(Self { port, line })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The network breaks after so many bytes in both directions together. What stood still breaks now.
    pub fn break_after(&self, bytes: i64) {
        self.line.left.store(bytes, Ordering::SeqCst);
        self.line.holds.store(false, Ordering::SeqCst);
    }

    /// The network stands still after so many bytes in both directions together, until it breaks.
    pub fn hold_after(&self, bytes: i64) {
        self.line.holds.store(true, Ordering::SeqCst);
        self.line.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether all of its bytes are used up.
    pub fn is_used_up(&self) -> bool {
        self.line.left.load(Ordering::SeqCst) <= 0
    }

    /// How many bytes have passed since the network was mended the last time.
    pub fn passed(&self) -> i64 {
        i64::MAX - self.line.left.load(Ordering::SeqCst)
    }

    /// Nothing breaks any more.
    pub fn mend(&self) {
        self.break_after(i64::MAX);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, line: &Line) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let before = line.left.fetch_sub(length as i64, Ordering::SeqCst);
        // A piece is cut where the bytes end.
        let passed = before.clamp(0, length as i64) as usize;
        if to.write_all(&buffer[..passed]).is_err() {
            break;
        }
        if passed < length {
            while line.holds.load(Ordering::SeqCst) {
                std::thread::sleep(LOOK);
            }
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
