//! `asgard:kubernetes`: resources of a cluster.

use asgard_capabilities::kubernetes as lent;
use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::kubernetes::resources as wit;
use crate::v0_1_0::types::wit::Error;

impl Host {
    fn kubernetes(&self) -> Result<&lent::Resources, Error> {
        Ok(self.call.lent.kubernetes.as_ref().ok_or_else(|| self.not_lent(Capability::Kubernetes))?)
    }
}

impl wit::Host for Host {
    async fn apply(&mut self, manifest: String) -> Result<String, Error> {
        Ok(self.kubernetes()?.apply(&manifest).await?)
    }

    async fn patch(&mut self, reference: wit::Reference, merge_patch: String) -> Result<String, Error> {
        Ok(self.kubernetes()?.patch(&reference.into(), &merge_patch).await?)
    }

    async fn get(&mut self, reference: wit::Reference) -> Result<String, Error> {
        Ok(self.kubernetes()?.get(&reference.into()).await?)
    }

    async fn list(
        &mut self,
        api_version: String,
        kind: String,
        namespace: String,
        label_selector: String,
    ) -> Result<Vec<String>, Error> {
        let kind = lent::Reference { api_version, kind, namespace, name: String::new() };
        Ok(self.kubernetes()?.list(&kind, &label_selector).await?)
    }

    async fn watch(
        &mut self,
        reference: wit::Reference,
        resource_version: String,
        deadline_ms: u32,
    ) -> Result<String, Error> {
        Ok(self.kubernetes()?.watch(&reference.into(), &resource_version, deadline_ms).await?)
    }

    async fn delete(&mut self, reference: wit::Reference) -> Result<(), Error> {
        Ok(self.kubernetes()?.delete(&reference.into()).await?)
    }

    async fn logs(&mut self, namespace: String, pod: String, options: wit::LogOptions) -> Result<String, Error> {
        let options = lent::LogOptions {
            container: options.container,
            previous: options.previous,
            tail_lines: options.tail_lines,
            since_ms: options.since_ms,
        };
        Ok(self.kubernetes()?.logs(&namespace, &pod, options).await?)
    }

    async fn events(&mut self, reference: wit::Reference) -> Result<Vec<String>, Error> {
        Ok(self.kubernetes()?.events(&reference.into()).await?)
    }
}

impl From<wit::Reference> for lent::Reference {
    fn from(reference: wit::Reference) -> Self {
        Self {
            api_version: reference.api_version,
            kind: reference.kind,
            namespace: reference.namespace,
            name: reference.name,
        }
    }
}
