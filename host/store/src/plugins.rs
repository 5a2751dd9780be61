//! Registered plugins: manifest, digest and bytes; versions side by side.
//!
//! Bytes are kept by digest and stay when a version gets other ones: a task, and a model that is served, name the digest
//! that they started with.

use asgard_contract::manifest::Manifest;
use chrono::{DateTime, Utc};
use sqlx::{Any, FromRow, Transaction};

use crate::{Store, StoreError, StoreResult, time};

/// A registered version.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisteredPlugin {
    pub manifest: Manifest,
    /// `sha256:…` of the component.
    pub digest: String,
    pub registered_at: DateTime<Utc>,
}

#[derive(FromRow)]
struct Row {
    name: String,
    digest: String,
    manifest: String,
    registered_at: i64,
}

impl Row {
    fn plugin(self) -> StoreResult<RegisteredPlugin> {
        Ok(RegisteredPlugin {
            manifest: manifest(&self.name, &self.manifest)?,
            digest: self.digest,
            registered_at: time::from_millis(self.registered_at),
        })
    }
}

fn manifest(name: &str, text: &str) -> StoreResult<Manifest> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::unreadable(format!("the manifest of plugin `{name}`"), error))
}

impl Store {
    /// Registers a version. The same again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the version exists with another manifest or other bytes.
    pub async fn add_plugin(
        &self,
        manifest: &Manifest,
        digest: &str,
        component: &[u8],
    ) -> StoreResult<RegisteredPlugin> {
        let mut write = self.write().await?;
        if let Some(existing) = registered(&mut write, manifest).await? {
            if existing.digest == digest && existing.manifest == *manifest {
                return Ok(existing);
            }
            let part = if existing.digest == digest { "manifest" } else { "component" };
            return Err(StoreError::Conflict(format!(
                "plugin `{}` is registered in version {} with another {part} ({}): give the changed plugin a new version",
                manifest.name, manifest.version, existing.digest
            )));
        }
        let plugin = put(&mut write, manifest, digest, component).await?;
        write.commit().await?;
        Ok(plugin)
    }

    /// Registers a version that came with the host, in the place of one with other bytes. The bytes before stay known by
    /// their digest.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replace_plugin(
        &self,
        manifest: &Manifest,
        digest: &str,
        component: &[u8],
    ) -> StoreResult<RegisteredPlugin> {
        let mut write = self.write().await?;
        if let Some(existing) = registered(&mut write, manifest).await?
            && existing.digest == digest
            && existing.manifest == *manifest
        {
            return Ok(existing);
        }
        let plugin = put(&mut write, manifest, digest, component).await?;
        write.commit().await?;
        Ok(plugin)
    }

    /// All registered versions, by name, newest version first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plugins(&self) -> StoreResult<Vec<RegisteredPlugin>> {
        let rows: Vec<Row> = sqlx::query_as("SELECT name, digest, manifest, registered_at FROM plugins")
            .fetch_all(self.readers())
            .await?;
        let mut plugins = rows.into_iter().map(Row::plugin).collect::<StoreResult<Vec<_>>>()?;
        plugins.sort_by(|a, b| {
            let (a, b) = (&a.manifest, &b.manifest);
            a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version))
        });
        Ok(plugins)
    }

    /// A version of a plugin; without one, the newest release, or the newest pre-release where there is no release.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plugin(&self, name: &str, version: Option<&semver::Version>) -> StoreResult<Option<RegisteredPlugin>> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT name, digest, manifest, registered_at FROM plugins WHERE name = $1")
                .bind(name)
                .fetch_all(self.readers())
                .await?;
        let plugins = rows.into_iter().map(Row::plugin).collect::<StoreResult<Vec<_>>>()?;
        Ok(match version {
            Some(version) => plugins.into_iter().find(|plugin| plugin.manifest.version == *version),
            None => plugins.into_iter().max_by(|a, b| {
                let (a, b) = (&a.manifest.version, &b.manifest.version);
                a.pre.is_empty().cmp(&b.pre.is_empty()).then_with(|| a.cmp(b))
            }),
        })
    }

    /// Takes a version off; its bytes stay known by their digest. One that is gone already is no error.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn remove_plugin(&self, name: &str, version: &semver::Version) -> StoreResult<()> {
        sqlx::query("DELETE FROM plugins WHERE name = $1 AND version = $2")
            .bind(name)
            .bind(version.to_string())
            .execute(self.writer())
            .await?;
        Ok(())
    }

    /// The bytes of a digest.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plugin_component(&self, digest: &str) -> StoreResult<Option<Vec<u8>>> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT component FROM plugin_components WHERE digest = $1")
            .bind(digest)
            .fetch_optional(self.readers())
            .await?;
        Ok(row.map(|(component,)| component))
    }

    /// The manifests that the bytes of a digest were registered with, newest first: they may be two versions, or two plugins.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn plugin_manifests(&self, digest: &str) -> StoreResult<Vec<Manifest>> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, manifest FROM plugin_manifests WHERE digest = $1 ORDER BY registered_at DESC, version DESC",
        )
        .bind(digest)
        .fetch_all(self.readers())
        .await?;
        if rows.is_empty() {
            // Of a version that had other bytes before every manifest was kept: the last one is.
            let row: Option<(String,)> = sqlx::query_as("SELECT manifest FROM plugin_components WHERE digest = $1")
                .bind(digest)
                .fetch_optional(self.readers())
                .await?;
            return row.map(|(text,)| manifest(digest, &text)).into_iter().collect();
        }
        rows.into_iter().map(|(name, text)| manifest(&name, &text)).collect()
    }
}

