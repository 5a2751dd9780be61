//! Renders a model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use asgard_sdk::json::{self, Map, Value as Json};
use asgard_sdk::transform::GoldModel;
use asgard_sdk::{Error, Result, TableName};
use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{AutoEscape, Environment, Error as JinjaError, ErrorKind, State, UndefinedBehavior};

use super::context::{Adapter, Config, Exceptions, JinjaResult, Variables, from_json, invalid};
use super::relation::{CATALOG, Relation};
use super::{macros, python, refused};

/// The namespaces that `source` may name.
const NAMESPACES: [&str; 3] = ["bronze", "silver", "gold"];

/// What dbt calls the project that a model is in.
const PROJECT: &str = "asgard";

/// What a model is rendered with.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub model: &'a GoldModel,
    pub variables: &'a Map<String, Json>,
    pub environment: &'a str,
    /// What `target.type` is: the engine's name.
    pub engine: &'a str,
    /// What `is_incremental()` says.
    pub incremental: bool,
}

/// A rendered model.
#[derive(Debug)]
pub struct Rendered {
    pub sql: String,
    /// What the model told `config`.
    pub config: Map<String, Json>,
    /// What `ref` and `source` stood for, each once, in their order.
    pub tables: Vec<TableName>,
}

/// Renders the model's Jinja.
///
/// # Errors
/// `invalid-input` for `sql_query`, with the line.
pub fn render(scene: &Scene<'_>) -> Result<Rendered> {
    let config = Arc::new(Mutex::new(Map::new()));
    let tables = Tables::default();
    let environment = environment(scene, Arc::clone(&config), &tables)
        .map_err(|error| Error::Internal(format!("dbt's macros cannot be read: {error}")))?;
    let sql = environment
        .render_named_str(&scene.model.name, &scene.model.sql, ())
        .map_err(|error| explained(&error, &scene.model.sql))?;
    let config = config.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Rendered { sql: sql.trim().to_owned(), config, tables: tables.seen() })
}

/// Tables that a model named, while it is rendered.
#[derive(Clone, Default)]
struct Tables(Arc<Mutex<Vec<TableName>>>);

impl Tables {
    fn relation(&self, table: &TableName) -> Value {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(table) {
            seen.push(table.clone());
        }
        Relation::value(table)
    }

    fn seen(&self) -> Vec<TableName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn environment<'a>(
    scene: &Scene<'_>,
    config: Arc<Mutex<Map<String, Json>>>,
    tables: &Tables,
) -> JinjaResult<Environment<'a>> {
    let mut jinja = Environment::new();
    jinja.set_auto_escape_callback(|_| AutoEscape::None);
    jinja.set_undefined_behavior(UndefinedBehavior::Strict);
    jinja.set_unknown_method_callback(python_method);
    // Without it an error has no place in the text.
    jinja.set_debug(true);

    let model = scene.model;
    let known: BTreeMap<String, TableName> = model.models.iter().cloned().collect();
    let own = model.name.clone();
    let seen = tables.clone();
    jinja.add_function("ref", move |arguments: Rest<String>, options: Kwargs| {
        let name = last_of_at_most_two("ref", "'model'", &arguments)?;
        if options.args().next().is_some() {
            return Err(invalid("models have no versions here: `ref` takes a model's name alone"));
        }
        reference(name, &own, &known).map(|table| seen.relation(table))
    });
    let seen = tables.clone();
    jinja.add_function("source", move |namespace: String, table: String| {
        if NAMESPACES.contains(&namespace.as_str()) {
            return Ok(seen.relation(&TableName { namespace, name: table }));
        }
        Err(invalid(format!("there is no namespace `{namespace}`: `source` knows {}", NAMESPACES.join(", "))))
    });
    jinja.add_global("var", Value::from_object(Variables::new(scene.variables)));
    let incremental = scene.incremental;
    jinja.add_function("is_incremental", move || incremental);
    python::add(&mut jinja);
    refused::add(&mut jinja);
    macros::add(&mut jinja)?;
    for printed in ["log", "print"] {
        jinja.add_function(printed, |_: Value, _: Option<bool>, _: Kwargs| String::new());
    }
    jinja.add_global("config", Value::from_object(Config::new(config)));
    jinja.add_global("exceptions", Value::from_object(Exceptions));
    jinja.add_global("adapter", Value::from_object(Adapter));
    jinja.add_global("project_name", PROJECT);
    jinja.add_global("execute", true);
    jinja.add_global("this", Relation::value(&model.target));
    jinja.add_global(
        "model",
        from_json(&json::json!({
            "name": model.name,
            "alias": model.target.name,
            "schema": model.target.namespace,
            "database": CATALOG,
            "tags": model.tags,
            "resource_type": "model",
            "package_name": PROJECT,
            "unique_id": format!("model.{PROJECT}.{}", model.name),
        })),
    );
    jinja.add_global(
        "target",
        from_json(&json::json!({
            "name": scene.environment,
            "type": scene.engine,
            "database": CATALOG,
            "schema": model.target.namespace,
        })),
    );
    Ok(jinja)
}

/// Python's methods on texts, lists and dictionaries.
fn python_method(state: &mut State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> JinjaResult<Value> {
    match refused::method(method) {
        Some(why) => Err(invalid(format!("there is no `{method}` here: {why}"))),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments),
    }
}

fn reference<'a>(name: &str, own: &str, known: &'a BTreeMap<String, TableName>) -> JinjaResult<&'a TableName> {
    if name.eq_ignore_ascii_case(own) {
        return Err(invalid(format!("model `{name}` refers to itself: use `this`")));
    }
    if let Some(table) = known.get(name).or_else(|| known.get(&name.to_ascii_lowercase())) {
        return Ok(table);
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let known = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
    Err(invalid(format!("there is no model or silver table `{name}`: there is {known}")))
}

fn last_of_at_most_two<'v>(function: &str, usage: &str, arguments: &'v [String]) -> JinjaResult<&'v str> {
    match arguments {
        [name] | [_, name] => Ok(name),
        _ => Err(invalid(format!("`{function}` takes a name: {function}({usage})"))),
    }
}

/// The innermost cause with its line, and the words of the model that it is about.
fn explained(error: &JinjaError, source: &str) -> Error {
    let mut innermost = error;
    while let Some(cause) = std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref::<JinjaError>()) {
        innermost = cause;
    }
    let placed = if innermost.line().is_some() { innermost } else { error };
    let words = placed.range().and_then(|range| source.get(range)).map(str::trim).filter(|words| !words.is_empty());
    let refusal = words.and_then(|words| {
        let end = words.find(|end: char| !end.is_alphanumeric() && end != '_').unwrap_or(words.len());
        refused::reason(words.get(..end)?)
    });
    let what = match (innermost.kind(), innermost.detail(), words) {
        (ErrorKind::UndefinedError | ErrorKind::UnknownFunction | ErrorKind::WriteFailure, ..) if refusal.is_some() => {
            refusal.unwrap_or_default()
        }
        (ErrorKind::UndefinedError, _, Some(words)) => format!("`{words}` is not defined"),
        (ErrorKind::UnknownFunction, Some(detail), _) => format!(
            "{detail}: the model may use ref, source, config, var, is_incremental, this, target and its own macros"
        ),
        (ErrorKind::SyntaxError, Some(detail), _) => format!("the Jinja does not parse: {detail}"),
        (_, Some(detail), _) => detail.to_owned(),
        (kind, None, Some(words)) => format!("{kind} at `{words}`"),
        (kind, None, None) => kind.to_string(),
    };
    let place = placed.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    Error::invalid("sql_query", format!("{place}{what}"))
}
