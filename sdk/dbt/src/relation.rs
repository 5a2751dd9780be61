//! A table or view as a model sees it: printed it is its quoted name, as dbt writes it, with the parts as attributes.

use std::fmt;
use std::sync::Arc;

use asgard_sdk::TableName;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};

/// The lakehouse's name in SQL, whatever an engine calls it.
pub const CATALOG: &str = "iceberg";

#[derive(Debug)]
pub(crate) struct Relation {
    table: TableName,
}

impl Relation {
    pub(crate) fn value(table: &TableName) -> Value {
        Value::from_object(Self { table: table.clone() })
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Object for Relation {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "database" => Some(Value::from(CATALOG)),
            "schema" => Some(Value::from(self.table.namespace.clone())),
            "identifier" | "name" | "table" => Some(Value::from(self.table.name.clone())),
            _ => None,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", quoted(CATALOG), quoted(&self.table.namespace), quoted(&self.table.name))
    }
}
