//! `asgard:http`: outgoing requests.

use asgard_capabilities::http as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::http::client as wit;
use crate::v0_1_0::types::wit::Error;

impl wit::Host for Host {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, Error> {
        let client = self.call.lent.http.as_ref().ok_or_else(|| self.not_lent(Capability::Http))?;
        let request = lent::Request {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            timeout_ms: request.timeout_ms,
        };
        let lent::Response { status, headers, body } = client.send(request).await?;
        Ok(wit::Response { status, headers, body })
    }
}
