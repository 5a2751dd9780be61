//! Outgoing HTTP.

use asgard_contract::{Error, Result};

/// One request; see `wit/http`.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub timeout_ms: u32,
}

/// Any status is an answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What is lent: a client limited to granted hosts.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// One exchange.
    pub async fn send(&self, _request: Request) -> Result<Response> {
        Err(Error::internal("unfinished"))
    }
}
