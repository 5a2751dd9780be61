//! stub
use datafusion::arrow::datatypes::DataType;

/// Whether a type is a variant's.
pub(in crate::engine) fn is_variant(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(fields) if matches!(fields.as_ref(), [field] if field.name() == "$variant"))
}
