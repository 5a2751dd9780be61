//! The plugin's logic against what real connectors wrote (`answers/`: airbyte-source-faker 7.2.1, and airbyte-cdk 7.39.1's runner of
//! low-code manifests), by processes that live in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends with the first thing that is not as it should be")]

mod describing;
mod reading;
mod recorded;
mod states;
