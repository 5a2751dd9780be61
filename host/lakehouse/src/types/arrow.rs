//! Iceberg's types in Arrow, and Arrow's in Iceberg.
//!
//! Arrow knows more types than Iceberg. Those with a wider counterpart become it (`int16` is `int`, a dictionary is what its
//! values are); those without one (intervals, unions, 256-bit decimals) are refused by the column's name.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::extension::Uuid;
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};
use asgard_contract::{Error, Result};
use iceberg::spec::{NestedField, PrimitiveType, Schema, Type};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::{NO_ID, NewColumn, list, map, structure};

/// A table's schema in Arrow, field ids as Parquet wants them.
pub(crate) fn to_arrow(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema.as_struct().fields().iter().map(|field| arrow_field(field, &field.name)).collect();
    Arc::new(ArrowSchema::new(fields))
}

/// A column in Arrow, with its id.
pub(crate) fn arrow_field_of(field: &NestedField) -> FieldRef {
    arrow_field(field, &field.name)
}

fn arrow_field(field: &NestedField, name: &str) -> FieldRef {
    let id = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), field.id.to_string())]);
    let mut arrow = Field::new(name, arrow_type(&field.field_type), !field.required).with_metadata(id);
    if matches!(*field.field_type, Type::Primitive(PrimitiveType::Uuid)) {
        // Parquet's own mark for UUIDs follows from it.
        arrow = arrow.with_extension_type(Uuid);
    }
    Arc::new(arrow)
}

fn arrow_type(data_type: &Type) -> DataType {
    match data_type {
        Type::Primitive(primitive) => primitive_type(primitive),
        // The names are Parquet's: other names of a list's element are read by nobody else.
        Type::List(list) => DataType::List(arrow_field(&list.element_field, "element")),
        Type::Map(map) => {
            let entry = Fields::from(vec![arrow_field(&map.key_field, "key"), arrow_field(&map.value_field, "value")]);
            DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry), false)), false)
        }
        Type::Struct(fields) => {
            DataType::Struct(fields.fields().iter().map(|field| arrow_field(field, &field.name)).collect())
        }
    }
}

fn primitive_type(primitive: &PrimitiveType) -> DataType {
    match primitive {
        PrimitiveType::Boolean => DataType::Boolean,
        PrimitiveType::Int => DataType::Int32,
        PrimitiveType::Long => DataType::Int64,
        PrimitiveType::Float => DataType::Float32,
        PrimitiveType::Double => DataType::Float64,
        PrimitiveType::Decimal { precision, scale } => {
            // At most 38 by Iceberg's own rule.
            DataType::Decimal128(u8::try_from(*precision).unwrap_or(38), i8::try_from(*scale).unwrap_or(38))
        }
        PrimitiveType::Date => DataType::Date32,
        PrimitiveType::Time => DataType::Time64(TimeUnit::Microsecond),
        PrimitiveType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        PrimitiveType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        PrimitiveType::TimestampNs => DataType::Timestamp(TimeUnit::Nanosecond, None),
        PrimitiveType::TimestamptzNs => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        PrimitiveType::String => DataType::Utf8,
        PrimitiveType::Uuid => DataType::FixedSizeBinary(16),
        PrimitiveType::Fixed(length) => DataType::FixedSizeBinary(i32::try_from(*length).unwrap_or(i32::MAX)),
        PrimitiveType::Binary => DataType::Binary,
    }
}

/// The columns that rows of an Arrow schema have in a table. All may be null: what a statement happens to prove about its
/// result is no promise about later rows.
///
/// # Errors
/// `invalid-input` without a field for a type without a counterpart, for two columns of one name, and for none at all.
pub(crate) fn from_arrow(schema: &ArrowSchema) -> Result<Vec<NewColumn>> {
    let mut columns: Vec<NewColumn> = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if columns.iter().any(|column| column.name == *field.name()) {
            return Err(refused(format!("two columns are called `{0}`: rename one, as in `… AS {0}_2`", field.name())));
        }
        let field_type = iceberg_type(field).map_err(|found| {
            refused(format!("column `{}` has a type that tables cannot hold: {found}", field.name()))
        })?;
        columns.push(NewColumn { name: field.name().clone(), field_type, required: false, doc: None });
    }
    if columns.is_empty() {
        return Err(refused("the rows have no column".to_owned()));
    }
    Ok(columns)
}

fn refused(message: String) -> Error {
    Error::InvalidInput { field: None, message }
}

/// Err: the type that has no counterpart, for the message.
fn iceberg_type(field: &Field) -> std::result::Result<Type, String> {
    if field.try_extension_type::<Uuid>().is_ok() {
        return Ok(Type::Primitive(PrimitiveType::Uuid));
    }
    let primitive = match field.data_type() {
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => PrimitiveType::Int,
        // Unsigned 64-bit numbers come from counting (`row_number`); one that does not fit is an error when it is written.
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => PrimitiveType::Long,
        DataType::Float16 | DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if *precision <= 38 && *scale >= 0 =>
        {
            PrimitiveType::Decimal { precision: u32::from(*precision), scale: u32::from(scale.unsigned_abs()) }
        }
        DataType::Date32 | DataType::Date64 => PrimitiveType::Date,
        DataType::Time32(_) | DataType::Time64(_) => PrimitiveType::Time,
        DataType::Timestamp(_, None) => PrimitiveType::Timestamp,
        DataType::Timestamp(_, Some(_)) => PrimitiveType::Timestamptz,
        // `NULL AS note` has no type of its own.
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => PrimitiveType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => PrimitiveType::Binary,
        DataType::FixedSizeBinary(length) => PrimitiveType::Fixed(u64::from(length.unsigned_abs())),
        DataType::Dictionary(_, values) => {
            return iceberg_type(&Field::new(field.name(), values.as_ref().clone(), true));
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::FixedSizeList(element, _) => return Ok(list(NO_ID, iceberg_type(element)?, false)),
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| Ok(NestedField::optional(NO_ID, field.name(), iceberg_type(field)?)))
                .collect::<std::result::Result<_, String>>()?;
            return Ok(structure(fields));
        }
        DataType::Map(entry, _) => {
            let DataType::Struct(entry) = entry.data_type() else { return Err(field.data_type().to_string()) };
            let [key, value] = entry.as_ref() else { return Err(field.data_type().to_string()) };
            return Ok(map(NO_ID, iceberg_type(key)?, NO_ID, iceberg_type(value)?, false));
        }
        other => return Err(other.to_string()),
    };
    Ok(Type::Primitive(primitive))
}
