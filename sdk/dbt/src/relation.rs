//! A table or view as a model sees it: printed it is its quoted name, as dbt writes it, with the parts as attributes.

use std::fmt;
use std::sync::Arc;

use asgard_sdk::TableName;
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value};
use minijinja::{Error as JinjaError, ErrorKind, State};

/// The lakehouse's name in SQL, whatever an engine calls it.
pub const CATALOG: &str = "iceberg";

/// The parts of a name, as dbt calls them.
const PARTS: [&str; 3] = ["database", "schema", "identifier"];

#[derive(Debug, Clone)]
pub(crate) struct Relation {
    table: TableName,
    /// Which of the parts are printed.
    included: [bool; 3],
    /// Which of them in quotes.
    quoted: [bool; 3],
}

impl Relation {
    pub(crate) fn value(table: &TableName) -> Value {
        Value::from_object(Self { table: table.clone(), included: [true; 3], quoted: [true; 3] })
    }

    fn parts(&self) -> [&str; 3] {
        [CATALOG, &self.table.namespace, &self.table.name]
    }
}

/// A name in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `include(database=false)`: what is set for each part; parts that are not named stay as they are.
fn chosen(method: &str, before: [bool; 3], arguments: &[Value]) -> Result<[bool; 3], JinjaError> {
    let usage = || {
        let message = format!("`{method}` takes {} as true or false: {method}(database=false)", PARTS.join(", "));
        JinjaError::new(ErrorKind::InvalidOperation, message)
    };
    let options = match arguments {
        [] => return Ok(before),
        [options] if options.is_kwargs() => Kwargs::try_from(options.clone())?,
        _ => return Err(usage()),
    };
    let mut chosen = before;
    for (choice, part) in chosen.iter_mut().zip(PARTS) {
        if let Some(value) = options.get::<Option<bool>>(part).map_err(|_| usage())? {
            *choice = value;
        }
    }
    options.assert_all_used().map_err(|_| usage())?;
    Ok(chosen)
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

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, JinjaError> {
        let mut relation = Self::clone(self);
        match method {
            "render" => return Ok(Value::from(self.to_string())),
            "include" => relation.included = chosen(method, self.included, arguments)?,
            "quote" => relation.quoted = chosen(method, self.quoted, arguments)?,
            _ => {
                let message = format!("a relation has no `{method}` here: there are render, include and quote");
                return Err(JinjaError::new(ErrorKind::InvalidOperation, message));
            }
        }
        Ok(Value::from_object(relation))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printed: Vec<String> = self
            .parts()
            .iter()
            .zip(self.included)
            .zip(self.quoted)
            .filter(|((_, included), _)| *included)
            .map(|((part, _), is_quoted)| if is_quoted { quoted(part) } else { (*part).to_owned() })
            .collect();
        f.write_str(&printed.join("."))
    }
}
