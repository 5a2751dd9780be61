//! What the host keeps beside one instance.

use std::sync::Arc;

use asgard_contract::Error;
use asgard_contract::manifest::Capability;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::IoView;

use crate::call::Call;
use crate::limits::Growth;
use crate::logbook::Logbook;
use crate::plugin::Plugin;
use crate::wasi;

/// The data of a store.
pub(crate) struct Host {
    pub(crate) plugin: Plugin,
    pub(crate) call: Arc<Call>,
    pub(crate) log: Logbook,
    pub(crate) growth: Growth,
    /// What the guest holds by handle: its connections, and WASI's streams.
    pub(crate) table: ResourceTable,
    wasi: WasiCtx,
}

impl Host {
    pub(crate) fn new(plugin: Plugin, call: Arc<Call>, log: Logbook) -> Self {
        let growth = Growth::new(&call.limits);
        let wasi = wasi::context(&log, call.lent.files.as_ref());
        Self { plugin, call, log, growth, table: ResourceTable::new(), wasi }
    }

    /// The answer in place of a capability that was not lent, with what has to change. The manifest asks for all that
    /// the component imports (or it would not have been taken), so the grant is what is missing.
    pub(crate) fn not_lent(&self, capability: Capability) -> Error {
        let grant = match capability {
            Capability::Http => "`grants.http = [{ host = \"HOST:PORT\" }]`",
            Capability::Sockets => "`grants.sockets = [\"HOST:PORT\"]`",
            Capability::Credentials => {
                "a secret to the configuration that the plugin uses, or `grants.reveal_secrets = true`"
            }
            Capability::Processes => "`grants.processes = [\"PROGRAM\"]`",
            Capability::Services => "`grants.services = [\"PROGRAM\"]`",
            Capability::Objects => "`grants.objects = true`",
            Capability::Files => "`grants.files = [\"/FOLDER\"]`",
            Capability::KeyValue => "`grants.key_value = true`",
            Capability::Lakehouse => "`grants.lakehouse = { read = [\"bronze\"], write = [\"silver\"] }`",
            Capability::Kubernetes => {
                "`grants.kubernetes = [{ namespaces = [\"NAMESPACE\"], kinds = [\"v1/Pod\"], verbs = [\"get\"] }]`"
            }
        };
        Error::forbidden(format!(
            "plugin `{}` was not granted the capability `{capability}`: add {grant} to its binding in environment `{}`",
            self.plugin.manifest().name,
            self.call.environment
        ))
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl IoView for Host {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}
