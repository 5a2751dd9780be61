//! What the columns of an answer are called: `feature`, or `view__feature` with full names.

use asgard_sdk::feature_source::Selection;
use asgard_sdk::{Error, Result};

/// A feature in the answer.
pub fn output(selection: &Selection, feature: &str, full_names: bool) -> String {
    if full_names { format!("{}__{feature}", selection.view.name) } else { feature.to_owned() }
}

/// All features of the answer, in order. Names that differ in case alone are one to most engines.
///
/// # Errors
/// `invalid-input` for `features` when there are none, for `full_feature_names` when two would have one name.
pub fn outputs<'a>(selections: impl IntoIterator<Item = &'a Selection>, full_names: bool) -> Result<Vec<String>> {
    let mut named: Vec<(&Selection, &String, String)> = Vec::new();
    for selection in selections {
        for feature in &selection.features {
            let name = output(selection, feature, full_names);
            if let Some((other, known, _)) = named.iter().find(|(_, _, taken)| taken.eq_ignore_ascii_case(&name)) {
                return Err(Error::invalid(
                    "full_feature_names",
                    format!(
                        "feature `{known}` of view `{}` and `{feature}` of `{}` would have one name: set it to true",
                        other.view.name, selection.view.name
                    ),
                ));
            }
            named.push((selection, feature, name));
        }
    }
    if named.is_empty() {
        return Err(Error::invalid("features", "no features were asked for"));
    }
    Ok(named.into_iter().map(|(_, _, name)| name).collect())
}

/// Whether the columns of the rows to join to leave the features' names free.
///
/// # Errors
/// `invalid-input` for `entities`.
pub fn beside<'a>(outputs: &[String], columns: impl IntoIterator<Item = &'a str>) -> Result<()> {
    for column in columns {
        if outputs.iter().any(|output| output.eq_ignore_ascii_case(column)) {
            return Err(Error::invalid(
                "entities",
                format!(
                    "the rows have a column `{column}`, which is also a feature: call it otherwise, or ask for full feature names"
                ),
            ));
        }
    }
    Ok(())
}
