//! A PostgreSQL server as the hosts' own database, for callers without a runtime of their own.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio_postgres::SimpleQueryMessage;

use crate::postgres::PostgresServer;

/// A running server with an empty database; ends when dropped.
pub struct Database {
    runtime: Runtime,
    server: Option<PostgresServer>,
}

impl Database {
    /// Starts a server whose data lie below `folder`.
    ///
    /// # Errors
    /// Those of the server.
    pub fn start(folder: &Path) -> Result<Self> {
        let runtime = Runtime::new().context("no threads for the server")?;
        let server = runtime.block_on(PostgresServer::start(folder))?;
        Ok(Self { runtime, server: Some(server) })
    }

    /// For `--database-url`.
    pub fn url(&self) -> String {
        let server = self.server();
        let (user, password) = (server.user(), server.password());
        format!("postgres://{user}:{password}@{}:{}/{}", server.host(), server.port(), server.database())
    }

    /// Ends the server and starts it again on the same port.
    ///
    /// # Errors
    /// Those of the server.
    #[expect(clippy::expect_used, reason = "taken only when this is dropped")]
    pub fn restart(&mut self) -> Result<()> {
        self.runtime.block_on(self.server.as_mut().expect("a server until the drop").restart())
    }

    /// Ends the server as `kill -9` does, until [`Database::start_again`].
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

    /// Runs statements as a superuser.
    ///
    /// # Errors
    /// Those of the first statement that fails.
    pub fn execute(&self, script: &str) -> Result<()> {
        self.runtime.block_on(self.server().execute(script))
    }

    /// The first value of a query's first row, as text; none where there is no row or it is null.
    ///
    /// # Errors
    /// Those of the server.
    pub fn value(&self, query: &str) -> Result<Option<String>> {
        self.runtime.block_on(async {
            let client = self.server().connect(self.server().database()).await?;
            let rows = client.simple_query(query).await?;
            let row = rows.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            Ok(row.and_then(|row| row.get(0)).map(str::to_owned))
        })
    }

    #[expect(clippy::expect_used, reason = "taken only when this is dropped")]
    fn server(&self) -> &PostgresServer {
        self.server.as_ref().expect("a server until the drop")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Within the runtime: the server's sessions end there.
        let _within = self.runtime.enter();
        self.server = None;
    }
}
