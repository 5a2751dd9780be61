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

/// Suffixes of JSON lines.
const JSON: [&str; 3] = ["json", "jsonl", "ndjson"];

/// The rows of the files at a location: one file, or all below a folder but those whose name begins with `_` or `.`.
pub(super) async fn open(session: &SessionState, location: &str) -> Result<Arc<dyn TableProvider>> {
    let path = path_of(location)?;
    let mut files = list(path).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::invalid("inputs", format!("there is nothing at `{location}`")),
        _ => Error::unavailable(format!("`{location}` cannot be read: {error}")),
    })?;
    files.sort();
    let suffix = files.iter().find_map(|file| known_suffix(file)).ok_or_else(|| {
        Error::invalid("inputs", format!("there is no Parquet and no JSON-lines file (.jsonl) at `{location}`"))
    })?;
    let urls = files
        .iter()
        .filter(|file| known_suffix(file) == Some(suffix))
        .filter_map(|file| Url::from_file_path(file).ok())
        .map(|url| ListingTableUrl::try_new(url, None))
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

fn path_of(location: &str) -> Result<PathBuf> {
    let url = Url::parse(location)
        .map_err(|_| Error::invalid("inputs", format!("`{location}` is no location: expected `file:///…`")))?;
    match url.scheme() {
        "file" => url
            .to_file_path()
            .map_err(|()| Error::invalid("inputs", format!("`{location}` is no path of this machine"))),
        "s3" | "s3a" => Err(Error::unsupported(format!(
            "`{location}` is in object storage: this lakehouse reads files of this machine (`file:///…`) and its own tables"
        ))),
        other => Err(Error::invalid("inputs", format!("`{other}://` is not read: expected `file:///…`"))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suffix {
    Parquet,
    Json,
}

fn known_suffix(file: &Path) -> Option<Suffix> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "parquet" => Some(Suffix::Parquet),
        suffix if JSON.contains(&suffix) => Some(Suffix::Json),
        _ => None,
    }
}

async fn list(path: PathBuf) -> std::io::Result<Vec<PathBuf>> {
    if tokio::fs::metadata(&path).await?.is_file() {
        return Ok(vec![path]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path];
    while let Some(folder) = folders.pop() {
        let mut entries = tokio::fs::read_dir(folder).await?;
        while let Some(entry) = entries.next_entry().await? {
            if entry.file_name().to_string_lossy().starts_with(['_', '.']) {
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
