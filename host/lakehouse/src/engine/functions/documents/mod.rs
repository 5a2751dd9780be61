//! Documents in text: JSON, CSV and XML, and values made of them.
//!
//! A document is read into a tree ([`json::Node`]), whatever it is written in; [`values`] makes a column of trees by a type, and
//! [`schema`] reads types and finds them. What is wrong with a document makes nulls, as with Spark's mode `PERMISSIVE`; only options
//! that are known are taken ([`options`]).

pub(in crate::engine) mod csv;
pub(in crate::engine) mod json;
pub(in crate::engine) mod json_functions;
pub(in crate::engine) mod json_path;
pub(in crate::engine) mod options;
pub(in crate::engine) mod schema;
pub(in crate::engine) mod values;
pub(in crate::engine) mod written;
pub(in crate::engine) mod xml;
pub(in crate::engine) mod xpath;
mod xpath_reading;
