//! Tasks by behaviour, through the crate's surface, on real stores.

mod cancelling;
mod following;
mod host;
mod retrying;
mod scheduling;
mod surviving;
