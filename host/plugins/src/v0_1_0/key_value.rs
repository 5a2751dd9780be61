//! `asgard:key-value`: small values by key.

use asgard_capabilities::key_value as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::key_value::store as wit;
use crate::v0_1_0::types::wit::Error;

impl Host {
    fn key_value(&self) -> Result<&lent::KeyValue, Error> {
        Ok(self.call.lent.key_value.as_ref().ok_or_else(|| self.not_lent(Capability::KeyValue))?)
    }
}

impl wit::Host for Host {
    async fn get_many(&mut self, bucket: String, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, Error> {
        Ok(self.key_value()?.get_many(&bucket, &keys).await?)
    }

    async fn set_many(&mut self, bucket: String, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        Ok(self.key_value()?.set_many(&bucket, entries).await?)
    }

    async fn replace(&mut self, bucket: String, entries: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        Ok(self.key_value()?.replace(&bucket, entries).await?)
    }

    async fn delete_bucket(&mut self, bucket: String) -> Result<(), Error> {
        Ok(self.key_value()?.delete_bucket(&bucket).await?)
    }
}
