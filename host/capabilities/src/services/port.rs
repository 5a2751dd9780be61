//! Ports for services.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use asgard_contract::{Error, Result};
use rand::Rng as _;

/// Below the ports that systems hand out for outgoing connections, above those of well-known servers: a port from here
/// stays free while its service restarts.
const RANGE: RangeInclusive<u16> = 20_000..=29_999;

/// Whether nobody listens on the port now.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port that is none of `taken`. At random, so that two hosts of one machine seldom choose alike.
pub(super) fn pick(taken: impl Fn(u16) -> bool) -> Result<u16> {
    let mut random = rand::rng();
    let candidates = std::iter::repeat_with(|| random.random_range(RANGE)).take(1000);
    candidates.into_iter().find(|port| !taken(*port) && is_free(*port)).ok_or_else(|| {
        Error::unavailable(format!("no port between {} and {} is free for a service", RANGE.start(), RANGE.end()))
    })
}
