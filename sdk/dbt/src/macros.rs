//! Macros that every model may call: dbt's own namespace `dbt`, and the package `dbt_utils`.
//!
//! They are Jinja, and text is all that they give. Those of `dbt` may be called by their names alone, as in dbt.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Rest, Value};
use minijinja::{Environment, Error as JinjaError, ErrorKind, State};

use crate::refused;

/// The package `dbt_utils`, for a dbt that is run too: it needs `dbt`'s own macros only.
pub const DBT_UTILS: &str = include_str!("macros/dbt_utils.sql");
const DBT: &str = include_str!("macros/dbt.sql");

/// Adds both namespaces.
///
/// # Errors
/// Where the text of one does not parse.
pub(crate) fn add(jinja: &mut Environment<'_>) -> Result<(), JinjaError> {
    for (name, text) in [("dbt", DBT), ("dbt_utils", DBT_UTILS)] {
        jinja.add_template(name, text)?;
        jinja.add_global(name, Value::from_object(Namespace { name }));
    }
    let mut module = jinja.get_template("dbt")?.render_captured(())?;
    let names: Vec<String> = module.with_state_mut(|state| state.exports().into_iter().map(str::to_owned).collect());
    drop(module);
    for name in names {
        let called = name.clone();
        jinja.add_function(name, move |state: &mut State<'_, '_>, arguments: Rest<Value>| {
            call(state, "dbt", &called, &arguments)
        });
    }
    Ok(())
}

fn call(state: &State<'_, '_>, namespace: &str, name: &str, arguments: &[Value]) -> Result<Value, JinjaError> {
    let mut module = state.env().get_template(namespace)?.render_captured(())?;
    let called = module.with_state_mut(|state| {
        if state.lookup(name).is_none() || !state.exports().contains(&name) {
            let why = refused::reason(name).unwrap_or_else(|| format!("there is no macro `{namespace}.{name}`"));
            return Err(JinjaError::new(ErrorKind::InvalidOperation, why));
        }
        state.call_macro(name, arguments).map_err(|error| of_macro(namespace, name, &error))
    });
    called.map(Value::from)
}

/// The innermost cause in the model's words: the lines of a macro's own text say nothing to whoever wrote the model.
fn of_macro(namespace: &str, name: &str, error: &JinjaError) -> JinjaError {
    let mut innermost = error;
    while let Some(cause) = std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref::<JinjaError>()) {
        innermost = cause;
    }
    let what = match (innermost.kind(), innermost.detail()) {
        (ErrorKind::MissingArgument | ErrorKind::UndefinedError, None) => "an argument is missing".to_owned(),
        (ErrorKind::TooManyArguments, None) => "there are too many arguments".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    };
    JinjaError::new(ErrorKind::InvalidOperation, format!("`{namespace}.{name}`: {what}"))
}

#[derive(Debug)]
struct Namespace {
    name: &'static str,
}

impl Object for Namespace {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, JinjaError> {
        call(state, self.name, method, arguments)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
