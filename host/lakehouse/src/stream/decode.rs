//! Rows as a connector hands them over, to Arrow.
//!
//! They come from a plugin, so nothing about them is believed: decoding runs apart from the asynchronous tasks, and a batch that
//! is no batch is an error that names the stream's column, never a panic of the host.

use std::io::Cursor;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, BinaryArray, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_json::ReaderBuilder;
use arrow_schema::{DataType, Field, FieldRef, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use asgard_contract::connector::RowData;
use asgard_contract::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error;

/// Rows that JSON lines are read in; a batch of this many is a few megabytes.
const JSON_ROWS: usize = 8192;

/// Reads the rows of one stream.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    /// The stream's columns as the table has them.
    columns: ArrowSchemaRef,
    /// The same as JSON has them.
    json: ArrowSchemaRef,
}

impl Decoder {
    pub(super) fn new(columns: ArrowSchemaRef) -> Self {
        let json = columns.fields().iter().map(json_field).collect::<Vec<_>>();
        Self { json: Arc::new(ArrowSchema::new(json)), columns }
    }

    /// # Errors
    /// `internal` for rows that cannot be read: the connector made them.
    pub(super) async fn decode(&self, data: RowData) -> Result<Vec<RecordBatch>> {
        self.decode_without(data, &[]).await
    }

    /// As [`Decoder::decode`], of rows that lack some columns.
    pub(super) async fn decode_without(&self, data: RowData, lacking: &[String]) -> Result<Vec<RecordBatch>> {
        let is_there = |field: &&FieldRef| !lacking.contains(field.name());
        let columns: Vec<FieldRef> = self.columns.fields().iter().filter(is_there).cloned().collect();
        let decoder = Self::new(Arc::new(ArrowSchema::new(columns)));
        let decoded = tokio::task::spawn_blocking(move || match data {
            RowData::ArrowIpc(bytes) => decoder.arrow(bytes),
            RowData::JsonLines(bytes) => decoder.json_lines(&bytes),
        });
        decoded.await.map_err(error::join)?
    }

    fn arrow(&self, bytes: Vec<u8>) -> Result<Vec<RecordBatch>> {
        let wrong = |error: arrow_schema::ArrowError| refused(format!("they are no Arrow IPC stream: {error}"));
        let reader = StreamReader::try_new(Cursor::new(bytes), None).map_err(wrong)?;
        let schema = reader.schema();
        for field in self.columns.fields() {
            if schema.index_of(field.name()).is_err() {
                return Err(refused(format!("column `{}` is missing", field.name())));
            }
        }
        if let Some(field) = schema.fields().iter().find(|field| self.columns.index_of(field.name()).is_err()) {
            return Err(refused(format!("column `{}` is none of the stream's", field.name())));
        }
        reader.map(|batch| batch.map_err(wrong)).collect()
    }

    fn json_lines(&self, bytes: &[u8]) -> Result<Vec<RecordBatch>> {
        let wrong = |error: arrow_schema::ArrowError| {
            refused(format!("they are no JSON lines of the stream's columns: {error}"))
        };
        let reader = ReaderBuilder::new(Arc::clone(&self.json)).with_batch_size(JSON_ROWS);
        let reader = reader.build(Cursor::new(bytes)).map_err(wrong)?;
        reader.map(|batch| self.json_batch(&batch.map_err(wrong)?)).collect()
    }

    /// Bytes come as base64 in JSON, whose text is none.
    fn json_batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for (wanted, column) in self.columns.fields().iter().zip(batch.columns()) {
            let is_bytes =
                matches!(wanted.data_type(), DataType::Binary | DataType::FixedSizeBinary(_)) && !is_uuid(wanted);
            let column = if is_bytes { bytes(wanted, column)? } else { Arc::clone(column) };
            fields.push(Arc::new(Field::new(wanted.name(), column.data_type().clone(), true)));
            columns.push(column);
        }
        RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), columns).map_err(|error| refused(error.to_string()))
    }
}

