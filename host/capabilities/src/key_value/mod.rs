//! Small values by key.

use std::sync::Arc;

use async_trait::async_trait;
use asgard_contract::Result;

/// Where values are kept. `scope` is `environment/plugin`.
#[async_trait]
pub trait KeyValues: Send + Sync {
    /// In the order asked.
    async fn get_many(&self, scope: &str, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>>;
    /// All or nothing.
    async fn set_many(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()>;
    /// The whole bucket at once.
    async fn replace(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()>;
    async fn delete_bucket(&self, scope: &str, bucket: &str) -> Result<()>;
}

/// What is lent: a store under the plugin's own scope.
#[derive(Clone)]
pub struct KeyValue {
    pub(crate) scope: String,
    pub(crate) values: Arc<dyn KeyValues>,
}

impl KeyValue {
    pub async fn get_many(&self, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        self.values.get_many(&self.scope, bucket, keys).await
    }
    pub async fn set_many(&self, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.values.set_many(&self.scope, bucket, entries).await
    }
    pub async fn replace(&self, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.values.replace(&self.scope, bucket, entries).await
    }
    pub async fn delete_bucket(&self, bucket: &str) -> Result<()> {
        self.values.delete_bucket(&self.scope, bucket).await
    }
}
