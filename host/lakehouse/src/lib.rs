//! lakehouse
