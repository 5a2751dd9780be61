//! Objects that a model finds in its context.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use asgard_sdk::json::{self, Map, Value as Json};
use minijinja::value::{Kwargs, Object, ObjectRepr, Serde, Value};
use minijinja::{Error as JinjaError, ErrorKind, State};

use crate::relation::quoted;

pub(crate) type JinjaResult<T> = Result<T, JinjaError>;

pub(crate) fn from_json(value: &Json) -> Value {
    Value::from(Serde(value))
}

pub(crate) fn invalid(message: impl Into<String>) -> JinjaError {
    JinjaError::new(ErrorKind::InvalidOperation, message.into())
}

/// `config(…)`, which prints nothing, and its methods.
#[derive(Debug)]
pub(crate) struct Config {
    told: Arc<Mutex<Map<String, Json>>>,
}

impl Config {
    pub(crate) fn new(told: Arc<Mutex<Map<String, Json>>>) -> Self {
        Self { told }
    }

    fn tell(&self, values: &Value) -> JinjaResult<()> {
        let values = json::to_value(values).map_err(|error| invalid(format!("`config` cannot be read: {error}")))?;
        let Json::Object(values) = values else {
            return Err(invalid("`config` takes settings: config(materialized='table')"));
        };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).extend(values);
        Ok(())
    }
}

impl Object for Config {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> JinjaResult<Value> {
        for argument in arguments {
            self.tell(argument)?;
        }
        Ok(Value::from(""))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, arguments: &[Value]) -> JinjaResult<Value> {
        let (name, rest) = match arguments {
            [name, rest @ ..] if method == "get" || method == "require" => (name, rest),
            _ => return Err(invalid(format!("`config.{method}` is unknown: there are get and require"))),
        };
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let found = name.as_str().and_then(|name| told.get(name)).map(from_json);
        match found {
            Some(value) => Ok(value),
            None if method == "require" => Err(invalid(format!("config `{name}` is required, and not set before"))),
            None => Ok(default_of(rest)),
        }
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// `get('name', 1)` and `get('name', default=1)`.
fn default_of(arguments: &[Value]) -> Value {
    match arguments.first() {
        Some(value) => match Kwargs::try_from(value.clone()) {
            Ok(options) if value.is_kwargs() => options.get("default").unwrap_or_else(|_| Value::from(())),
            _ => value.clone(),
        },
        None => Value::from(()),
    }
}

#[derive(Debug)]
pub(crate) struct Exceptions;

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, arguments: &[Value]) -> JinjaResult<Value> {
        let message = arguments.first().map(ToString::to_string).unwrap_or_default();
        match method {
            "raise_compiler_error" => Err(invalid(message)),
            "warn" => Ok(Value::from("")),
            _ => Err(invalid(format!("`exceptions.{method}` is unknown: there are raise_compiler_error and warn"))),
        }
    }
}

/// `var('name', default)`.
#[derive(Debug)]
pub(crate) struct Variables {
    values: Map<String, Json>,
}

impl Variables {
    pub(crate) fn new(values: &Map<String, Json>) -> Self {
        Self { values: values.clone() }
    }
}

impl Object for Variables {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> JinjaResult<Value> {
        let Some((name, rest)) = arguments.split_first().and_then(|(name, rest)| Some((name.as_str()?, rest))) else {
            return Err(invalid("`var` takes a name: var('name', 'default')"));
        };
        match self.values.get(name) {
            Some(value) => Ok(from_json(value)),
            None if rest.is_empty() => Err(invalid(format!(
                "there is no variable `{name}` and no default: set it under `vars` of the gold binding's configuration"
            ))),
            None => Ok(default_of(rest)),
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, arguments: &[Value]) -> JinjaResult<Value> {
        match arguments {
            [name] if method == "has_var" => {
                Ok(Value::from(name.as_str().is_some_and(|name| self.values.contains_key(name))))
            }
            _ => Err(invalid(format!("`var.{method}` is unknown: there is has_var('name')"))),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("var")
    }
}

/// What of dbt's adapter asks no engine.
#[derive(Debug)]
pub(crate) struct Adapter;

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, arguments: &[Value]) -> JinjaResult<Value> {
        match (method, arguments) {
            ("quote", [name]) => Ok(Value::from(quoted(&name.to_string()))),
            _ => Err(invalid(format!(
                "there is no `adapter.{method}` here, for the engine is asked nothing: there is quote('name')"
            ))),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("adapter")
    }
}
