//! TLS of a server.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use anyhow::Result;

use super::PostgresServer;

impl PostgresServer {
    /// Switches TLS on with a certificate and its key, in PEM.
    ///
    /// # Errors
    /// Those of the files and of the server.
    pub async fn enable_tls(&self, certificate: &str, key: &str) -> Result<()> {
        let owner = self.data().metadata()?;
        for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.data().join(name);
            std::fs::write(&path, pem)?;
            // The server refuses a key that others may read.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
        self.execute("ALTER SYSTEM SET ssl = on").await?;
        self.execute("SELECT pg_reload_conf()").await
    }
}
