//! The factory's database: a PostgreSQL server filled with the rows of [`crate::factory`], for callers without a runtime
//! of their own.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio_postgres::SimpleQueryMessage;

use crate::factory;
use crate::postgres::PostgresServer;
use crate::steps::Source;

/// A running server with the factory's rows; ends when dropped.
pub struct FactorySource {
    runtime: Runtime,
    server: Option<PostgresServer>,
}

impl FactorySource {
    /// Starts a server whose data lie below `folder` and fills it.
    ///
    /// # Errors
    /// Those of the server.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &[])
    }

    /// As [`FactorySource::start`], with settings as in `postgresql.conf`.
    ///
    /// # Errors
    /// Those of the server.
    pub fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let runtime = Runtime::new().context("no threads for the source's server")?;
        let server = runtime.block_on(async {
            let server = PostgresServer::start_with(folder, settings).await?;
            factory::load(&server.connect(server.database()).await?).await?;
            anyhow::Ok(server)
        })?;
        Ok(Self { runtime, server: Some(server) })
    }

    /// How a connector reaches it.
    pub fn source(&self) -> Source {
        let server = self.server();
        Source {
            host: server.host().to_owned(),
            port: server.port(),
            database: server.database().to_owned(),
            username: server.user().to_owned(),
            password: server.password().to_owned(),
        }
    }

    /// Ends the server as `kill -9` does, until [`FactorySource::start_again`].
    ///
    /// # Errors
    /// Those of the system.
    #[expect(clippy::expect_used, reason = "taken only when this is dropped")]
    pub fn kill(&mut self) -> Result<()> {
        self.server.as_mut().expect("a server until the drop").kill()
    }

    /// Starts a killed server again on the same port.
    ///
    /// # Errors
    /// Those of the server.
    #[expect(clippy::expect_used, reason = "taken only when this is dropped")]
    pub fn start_again(&mut self) -> Result<()> {
        self.runtime.block_on(self.server.as_mut().expect("a server until the drop").start_again())
    }

    /// Runs statements in the factory's database.
    ///
    /// # Errors
    /// Those of the first statement that fails.
    pub fn execute(&self, script: &str) -> Result<()> {
        self.runtime.block_on(self.server().execute(script))
    }

    /// The rows of a query, every value as text; none = null.
    ///
    /// # Errors
    /// Those of the server.
    pub fn rows(&self, query: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.runtime.block_on(async {
            let server = self.server();
            let client = server.connect(server.database()).await?;
            let mut rows = Vec::new();
            for message in client.simple_query(query).await? {
                if let SimpleQueryMessage::Row(row) = message {
                    rows.push((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect());
                }
            }
            Ok(rows)
        })
    }

    /// Switches TLS on with a certificate and its key, in PEM.
    ///
    /// # Errors
    /// Those of the server.
    pub fn enable_tls(&self, certificate: &str, key: &str) -> Result<()> {
        self.runtime.block_on(self.server().enable_tls(certificate, key))
    }

    #[expect(clippy::expect_used, reason = "taken only when this is dropped")]
    fn server(&self) -> &PostgresServer {
        self.server.as_ref().expect("a server until the drop")
    }
}

impl Drop for FactorySource {
    fn drop(&mut self) {
        // Within the runtime: the server's sessions end there.
        let _within = self.runtime.enter();
        self.server = None;
    }
}
