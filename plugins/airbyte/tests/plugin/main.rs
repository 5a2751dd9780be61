//! The plugin's logic against an Airbyte that lives in memory. Its answers have the form of Airbyte's published API description; that
//! requests and answers fit it is checked by the live tests, whose server is made from that description.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the first thing that is not as it should be")]

mod inventory;
mod jobs;
mod reset;
mod server;
mod sources;
mod trial;
