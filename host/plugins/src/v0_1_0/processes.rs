//! `asgard:processes`: local programs.

use asgard_capabilities::processes as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::processes::processes as wit;
use crate::v0_1_0::types::wit::Error;

impl Host {
    fn processes(&self) -> Result<&lent::Processes, Error> {
        Ok(self.call.lent.processes.as_ref().ok_or_else(|| self.not_lent(Capability::Processes))?)
    }
}

impl wit::Host for Host {
    async fn start(&mut self, key: String, spec: wit::Spec) -> Result<(), Error> {
        let spec = lent::Spec {
            program: spec.program,
            arguments: spec.arguments,
            environment: spec.environment,
            files: spec.files.into_iter().map(Into::into).collect(),
            timeout_ms: spec.timeout_ms,
            memory_bytes: spec.memory_bytes,
        };
        Ok(self.processes()?.start(&key, spec).await?)
    }

    async fn status(&mut self, key: String) -> Result<wit::ProcessStatus, Error> {
        Ok(match self.processes()?.status(&key).await? {
            lent::ProcessStatus::Running => wit::ProcessStatus::Running,
            lent::ProcessStatus::Exited(code) => wit::ProcessStatus::Exited(code),
            lent::ProcessStatus::Ended(ending) => wit::ProcessStatus::Ended(match ending {
                lent::Ending::Timeout => wit::Ending::Timeout,
                lent::Ending::Stopped => wit::Ending::Stopped,
                lent::Ending::Signal => wit::Ending::Signal,
            }),
        })
    }

    async fn output(&mut self, key: String, offset: u64, max: u32) -> Result<wit::Chunk, Error> {
        Ok(self.processes()?.output(&key, offset, max).await?.into())
    }

    async fn read_file(&mut self, key: String, path: String) -> Result<Vec<u8>, Error> {
        Ok(self.processes()?.read_file(&key, &path).await?)
    }

    async fn list_files(&mut self, key: String) -> Result<Vec<(String, u64)>, Error> {
        Ok(self.processes()?.list_files(&key).await?)
    }

    async fn store_file(&mut self, key: String, path: String, object: String) -> Result<(), Error> {
        Ok(self.processes()?.store_file(&key, &path, &object).await?)
    }

    async fn stop(&mut self, key: String) -> Result<(), Error> {
        Ok(self.processes()?.stop(&key).await?)
    }

    async fn remove(&mut self, key: String) -> Result<(), Error> {
        Ok(self.processes()?.remove(&key).await?)
    }
}

impl From<wit::File> for lent::File {
    fn from(file: wit::File) -> Self {
        let content = match file.content {
            wit::Content::Inline(bytes) => lent::Content::Inline(bytes),
            wit::Content::Object(key) => lent::Content::Object(key),
        };
        Self { path: file.path, content }
    }
}

impl From<lent::Chunk> for wit::Chunk {
    fn from(chunk: lent::Chunk) -> Self {
        Self { data: chunk.data, next: chunk.next }
    }
}
