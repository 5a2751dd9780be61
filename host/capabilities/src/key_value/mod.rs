//! Small values by key.

use std::sync::Arc;

use asgard_contract::Result;
use async_trait::async_trait;

use crate::holder::Holder;

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
    pub(crate) holder: Holder,
    pub(crate) scope: String,
    pub(crate) values: Arc<dyn KeyValues>,
}

impl KeyValue {
    /// In the order asked; none where there is no value.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get_many(&self, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        self.holder.using("key-value", "get-many", bucket, self.values.get_many(&self.scope, bucket, keys)).await
    }

    /// All or nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_many(&self, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.holder.using("key-value", "set-many", bucket, self.values.set_many(&self.scope, bucket, entries)).await
    }

    /// Replaces the whole bucket at once.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn replace(&self, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.holder.using("key-value", "replace", bucket, self.values.replace(&self.scope, bucket, entries)).await
    }

    /// Nothing happens if there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_bucket(&self, bucket: &str) -> Result<()> {
        self.holder.using("key-value", "delete-bucket", bucket, self.values.delete_bucket(&self.scope, bucket)).await
    }
}
