//! Tables for people: `/lakehouse`.

pub(crate) mod changes;
pub(crate) mod maintenance;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod tables;

use asgard_contract::TableName;
use asgard_pipeline::lakehouse::AsOf;

use crate::problem::Result;

fn table(namespace: &str, name: &str) -> TableName {
    TableName::new(namespace, name)
}

/// `?as_of=`.
fn as_of(text: Option<&str>) -> Result<Option<AsOf>> {
    Ok(text.map(AsOf::parse).transpose()?)
}
