//! `asgard:services`: long-lived local programs.

use asgard_capabilities::services as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::processes::processes::Chunk;
use crate::v0_1_0::bindings::imports::asgard::services::services as wit;
use crate::v0_1_0::types::wit::Error;

impl Host {
    fn services(&self) -> Result<&lent::Services, Error> {
        Ok(self.call.lent.services.as_ref().ok_or_else(|| self.not_lent(Capability::Services))?)
    }
}

impl wit::Host for Host {
    async fn ensure(&mut self, name: String, spec: wit::Spec) -> Result<(), Error> {
        let spec = lent::Spec {
            program: spec.program,
            arguments: spec.arguments,
            environment: spec.environment,
            files: spec.files.into_iter().map(Into::into).collect(),
            memory_bytes: spec.memory_bytes,
            health_path: spec.health_path,
            ready_timeout_ms: spec.ready_timeout_ms,
        };
        Ok(self.services()?.ensure(&name, spec).await?)
    }

    async fn status(&mut self, name: String) -> Result<wit::ServiceStatus, Error> {
        let status = self.services()?.status(&name).await?;
        let state = match status.state {
            lent::ServiceState::Starting => wit::ServiceState::Starting,
            lent::ServiceState::Ready => wit::ServiceState::Ready,
            lent::ServiceState::Failed(reason) => wit::ServiceState::Failed(reason),
        };
        Ok(wit::ServiceStatus { state, url: status.url, restarts: status.restarts })
    }

    async fn output(&mut self, name: String, offset: u64, max: u32) -> Result<Chunk, Error> {
        Ok(self.services()?.output(&name, offset, max).await?.into())
    }

    async fn remove(&mut self, name: String) -> Result<(), Error> {
        Ok(self.services()?.remove(&name).await?)
    }
}
