//! What is wrong with a statement, in words for whoever wrote it.
//!
//! The engine's own errors name its parts and types; here they become the contract's: `invalid-input` for all that the
//! statement or its data is to blame for, with the place and the nearest name that exists.

use asgard_contract::Error;
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};

use super::text::{FIELD, Place, Words, suggestion, wrong};

/// Translates the errors of one statement.
#[derive(Debug, Clone)]
pub(super) struct Translator {
    words: Words,
    memory_bytes: u64,
    /// The view whose text it is, where it is not the statement's own.
    view: Option<String>,
}

impl Translator {
    pub(super) fn new(words: Words, memory_bytes: u64) -> Self {
        Self { words, memory_bytes, view: None }
    }

    /// For the text of a view of the lakehouse.
    pub(super) fn of_view(view: impl ToString, words: Words, memory_bytes: u64) -> Self {
        Self { words, memory_bytes, view: Some(view.to_string()) }
    }

    /// An error from before the statement runs.
    pub(super) fn planning(&self, error: DataFusionError) -> Error {
        self.told(self.translate(error, None))
    }

    /// An error of a statement that runs: its data, its limits, or the machine.
    pub(super) fn running(&self, error: DataFusionError) -> Error {
        self.told(self.translate(error, None))
    }

    fn told(&self, error: Error) -> Error {
        match (&self.view, error) {
            (Some(view), Error::InvalidInput { message, .. }) => {
                Error::invalid(FIELD, format!("the view `{view}` cannot be read: {message}"))
            }
            (_, error) => error,
        }
    }

    fn translate(&self, error: DataFusionError, place: Option<Place>) -> Error {
        match error {
            DataFusionError::Diagnostic(diagnostic, inner) => {
                let place =
                    diagnostic.span.map(|span| Place { line: span.start.line, column: span.start.column }).or(place);
                self.translate(*inner, place)
            }
            DataFusionError::Context(_, inner) => self.translate(*inner, place),
            DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => self.translate(inner, place),
                Err(inner) => self.message(&inner.strip_backtrace(), place),
            },
            DataFusionError::Collection(errors) => match errors.into_iter().next() {
                Some(first) => self.translate(first, place),
                None => Error::internal("the statement failed without saying why"),
            },
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(error) => *error,
                Err(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(error) => self.translate(*error, place),
                    Err(inner) => Error::internal(inner.to_string()),
                },
            },
            DataFusionError::SchemaError(error, _) => self.schema(*error, place),
            DataFusionError::ResourcesExhausted(_) => self.memory(),
            DataFusionError::ArrowError(error, _) => self.arrow(*error, place),
            DataFusionError::NotImplemented(message) => self.message(&format!("not supported: {message}"), place),
            DataFusionError::Plan(message) | DataFusionError::Execution(message) => self.message(&message, place),
            DataFusionError::SQL(error, _) => self.message(&error.to_string(), place),
            DataFusionError::ObjectStore(error) => Error::unavailable(format!("a file cannot be read: {error}")),
            DataFusionError::IoError(error) => Error::unavailable(format!("a file cannot be read or written: {error}")),
            DataFusionError::ParquetError(error) => Error::internal(format!("a Parquet file cannot be read: {error}")),
            other => Error::internal(format!("the engine failed: {}", first_line(&other.strip_backtrace()))),
        }
    }

    /// More than the statement may have.
    fn memory(&self) -> Error {
        wrong(
            None,
            format!(
                "the statement needs more memory than it may have ({}), even after spilling to disk: read fewer columns or \
                 rows, group earlier, or raise `limits.query_memory_bytes` of the environment, where the host has more",
                size(self.memory_bytes)
            ),
        )
    }

    fn schema(&self, error: SchemaError, place: Option<Place>) -> Error {
        match error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let place = place.or_else(|| self.words.find(&field.name));
                wrong(place, missing_column(&field, &valid_fields))
            }
            // The planner names a relation only where a column of one and a column without one have the same name: none of
            // them was referred to by it.
            SchemaError::AmbiguousReference { field } if field.relation.is_some() => wrong(
                place.or_else(|| self.words.find(&field.name)),
                format!("two columns are both called `{}`: name one of them differently", field.name),
            ),
            SchemaError::AmbiguousReference { field } => wrong(
                place.or_else(|| self.words.find(&field.name)),
                format!("the column `{}` is in more than one table: write the table's name before it", field.name),
            ),
            SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
                wrong(
                    place.or_else(|| self.words.find(&name)),
                    format!("two columns are called `{name}`: give one of them another name with AS"),
                )
            }
        }
    }

    fn arrow(&self, error: ArrowError, place: Option<Place>) -> Error {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<DataFusionError>() {
                Ok(error) => self.translate(*error, place),
                Err(inner) => match inner.downcast::<Error>() {
                    Ok(error) => *error,
                    Err(inner) => Error::internal(inner.to_string()),
                },
            },
            ArrowError::DivideByZero => wrong(place, "division by zero: use NULLIF on the divisor"),
            ArrowError::IoError(message, _) => {
                Error::unavailable(format!("a file cannot be read or written: {message}"))
            }
            ArrowError::ArithmeticOverflow(message) => wrong(place, format!("a number is out of range: {message}")),
            ArrowError::CastError(message)
            | ArrowError::ComputeError(message)
            | ArrowError::ParseError(message)
            | ArrowError::InvalidArgumentError(message) => self.message(&message, place),
            other => Error::internal(format!("the engine failed: {other}")),
        }
    }

    fn message(&self, message: &str, place: Option<Place>) -> Error {
        // The pool's error comes as text where an operator has wrapped it.
        if message.contains("Resources exhausted") {
            return self.memory();
        }
        let message = plain(message);
        let place = place.or_else(|| quoted(&message).find_map(|name| self.words.find(name)));
        wrong(place, message)
    }
}

