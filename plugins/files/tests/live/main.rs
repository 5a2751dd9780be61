//! The connector as the host runs it: the built component under a grant, real files, a real store that speaks S3, web servers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod csv;
mod folders;
mod host;
mod http;
mod json_lines;
mod lake;
mod parquet_files;
mod s3;
mod syncs;
mod web;
