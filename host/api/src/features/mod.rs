//! Role `features`: views and services, point-in-time joins, online reads and pushes.

pub(crate) mod push;
pub(crate) mod retrieval;
pub(crate) mod services;
pub(crate) mod views;

use std::collections::BTreeMap;

/// Tags as feature stores have them: name -> value.
pub(crate) type Tags = BTreeMap<String, String>;
