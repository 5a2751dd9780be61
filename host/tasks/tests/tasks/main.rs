//! Tasks by behaviour, through the crate's surface, on real stores.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod cancelling;
mod clocks;
mod following;
mod giving_up;
mod host;
mod hosts;
mod limiting;
mod retrying;
mod scheduling;
mod surviving;
