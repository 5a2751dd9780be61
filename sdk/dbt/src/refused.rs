//! What dbt has and a model here has not: each is refused by name, with what to do instead.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Rest, Value};
use minijinja::{Environment, Error as JinjaError, ErrorKind, State};

const NO_QUERIES: &str =
    "a model is rendered before the engine is asked anything: write what it would give into the model or into `vars`";
const NO_ENVIRONMENT: &str = "no variables of an environment reach a model: set it under `vars` of the gold binding's configuration, and use `var`";
const NO_PROJECT: &str = "a model stands alone here, without a project and its run";
const NO_CLOCK: &str = "a model that is rendered twice must be the same: use the engine's current_timestamp, or `var`";
const NO_PYTHON: &str = "there is no Python here: use Jinja's filters, or the engine's functions";

/// Functions, and why they are not there.
const FUNCTIONS: [(&str, &str); 14] = [
    ("env_var", NO_ENVIRONMENT),
    ("run_query", NO_QUERIES),
    ("statement", NO_QUERIES),
    ("load_result", NO_QUERIES),
    ("load_relation", NO_QUERIES),
    ("load_cached_relation", NO_QUERIES),
    ("get_columns_in_relation", NO_QUERIES),
    (
        "date_spine",
        "its length would be a query: use dbt_utils.date_spine, which takes literals, or SEQUENCE with UNNEST",
    ),
    ("return", "a macro of a model gives the text that it prints"),
    ("fromyaml", "use fromjson, or `vars`"),
    ("toyaml", "use tojson"),
    ("metric", NO_PROJECT),
    ("doc", NO_PROJECT),
    ("submit_python_job", NO_PYTHON),
];

/// Objects, and why they are not there.
const OBJECTS: [(&str, &str); 14] = [
    ("modules", NO_PYTHON),
    ("api", "use dbt.type_string, dbt.type_int and the others"),
    ("run_started_at", NO_CLOCK),
    ("invocation_id", NO_CLOCK),
    ("invocation_args_dict", NO_PROJECT),
    ("thread_id", NO_PROJECT),
    ("dbt_version", "models are rendered without dbt where the binding does not say so"),
    ("dbt_metadata_envs", NO_ENVIRONMENT),
    ("flags", NO_PROJECT),
    ("graph", NO_PROJECT),
    ("builtins", NO_PROJECT),
    ("context", NO_PROJECT),
    ("selected_resources", NO_PROJECT),
    ("database_schemas", NO_PROJECT),
];

/// Macros of `dbt` and `dbt_utils`, and why they are not there.
const MACROS: [(&str, &str); 14] = [
    ("star", NO_QUERIES),
    ("union_relations", NO_QUERIES),
    ("unpivot", NO_QUERIES),
    ("deduplicate", "it joins on all columns, which Trino does not: use ROW_NUMBER() in a query around the rows"),
    ("get_column_values", NO_QUERIES),
    ("get_filtered_columns_in_relation", NO_QUERIES),
    ("get_relations_by_pattern", NO_QUERIES),
    ("get_relations_by_prefix", NO_QUERIES),
    ("get_query_results_as_dict", NO_QUERIES),
    ("get_single_value", NO_QUERIES),
    ("nullcheck_table", NO_QUERIES),
    ("get_intervals_between", NO_QUERIES),
    ("date", "Trino has no TO_DATE, which dbt would write: write DATE '2024-01-31'"),
    ("slugify", NO_PYTHON),
];

/// Gives each name that is refused its reason.
pub(crate) fn add(jinja: &mut Environment<'_>) {
    for (name, why) in FUNCTIONS {
        jinja.add_function(name, move |_: Rest<Value>| Err::<Value, _>(refusal(name, why)));
    }
    for (name, why) in OBJECTS {
        jinja.add_global(name, Value::from_object(Refused { name, why }));
    }
}

/// Why `name` is refused; none for a name that is merely unknown.
pub(crate) fn reason(name: &str) -> Option<String> {
    let found = FUNCTIONS.iter().chain(&OBJECTS).chain(&MACROS).find(|(refused, _)| *refused == name);
    found.map(|(name, why)| message(name, why))
}

/// A method of Python's that a value here lacks.
pub(crate) fn method(name: &str) -> Option<&'static str> {
    match name {
        "append" | "extend" | "insert" | "remove" | "pop" | "clear" => {
            Some("lists do not change here: write `{% set names = names + ['x'] %}`, in a loop on a namespace")
        }
        "update" | "setdefault" => Some("dictionaries do not change here: write one with all of its keys"),
        _ => None,
    }
}

fn message(name: &str, why: &str) -> String {
    format!("there is no `{name}` here: {why}")
}

fn refusal(name: &str, why: &str) -> JinjaError {
    JinjaError::new(ErrorKind::InvalidOperation, message(name, why))
}

#[derive(Debug)]
struct Refused {
    name: &'static str,
    why: &'static str,
}

impl Object for Refused {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from(refusal(self.name, self.why)))
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, JinjaError> {
        Err(refusal(self.name, self.why))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, _: &str, _: &[Value]) -> Result<Value, JinjaError> {
        Err(refusal(self.name, self.why))
    }

    /// Printing fails; the reason is looked up by the name that was printed.
    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}
