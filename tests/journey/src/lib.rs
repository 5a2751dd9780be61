//! The journey from raw tables to a served model, as the demo, the tests and the benchmarks run it.
