//! `asgard:sockets`: TCP connections, held by handle in the instance's table.

use asgard_capabilities::sockets::{Connection, Verification};
use asgard_contract::manifest::Capability;
use wasmtime::component::Resource;

use crate::host::Host;
use crate::v0_1_0::bindings::imports::asgard::sockets::tcp as wit;
use crate::v0_1_0::types::wit::Error;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl wit::Host for Host {
    async fn connect(&mut self, host: String, port: u16, timeout_ms: u32) -> Answer<Resource<Connection>> {
        let Some(dialer) = self.call.lent.sockets.clone() else {
            return Ok(Err(self.not_lent(Capability::Sockets).into()));
        };
        match dialer.connect(&host, port, timeout_ms).await {
            Ok(connection) => Ok(Ok(self.table.push(connection)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }
}

impl wit::HostConnection for Host {
    async fn read(&mut self, connection: Resource<Connection>, max: u32) -> Answer<Vec<u8>> {
        Ok(self.table.get_mut(&connection)?.read(max).await.map_err(Into::into))
    }

    async fn write(&mut self, connection: Resource<Connection>, data: Vec<u8>) -> Answer<()> {
        Ok(self.table.get_mut(&connection)?.write(&data).await.map_err(Into::into))
    }

    async fn start_tls(
        &mut self,
        connection: Resource<Connection>,
        verification: wit::Verification,
        authority: Option<String>,
    ) -> Answer<()> {
        let verification = match verification {
            wit::Verification::None => Verification::None,
            wit::Verification::Authority => Verification::Authority,
            wit::Verification::Full => Verification::Full,
        };
        let connection = self.table.get_mut(&connection)?;
        Ok(connection.start_tls(verification, authority.as_deref()).await.map_err(Into::into))
    }

    async fn set_timeout(&mut self, connection: Resource<Connection>, timeout_ms: u32) -> wasmtime::Result<()> {
        self.table.get_mut(&connection)?.set_timeout(timeout_ms);
        Ok(())
    }

    async fn channel_binding(&mut self, connection: Resource<Connection>) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.table.get(&connection)?.channel_binding())
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}
