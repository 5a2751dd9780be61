//! Functions by family, each in a file of its own.

use crate::engine::dialect::{Functions, Stock};

use super::{bits, bytes, format, json, moments, numeric, percentile, statistics, urls, words};

/// Of the engine's own functions, those that mean the same: Trino's names, the engine's.
const SAME: &[(&[&str], &str)] = &[
    (&["regr_slope"], "regr_slope"),
    (&["regr_intercept"], "regr_intercept"),
    (&["$bitwise_and_agg"], "bit_and"),
    (&["$bitwise_or_agg"], "bit_or"),
    (&["$bitwise_xor_agg"], "bit_xor"),
    (&["$slice"], "array_slice"),
];

/// Registers all; answers with the names of those that the engine should have had.
pub(super) fn register(all: &mut Functions, engine: &Stock) -> Vec<String> {
    let missing = engine.give(all, SAME);
    bits::register(all);
    bytes::register(all);
    format::register(all);
    json::register(all);
    moments::register(all);
    numeric::register(all);
    percentile::register(all);
    statistics::register(all);
    urls::register(all);
    words::register(all);
    missing
}
