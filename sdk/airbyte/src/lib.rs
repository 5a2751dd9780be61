//! Airbyte's streams and JSON Schemas as the contract's: what the plugins `airbyte` (an Airbyte server) and `airbyte-protocol` (its
//! connectors, without one) have in common, so that a source has the same columns whichever of them reads it.

#[expect(missing_docs, reason = "variants are named as the contract's types are")]
pub mod shape;

pub mod schema;
pub mod stream;
