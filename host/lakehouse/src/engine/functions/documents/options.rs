//! Options of functions of documents: a map of texts, written out in the statement.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use crate::engine::calendar::pattern::Pattern;

/// Options by lower-case name.
#[derive(Debug, Default)]
pub(in crate::engine) struct Options(Vec<(String, String)>);

impl Options {
    /// From a map, the same for all rows; none = no options.
    ///
    /// # Errors
    /// For an option that is not among the known ones.
    pub(super) fn of(map: Option<&ArrayRef>, known: &[&str]) -> Result<Self> {
        let Some(map) = map.filter(|map| !map.is_empty()) else { return Ok(Self::default()) };
        let Some(map) = map.as_map_opt() else { return exec_err!("options are a map, as map('mode', 'FAILFAST')") };
        if map.is_null(0) {
            return Ok(Self::default());
        }
        let (keys, values) = (map.value(0), map.keys().data_type().clone());
        if !matches!(values, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8) {
            return exec_err!("options are a map of texts");
        }
        let (names, values) = (cast(keys.column(0), &DataType::Utf8)?, cast(keys.column(1), &DataType::Utf8)?);
        let mut options = Vec::new();
        for (name, value) in names.as_string::<i32>().iter().zip(values.as_string::<i32>()) {
            let (Some(name), Some(value)) = (name, value) else { continue };
            if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return exec_err!("the option `{name}` is not supported: expected one of {}", known.join(", "));
            }
            options.push((name.to_lowercase(), value.to_owned()));
        }
        Ok(Self(options))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn truth(&self, name: &str, default: bool) -> Result<bool> {
        match self.text(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => exec_err!("the option `{name}` is true or false, not '{other}'"),
        }
    }

    pub(super) fn pattern(&self, name: &str) -> Result<Option<Pattern>> {
        match self.text(name).map(Pattern::java) {
            None => Ok(None),
            Some(Ok(pattern)) => Ok(Some(pattern)),
            Some(Err(error)) => exec_err!("the option `{name}`: {error}"),
        }
    }

    /// Whether the statement fails at a document that is wrong.
    pub(super) fn fails_fast(&self) -> Result<bool> {
        match self.text("mode").map(str::to_ascii_uppercase).as_deref() {
            None | Some("PERMISSIVE") => Ok(false),
            Some("FAILFAST") => Ok(true),
            Some(other) => exec_err!("the mode is PERMISSIVE or FAILFAST, not {other}"),
        }
    }
}