fn missing_column(field: &Column, valid: &[Column]) -> String {
    let name = match &field.relation {
        Some(relation) => format!("{relation}.{}", field.name),
        None => field.name.clone(),
    };
    let of_relation: Vec<&str> = valid
        .iter()
        .filter(|known| match (&field.relation, &known.relation) {
            (Some(wanted), Some(known)) => wanted.table() == known.table(),
            _ => true,
        })
        .map(|known| known.name.as_str())
        .collect();
    if let Some(relation) = &field.relation
        && of_relation.is_empty()
    {
        let tables: std::collections::BTreeSet<&str> =
            valid.iter().filter_map(|known| known.relation.as_ref()).map(|known| known.table()).collect();
        return format!(
            "there is no table `{relation}` here for the column `{name}`{}",
            suggestion(relation.table(), tables.iter().copied())
        );
    }
    format!("there is no column `{name}`{}", suggestion(&field.name, of_relation.iter().copied()))
}

/// The parts of a message in quotes that could be words of the statement.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message
        .split(['\'', '`', '"'])
        .skip(1)
        .step_by(2)
        .map(|part| part.split_once('(').map_or(part, |(name, _)| name))
        .filter(|part| !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '_'))
}

/// Without the engine's own words around it.
fn plain(message: &str) -> String {
    let mut text = message;
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Compute error: ",
        "Optimizer rule 'simplify_expressions' failed",
        "type_coercion",
        "caused by",
        "\n",
    ] {
        text = text.trim_start().strip_prefix(prefix).unwrap_or(text);
    }
    if let Some((_, own)) = text.split_once("user-defined coercion failed with \"") {
        let own = own.split_once("\" No function").map_or(own, |(own, _)| own);
        return first_line(own.strip_prefix("Error during planning: ").unwrap_or(own).trim_end_matches('"'));
    }
    if let Some(at) = text.find("No function matches the given name and argument types") {
        let rest = &text[at..];
        let call = rest.split('\'').nth(1).unwrap_or_default();
        return format!("`{call}`: the function does not take such arguments");
    }
    if text.contains("must be in GROUP BY clause") || text.contains("must appear in the GROUP BY clause") {
        let column = text.split('"').nth(1).unwrap_or_default();
        let column = column.rsplit('.').next().unwrap_or(column);
        return format!("`{column}` is neither in GROUP BY nor inside of an aggregate such as max()");
    }
    if let Some((_, named)) = text.split_once("require unique expression names but the expression") {
        let column = named.split('"').nth(1).unwrap_or_default();
        let name = column.rsplit_once(" AS ").map_or_else(|| last_part(column), |(_, name)| name);
        return format!("two columns are both called `{name}`: name one of them differently");
    }
    first_line(text)
}

/// Of `table.column`; anything else is its own name.
fn last_part(column: &str) -> &str {
    let is_path = column.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if is_path { column.rsplit('.').next().unwrap_or(column) } else { column }
}

fn first_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    line.trim_end_matches(['.', ':']).to_owned()
}

/// `2 GiB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}
