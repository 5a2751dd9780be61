//! `asgard:objects`: objects under the plugin's prefix.

use asgard_capabilities::objects as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::objects::objects as wit;
use crate::v0_1_0::types::wit::Error;

impl Host {
    fn objects(&self) -> Result<&lent::Objects, Error> {
        Ok(self.call.lent.objects.as_ref().ok_or_else(|| self.not_lent(Capability::Objects))?)
    }
}

impl wit::Host for Host {
    async fn get(&mut self, key: String) -> Result<Vec<u8>, Error> {
        Ok(self.objects()?.get(&key).await?)
    }

    async fn put(&mut self, key: String, data: Vec<u8>) -> Result<(), Error> {
        Ok(self.objects()?.put(&key, data).await?)
    }

    async fn list(&mut self, prefix: String) -> Result<Vec<wit::Info>, Error> {
        let found = self.objects()?.list(&prefix).await?;
        Ok(found.into_iter().map(|lent::Info { key, size }| wit::Info { key, size }).collect())
    }

    async fn delete(&mut self, key: String) -> Result<(), Error> {
        Ok(self.objects()?.delete(&key).await?)
    }

    async fn location(&mut self, key: String) -> Result<String, Error> {
        Ok(self.objects()?.location(&key)?)
    }
}
