//! A port of this machine that pods reach, for a server that listens on loopback alone.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;
use asgard_journey::ports::free_port_at;

/// Answers at `address` for the server at `port` of loopback, as long as the process lives; gives the port there.
///
/// # Errors
/// Those of the system.
pub fn at(address: Ipv4Addr, port: u16) -> Result<u16> {
    let outside = free_port_at(address)?;
    let listener = TcpListener::bind((address, outside))?;
    thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            thread::spawn(move || {
                // A caller finds its connection closed when there is nobody.
                let _ended = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|server| join(caller, server));
            });
        }
    });
    Ok(outside)
}

/// Copies both ways until both have ended.
fn join(caller: TcpStream, server: TcpStream) -> io::Result<()> {
    let (from_caller, to_server) = (caller.try_clone()?, server.try_clone()?);
    let forth = thread::spawn(move || copy(from_caller, to_server));
    copy(server, caller)?;
    forth.join().unwrap_or(Ok(()))
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    // The other side may have closed it already.
    let _closed = to.shutdown(Shutdown::Write);
    copied.map(drop)
}
