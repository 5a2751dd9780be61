//! `asgard:files`: where granted folders are. They are read through WASI (see [`crate::wasi`]).

use asgard_contract::manifest::Capability;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::files::folders as wit;
use crate::v0_1_0::types::wit::Error;

impl wit::Host for Host {
    async fn locate(&mut self, path: String) -> Result<String, Error> {
        let folders = self.call.lent.files.as_ref().ok_or_else(|| self.not_lent(Capability::Files))?;
        Ok(folders.locate(&path).await?)
    }
}