async fn registered(
    write: &mut Transaction<'static, Any>,
    manifest: &Manifest,
) -> StoreResult<Option<RegisteredPlugin>> {
    let row: Option<Row> =
        sqlx::query_as("SELECT name, digest, manifest, registered_at FROM plugins WHERE name = $1 AND version = $2")
            .bind(&manifest.name)
            .bind(manifest.version.to_string())
            .fetch_optional(&mut **write)
            .await?;
    row.map(Row::plugin).transpose()
}

async fn put(
    write: &mut Transaction<'static, Any>,
    manifest: &Manifest,
    digest: &str,
    component: &[u8],
) -> StoreResult<RegisteredPlugin> {
    let text = serde_json::to_string(manifest)
        .map_err(|error| StoreError::unreadable(format!("the manifest of plugin `{}`", manifest.name), error))?;
    let registered_at = time::now();
    sqlx::query(
        "INSERT INTO plugin_components (digest, manifest, component) VALUES ($1, $2, $3)
         ON CONFLICT (digest) DO UPDATE SET manifest = excluded.manifest",
    )
    .bind(digest)
    .bind(&text)
    .bind(component)
    .execute(&mut **write)
    .await?;
    sqlx::query(
        "INSERT INTO plugin_manifests (digest, name, version, manifest, registered_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (digest, name, version) DO UPDATE SET
             manifest = excluded.manifest, registered_at = excluded.registered_at",
    )
    .bind(digest)
    .bind(&manifest.name)
    .bind(manifest.version.to_string())
    .bind(&text)
    .bind(registered_at)
    .execute(&mut **write)
    .await?;
    sqlx::query(
        "INSERT INTO plugins (name, version, digest, manifest, registered_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name, version) DO UPDATE SET
             digest = excluded.digest, manifest = excluded.manifest, registered_at = excluded.registered_at",
    )
    .bind(&manifest.name)
    .bind(manifest.version.to_string())
    .bind(digest)
    .bind(&text)
    .bind(registered_at)
    .execute(&mut **write)
    .await?;
    Ok(RegisteredPlugin {
        manifest: manifest.clone(),
        digest: digest.to_owned(),
        registered_at: time::from_millis(registered_at),
    })
}
