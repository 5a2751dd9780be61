//! `asgard:http`: outgoing requests.

use asgard_capabilities::http as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::http::client as wit;
use crate::v0_1_0::types::wit::Error;

impl wit::Host for Host {
    async fn send(&mut self, request: wit::Request) -> Result<wit::Response, Error> {
        let client = self.call.lent.http.as_ref().ok_or_else(|| self.not_lent(Capability::Http))?;
        Ok(client.send(request.into()).await?.into())
    }

    async fn send_as(&mut self, request: wit::Request, credential: wit::Credential) -> Result<wit::Response, Error> {
        let client = self.call.lent.http.as_ref().ok_or_else(|| self.not_lent(Capability::Http))?;
        Ok(client.send_as(request.into(), credential.into()).await?.into())
    }
}

impl From<wit::Request> for lent::Request {
    fn from(request: wit::Request) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            timeout_ms: request.timeout_ms,
        }
    }
}

impl From<lent::Response> for wit::Response {
    fn from(response: lent::Response) -> Self {
        Self { status: response.status, headers: response.headers, body: response.body }
    }
}

impl From<wit::Credential> for lent::Credential {
    fn from(credential: wit::Credential) -> Self {
        match credential {
            wit::Credential::Bearer(secret) => Self::Bearer { secret },
            wit::Credential::Basic((username, secret)) => Self::Basic { username, secret },
            wit::Credential::AwsSigv4(key) => Self::AwsSigv4 {
                access_key_id: key.access_key_id,
                secret_access_key: key.secret_access_key,
                session_token: key.session_token,
                region: key.region,
                service: key.service,
            },
        }
    }
}
