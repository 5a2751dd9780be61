//! A result as one Parquet file, which is there whole or not at all.

use std::path::{Path, PathBuf};

use asgard_contract::{Error, Result};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use url::Url;

/// Writes rows to `location` (`file:///…`); what is there is replaced when all rows are written. Answers rows and bytes.
pub(super) async fn write(location: &str, mut rows: SendableRecordBatchStream) -> Result<(u64, u64)> {
    let path = Url::parse(location)
        .ok()
        .filter(|url| url.scheme() == "file")
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| Error::unsupported(format!("`{location}` is not written to: expected `file:///…`")))?;
    let failed = |error: &dyn std::fmt::Display| Error::unavailable(format!("`{location}` cannot be written: {error}"));
    let partial = Partial::beside(&path);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(|error| failed(&error))?;
    }
    let file = tokio::fs::File::create(&partial.0).await.map_err(|error| failed(&error))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer =
        AsyncArrowWriter::try_new(file, rows.schema(), Some(properties)).map_err(|error| failed(&error))?;
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(told)?;
        count += batch.num_rows() as u64;
        writer.write(&batch).await.map_err(|error| failed(&error))?;
    }
    writer.finish().await.map_err(|error| failed(&error))?;
    let file = writer.into_inner();
    file.sync_all().await.map_err(|error| failed(&error))?;
    let bytes = file.metadata().await.map_err(|error| failed(&error))?.len();
    tokio::fs::rename(&partial.0, &path).await.map_err(|error| failed(&error))?;
    Ok((count, bytes))
}

/// The rows' stream tells errors in the contract's words already.
fn told(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(inner) => Error::internal(inner.to_string()),
        },
        other => Error::internal(other.strip_backtrace()),
    }
}

/// A file that is not whole yet; it goes with its owner.
struct Partial(PathBuf);

impl Partial {
    fn beside(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Self(path.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple())))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After the rename there is nothing to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}
