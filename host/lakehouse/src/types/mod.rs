//! Types of columns: as text (`decimal(10,2)`), in Iceberg, in Arrow, and rows brought from one schema to another.
//!
//! Iceberg knows a field by its id, not by its name. Types that come from text or from Arrow have no ids yet ([`NO_ID`]);
//! `tables::evolution` gives them some when they become part of a table.

mod arrow;
mod cast;
mod text;

use asgard_contract::Column;
use iceberg::spec::{ListType, MapType, NestedField, NestedFieldRef, Schema, StructType, Type};

pub(crate) use arrow::{arrow_field_of, from_arrow, to_arrow};
pub(crate) use cast::{Caster, placeholder};
pub(crate) use text::{format, parse};

/// The id of a nested field that is in no table yet.
pub(crate) const NO_ID: i32 = 0;

/// A column that is to be part of a table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewColumn {
    pub(crate) name: String,
    /// Without ids.
    pub(crate) field_type: Type,
    pub(crate) required: bool,
    pub(crate) doc: Option<String>,
}

/// A table's columns as the contract shows them.
pub(crate) fn columns(schema: &Schema) -> Vec<Column> {
    let fields = schema.as_struct().fields().iter();
    fields
        .map(|field| Column {
            name: field.name.clone(),
            data_type: format(&field.field_type),
            nullable: !field.required,
            doc: field.doc.clone(),
        })
        .collect()
}

/// Whether two types are the same, whatever their ids.
pub(crate) fn same(a: &Type, b: &Type) -> bool {
    let fields = |a: &NestedFieldRef, b: &NestedFieldRef| same(&a.field_type, &b.field_type);
    match (a, b) {
        (Type::Primitive(a), Type::Primitive(b)) => a == b,
        (Type::List(a), Type::List(b)) => fields(&a.element_field, &b.element_field),
        (Type::Map(a), Type::Map(b)) => fields(&a.key_field, &b.key_field) && fields(&a.value_field, &b.value_field),
        (Type::Struct(a), Type::Struct(b)) => {
            a.fields().len() == b.fields().len()
                && a.fields().iter().zip(b.fields()).all(|(a, b)| a.name == b.name && fields(a, b))
        }
        _ => false,
    }
}

/// A list whose elements may be null.
pub(crate) fn list(id: i32, element: Type, required: bool) -> Type {
    Type::List(ListType::new(NestedField::list_element(id, element, required).into()))
}

/// A map; values may be null.
pub(crate) fn map(key_id: i32, key: Type, value_id: i32, value: Type, required: bool) -> Type {
    Type::Map(MapType::new(
        NestedField::map_key_element(key_id, key).into(),
        NestedField::map_value_element(value_id, value, required).into(),
    ))
}

/// A struct of fields.
pub(crate) fn structure(fields: Vec<NestedField>) -> Type {
    Type::Struct(StructType::new(fields.into_iter().map(Into::into).collect()))
}