fn is_uuid(field: &Field) -> bool {
    field.try_extension_type::<arrow_schema::extension::Uuid>().is_ok()
}

/// A missing key is null, whatever the table says: it says so itself when the rows are brought to its columns.
fn json_field(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Binary | DataType::FixedSizeBinary(_) => DataType::Utf8,
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), data_type, true))
}

fn bytes(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    let decoded = column
        .as_string::<i32>()
        .iter()
        .map(|text| {
            let decode = |text: &str| {
                STANDARD
                    .decode(text)
                    .map_err(|error| refused(format!("column `{}` is no base64: {error}", field.name())))
            };
            text.map(decode).transpose()
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(decoded.iter().map(Option::as_deref).collect::<BinaryArray>()))
}

fn refused(reason: String) -> Error {
    Error::internal(format!("the connector handed over rows that cannot be read: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::parts::created;
    use crate::types::{Caster, NewColumn, parse, to_arrow};

    fn decoder(columns: &[(&str, &str)]) -> (Decoder, Caster) {
        let column = |(name, text): &(&str, &str)| NewColumn {
            name: (*name).to_owned(),
            field_type: parse(text).unwrap(),
            required: false,
            doc: None,
        };
        let schema = to_arrow(&created(&columns.iter().map(column).collect::<Vec<_>>()).unwrap());
        (Decoder::new(schema.clone()), Caster::new(schema))
    }

    #[tokio::test]
    async fn garbage_is_told_as_such() {
        let (decoder, _) = decoder(&[("a", "int")]);
        for garbage in [vec![], vec![0; 64], vec![0xff; 64], b"hello, world".to_vec()] {
            let error = decoder.decode(RowData::ArrowIpc(garbage)).await.unwrap_err().to_string();
            assert!(error.contains("no Arrow IPC stream"), "{error}");
        }
        let error = decoder.decode(RowData::JsonLines(b"{\"a\":\"x\"}".to_vec())).await.unwrap_err().to_string();
        assert!(error.contains("no JSON lines"), "{error}");
    }

    #[tokio::test]
    async fn json_lines_of_every_type_become_the_tables_types() {
        let (decoder, caster) = decoder(&[
            ("b", "boolean"),
            ("i", "int"),
            ("l", "long"),
            ("d", "decimal(10,2)"),
            ("day", "date"),
            ("t", "time"),
            ("at", "timestamptz"),
            ("s", "string"),
            ("u", "uuid"),
            ("x", "binary"),
            ("f", "fixed[2]"),
            ("tags", "list<string>"),
            ("m", "map<string,double>"),
            ("o", "struct<a:int>"),
        ]);
        let line = r#"{"b":true,"i":1,"l":9007199254740993,"d":"12.50","day":"2024-02-29","t":"12:34:56.789","at":"2024-02-29T12:00:00+02:00","s":"ü","u":"6fa459ea-ee8a-3ca4-894e-db77e160355e","x":"AAE=","f":"AAE=","tags":["a",null],"m":{"k":1.5},"o":{"a":7},"extra":1}"#;
        let lines = format!("{line}\n{{}}\n");
        let batches = decoder.decode(RowData::JsonLines(lines.into_bytes())).await.unwrap();
        let batch = caster.cast(&batches[0]).unwrap();
        assert_eq!(batch.num_rows(), 2);
        assert!(batch.columns().iter().all(|column| column.is_valid(0) && column.is_null(1)));
        let shown = datafusion::arrow::util::pretty::pretty_format_batches(&[batch.slice(0, 1)]).unwrap().to_string();
        for value in
            ["9007199254740993", "12.50", "2024-02-29", "12:34:56.789", "2024-02-29T10:00:00Z", "0001", "[a, ]"]
        {
            assert!(shown.contains(value), "{value} is not in\n{shown}");
        }
    }
}
