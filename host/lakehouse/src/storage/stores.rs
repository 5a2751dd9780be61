//! All places of one lakehouse, by the locations that are in them.
//!
//! The machine's folders are always there. A bucket is added by whoever names it, a sink or the environment, and is known by
//! its name alone, since that is all that a location says: a second store with a bucket of the same name is refused. The
//! newest credentials of a bucket are the ones that are used, so that keys can be changed while the host runs.

use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::sync::{Arc, PoisonError, RwLock};

use asgard_contract::{Error, Result};
use chrono::{DateTime, Utc};
use datafusion::common::{DataFusionError, Result as PlanResult};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use url::Url;

use super::local::{SCHEME, path_of};
use super::s3::Bucket;
use super::{Place, Storage};

/// The schemes of buckets; Hadoop's programs write the second.
const S3_SCHEMES: [&str; 2] = ["s3://", "s3a://"];

/// The places of a lakehouse. Cloning it is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stores {
    buckets: Arc<RwLock<HashMap<String, Bucket>>>,
    machine: Arc<LocalFileSystem>,
}

/// Where a location is: a store of the engine, and the path in it.
pub(crate) struct Resolved {
    pub(crate) url: ObjectStoreUrl,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
}

/// A file as its place lists it.
#[derive(Debug)]
pub(crate) struct FileInfo {
    pub(crate) location: String,
    pub(crate) bytes: u64,
    pub(crate) modified: DateTime<Utc>,
}

impl Stores {
    /// Makes a place's files readable and writable.
    ///
    /// # Errors
    /// `conflict` for a bucket of this name in another store.
    pub(crate) fn add(&self, storage: &Storage) -> Result<()> {
        let Place::S3(bucket) = &storage.place else { return Ok(()) };
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = buckets.get(bucket.name()).filter(|known| !known.is_same_as(bucket)) {
            return Err(Error::conflict(format!(
                "this environment has a bucket `{}` of another store ({}) or region already: use another environment for it",
                bucket.name(),
                known.shown_endpoint()
            )));
        }
        buckets.insert(bucket.name().to_owned(), bucket.clone());
        Ok(())
    }

    /// # Errors
    /// `unsupported` for a scheme that is none of ours, `unavailable` for a bucket without credentials.
    pub(crate) fn resolve(&self, location: &str) -> Result<Resolved> {
        let unreadable = |why: &dyn std::fmt::Display| Error::internal(format!("`{location}` is no location: {why}"));
        if let Some(path) = path_of(location) {
            let path = Path::from_absolute_path(path).map_err(|error| unreadable(&error))?;
            let url = ObjectStoreUrl::local_filesystem();
            return Ok(Resolved { url, store: Arc::clone(&self.machine) as Arc<dyn ObjectStore>, path });
        }
        let Some((name, key)) = bucket_and_key(location) else {
            return Err(Error::unsupported(format!("`{location}` is not read here: expected `file:///…` or `s3://…`")));
        };
        let path = Path::parse(key).map_err(|error| unreadable(&error))?;
        let url = ObjectStoreUrl::parse(format!("s3://{name}")).map_err(|error| unreadable(&error))?;
        Ok(Resolved { url, store: self.bucket(name)?.store(), path })
    }

    fn bucket(&self, name: &str) -> Result<Bucket> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.get(name).cloned().ok_or_else(|| {
            Error::unavailable(format!(
                "there are no credentials for bucket `{name}`: make a sink of type `s3` for it, or name it in `lakehouse.storage`"
            ))
        })
    }

    /// Names of the files right in a folder. None of them where there is no folder.
    pub(crate) async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let failed = |error: &dyn std::fmt::Display| Error::unavailable(format!("listing `{folder}` failed: {error}"));
        if let Some(path) = path_of(folder) {
            let mut entries = match tokio::fs::read_dir(path).await {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Ok(Vec::new());
                }
                entries => entries.map_err(|error| failed(&error))?,
            };
            let mut names = Vec::new();
            while let Some(entry) = entries.next_entry().await.map_err(|error| failed(&error))? {
                names.extend(entry.file_name().to_str().map(str::to_owned));
            }
            return Ok(names);
        }
        let Resolved { store, path, .. } = self.resolve(folder)?;
        let listed = store.list_with_delimiter(Some(&path)).await.map_err(|error| failed(&error))?;
        Ok(listed.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    /// Locations of all objects below a location of a bucket, or of the one that it names.
    pub(crate) async fn objects(&self, location: &str) -> Result<Vec<String>> {
        let failed = |error: object_store::Error| Error::unavailable(format!("listing `{location}` failed: {error}"));
        let Some((bucket, _)) = bucket_and_key(location) else { return Ok(Vec::new()) };
        let Resolved { store, path, .. } = self.resolve(location)?;
        if !location.ends_with('/') && store.head(&path).await.is_ok() {
            return Ok(vec![location.to_owned()]);
        }
        let objects: Vec<_> = store.list(Some(&path)).try_collect().await.map_err(failed)?;
        Ok(objects.into_iter().map(|object| format!("s3://{bucket}/{}", object.location)).collect())
    }

    /// All files below a folder, whichever place it is in. None of them where there is no folder.
    pub(crate) async fn files(&self, folder: &str) -> Result<Vec<FileInfo>> {
        let failed = |error: object_store::Error| Error::unavailable(format!("listing `{folder}` failed: {error}"));
        let Resolved { store, path, url } = self.resolve(folder)?;
        let listed: Vec<_> = store.list(Some(&path)).try_collect().await.map_err(failed)?;
        let file = |object: ObjectMeta| {
            let location = if path_of(folder).is_some() {
                let path = self.machine.path_to_filesystem(&object.location).map_err(failed)?;
                format!("{SCHEME}{}", path.display())
            } else {
                format!("{}{}", url.as_str(), object.location)
            };
            Ok(FileInfo { location, bytes: object.size, modified: object.last_modified })
        };
        listed.into_iter().map(file).collect()
    }

    /// What clients of the Iceberg protocol need to reach a location, without credentials.
    pub(crate) fn client_settings(&self, location: &str) -> BTreeMap<String, String> {
        let bucket = bucket_and_key(location).and_then(|(name, _)| self.bucket(name).ok());
        bucket.map(|bucket| bucket.client_settings()).unwrap_or_default()
    }
}

/// A location of a bucket, taken apart.
fn bucket_and_key(location: &str) -> Option<(&str, &str)> {
    let rest = S3_SCHEMES.iter().find_map(|scheme| location.strip_prefix(scheme))?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

impl ObjectStoreRegistry for Stores {
    /// Places are added by [`Stores::add`] alone.
    fn register_store(&self, _url: &Url, _store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> PlanResult<Arc<dyn ObjectStore>> {
        let location = match url.scheme() {
            "file" => SCHEME.to_owned() + "/",
            scheme => format!("{scheme}://{}", url.host_str().unwrap_or_default()),
        };
        let resolved = self.resolve(&location).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(resolved.store)
    }
}
