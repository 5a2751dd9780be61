//! Types as text, in Iceberg and in Arrow.
