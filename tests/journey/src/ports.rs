//! Ports for servers that are about to start.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Result, bail};

/// Below what systems give to whoever asks for any port, and to connections: a server of Java takes half a minute until it listens,
/// and what the system has given to another by then it never gets. Below those that a host looks among for its services, too, and those
/// of a cluster's nodes.
const RANGE: Range<u16> = 12_000..20_000;

/// More than a test run ever holds.
const TRIES: usize = 1000;

/// A port that nobody listens on now, and that is given once.
///
/// # Errors
/// When the machine has none.
pub fn free_port() -> Result<u16> {
    free_port_at(Ipv4Addr::LOCALHOST)
}

/// A port that nobody listens on now at one of this machine's addresses, and that is given once.
///
/// # Errors
/// When the machine has none, or not the address.
pub fn free_port_at(address: Ipv4Addr) -> Result<u16> {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    // The system says in words what is wrong with an address.
    TcpListener::bind((address, 0))?;
    for attempt in 0..TRIES {
        // Hashed with a key that each call makes anew.
        let chance = RandomState::new().hash_one(attempt) % u64::from(RANGE.end - RANGE.start);
        let port = RANGE.start + u16::try_from(chance)?;
        let new = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        if new && TcpListener::bind((address, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("{address} has no free port between {} and {}", RANGE.start, RANGE.end)
}
