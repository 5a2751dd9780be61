//! The store behind the capabilities' seams.

use asgard_capabilities::key_value::KeyValues;
use asgard_contract::Result;
use asgard_store::Store;
use async_trait::async_trait;

pub(crate) struct StoredKeyValues(pub(crate) Store);

#[async_trait]
impl KeyValues for StoredKeyValues {
    async fn get_many(&self, scope: &str, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(self.0.key_values_get(scope, bucket, keys).await?)
    }
    async fn set_many(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        Ok(self.0.key_values_set(scope, bucket, entries).await?)
    }
    async fn replace(&self, scope: &str, bucket: &str, entries: Vec<(String, Vec<u8>)>) -> Result<()> {
        Ok(self.0.key_values_replace(scope, bucket, entries).await?)
    }
    async fn delete_bucket(&self, scope: &str, bucket: &str) -> Result<()> {
        Ok(self.0.key_values_delete(scope, bucket).await?)
    }
}
