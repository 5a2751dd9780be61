//! Objects under a plugin's prefix of the environment's storage.

use asgard_contract::{Error, Result};

#[derive(Debug, Clone)]
pub struct Info {
    pub key: String,
    pub size: u64,
}

/// What is lent.
#[derive(Clone)]
pub struct Objects {}

impl Objects {
    pub async fn get(&self, _key: &str) -> Result<Vec<u8>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn put(&self, _key: &str, _data: Vec<u8>) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    pub async fn list(&self, _prefix: &str) -> Result<Vec<Info>> {
        Err(Error::internal("unfinished"))
    }
    pub async fn delete(&self, _key: &str) -> Result<()> {
        Err(Error::internal("unfinished"))
    }
    /// `file:///…` or `s3://…`.
    pub fn location(&self, _key: &str) -> Result<String> {
        Err(Error::internal("unfinished"))
    }
}
