//! A result as one Parquet file, which is there whole or not at all: beside it and renamed on this machine, in one upload to a bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use asgard_contract::{Error, Result};
use datafusion::common::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use object_store::ObjectStoreExt as _;
use object_store::buffered::BufWriter;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use url::Url;

use crate::storage::{Resolved, Stores};

/// Writes rows to `location` (`file:///…`, `s3://…`); what is there is replaced when all rows are written. Answers rows and bytes.
pub(super) async fn write(stores: &Stores, location: &str, rows: SendableRecordBatchStream) -> Result<(u64, u64)> {
    let machine = Url::parse(location).ok().filter(|url| url.scheme() == "file");
    match machine.and_then(|url| url.to_file_path().ok()) {
        Some(path) => write_file(location, &path, rows).await,
        None => {
            let Resolved { store, path, .. } = stores.resolve(location)?;
            let upload = BufWriter::new(Arc::clone(&store), path.clone());
            let (count, _) = write_rows(location, upload, rows).await?;
            let written = store.head(&path).await;
            let bytes = written.map_err(|error| unwritten(location, &error))?.size;
            Ok((count, bytes))
        }
    }
}

async fn write_file(location: &str, path: &Path, rows: SendableRecordBatchStream) -> Result<(u64, u64)> {
    let failed = |error: std::io::Error| unwritten(location, &error);
    let partial = Partial::beside(path);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let file = tokio::fs::File::create(&partial.0).await.map_err(failed)?;
    let (count, file) = write_rows(location, file, rows).await?;
    file.sync_all().await.map_err(failed)?;
    let bytes = file.metadata().await.map_err(failed)?.len();
    tokio::fs::rename(&partial.0, path).await.map_err(failed)?;
    Ok((count, bytes))
}

/// Writes all rows and the file's end; answers with their number and what was written to.
async fn write_rows<W: AsyncFileWriter>(
    location: &str,
    to: W,
    mut rows: SendableRecordBatchStream,
) -> Result<(u64, W)> {
    let failed = |error: parquet::errors::ParquetError| unwritten(location, &error);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = AsyncArrowWriter::try_new(to, rows.schema(), Some(properties)).map_err(failed)?;
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(told)?;
        count += batch.num_rows() as u64;
        writer.write(&batch).await.map_err(failed)?;
    }
    writer.finish().await.map_err(failed)?;
    Ok((count, writer.into_inner()))
}

fn unwritten(location: &str, error: &dyn std::fmt::Display) -> Error {
    Error::unavailable(format!("`{location}` cannot be written: {error}"))
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
