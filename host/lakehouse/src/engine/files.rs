//! Plain files as a statement's input: Parquet, or JSON lines, by their suffix.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asgard_contract::{Error, Result};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::SessionState;
use url::Url;

use crate::storage::Stores;

/// Suffixes of JSON lines.
const JSON: [&str; 3] = ["json", "jsonl", "ndjson"];

/// The rows of the files at a location: one file, or all below a folder but those whose name begins with `_` or `.`.
pub(super) async fn open(session: &SessionState, stores: &Stores, location: &str) -> Result<Arc<dyn TableProvider>> {
    let files = list(stores, location).await?;
    let suffix = files.iter().find_map(|file| known_suffix(file)).ok_or_else(|| {
        Error::invalid("inputs", format!("there is no Parquet and no JSON-lines file (.jsonl) at `{location}`"))
    })?;
    let urls = files
        .iter()
        .filter(|file| known_suffix(file) == Some(suffix))
        .map(|file| url_of(file).and_then(|url| ListingTableUrl::try_new(url, None)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| unreadable(location, error))?;
    let format: Arc<dyn FileFormat> = match suffix {
        Suffix::Parquet => Arc::new(ParquetFormat::new().with_options(session.default_table_options().parquet)),
        Suffix::Json => Arc::new(JsonFormat::default()),
    };
    let options = ListingOptions::new(format).with_file_extension("").with_collect_stat(true);
    let config = ListingTableConfig::new_with_multi_paths(urls)
        .with_listing_options(options)
        .infer_schema(session)
        .await
        .map_err(|error| unreadable(location, error))?;
    let table = ListingTable::try_new(config).map_err(|error| unreadable(location, error))?;
    Ok(Arc::new(table))
}

/// The files at a location, by name: paths of this machine, or locations of objects.
async fn list(stores: &Stores, location: &str) -> Result<Vec<String>> {
    let nothing = || Error::invalid("inputs", format!("there is nothing at `{location}`"));
    let url = Url::parse(location).map_err(|_| {
        Error::invalid("inputs", format!("`{location}` is no location: expected `file:///…` or `s3://…`"))
    })?;
    let mut files = match url.scheme() {
        "file" => {
            let path = url
                .to_file_path()
                .map_err(|()| Error::invalid("inputs", format!("`{location}` is no path of this machine")))?;
            let found = walk(path).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => nothing(),
                _ => Error::unavailable(format!("`{location}` cannot be read: {error}")),
            })?;
            found.into_iter().filter_map(|path| path.to_str().map(str::to_owned)).collect()
        }
        "s3" | "s3a" => {
            let location = location.replacen("s3a://", "s3://", 1);
            let found = stores.objects(&location).await?;
            if found.is_empty() {
                return Err(nothing());
            }
            let below = |object: &String| object.get(location.len()..).unwrap_or_default().to_owned();
            found.into_iter().filter(|object| !below(object).split('/').any(is_hidden)).collect::<Vec<_>>()
        }
        other => {
            return Err(Error::invalid(
                "inputs",
                format!("`{other}://` is not read: expected `file:///…` or `s3://…`"),
            ));
        }
    };
    files.sort();
    Ok(files)
}

/// Names of folders and files that writers keep for themselves.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['_', '.'])
}

fn url_of(file: &str) -> std::result::Result<Url, DataFusionError> {
    let url = if file.starts_with('/') { Url::from_file_path(file).ok() } else { Url::parse(file).ok() };
    url.ok_or_else(|| DataFusionError::External(format!("`{file}` has no URL").into()))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suffix {
    Parquet,
    Json,
}

fn known_suffix(file: &str) -> Option<Suffix> {
    match Path::new(file).extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "parquet" => Some(Suffix::Parquet),
        suffix if JSON.contains(&suffix) => Some(Suffix::Json),
        _ => None,
    }
}

async fn walk(path: PathBuf) -> std::io::Result<Vec<PathBuf>> {
    if tokio::fs::metadata(&path).await?.is_file() {
        return Ok(vec![path]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        let mut entries = tokio::fs::read_dir(folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            if is_hidden(&entry.file_name().to_string_lossy()) {
                continue;
            }
            if entry.file_type().await?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

fn unreadable(location: &str, error: DataFusionError) -> Error {
    Error::invalid("inputs", format!("the files at `{location}` cannot be read: {}", error.strip_backtrace()))
}
