//! Names that users choose, checked once at the edge.

use asgard_contract::{Error, Result};

/// Tables, models, views, features: a letter, then letters, digits and `_`, at most 100 characters. The same rule as
/// dbt's model names, which every engine behind a role accepts unquoted.
///
/// # Errors
/// `invalid-input` for `field`.
pub(crate) fn identifier(field: &str, text: &str) -> Result<()> {
    let mut characters = text.chars();
    let starts = characters.next().is_some_and(|first| first.is_ascii_alphabetic());
    let goes_on = characters.all(|other| other.is_ascii_alphanumeric() || other == '_');
    if starts && goes_on && text.len() <= 100 {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!(
            "`{text}` is no valid name: expected a letter followed by letters, digits or `_`, at most 100 characters"
        ),
    ))
}

/// Anything a person would call a thing: 1 to 200 characters, none of them a control character.
///
/// # Errors
/// `invalid-input` for `field`.
pub(crate) fn title(field: &str, text: &str) -> Result<()> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > 200 || text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "expected 1 to 200 characters, not only blanks, without control characters"));
    }
    Ok(())
}

/// Environments and plugins: lower-case letters, digits and `-`, at most 63 characters (a DNS label, so that a
/// Kubernetes namespace or label can carry it).
///
/// # Errors
/// `invalid-input` for `field`.
pub(crate) fn label(field: &str, text: &str) -> Result<()> {
    let good = !text.is_empty()
        && text.len() <= 63
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if good {
        return Ok(());
    }
    Err(Error::invalid(
        field,
        format!("`{text}` is no valid name: expected lower-case letters, digits and `-`, at most 63"),
    ))
}

/// A table's name is one of a folder, which has 255 bytes on most disks, with room for what is put behind it.
pub(crate) const LONGEST_TABLE: usize = 200;

/// The bronze table of a stream: `{prefix}{stream}` in lower case, with `_` for everything that an unquoted SQL
/// identifier cannot have.
pub(crate) fn bronze_table(prefix: &str, stream: &str) -> String {
    let mut name: String = format!("{prefix}{stream}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        name.insert(0, 't');
    }
    name
}

/// What is put before the bronze tables' names, as it will stand there.
///
/// # Errors
/// `invalid-input` of `prefix`, with what would be one.
pub(crate) fn prefix(text: &str) -> Result<()> {
    let goes_on = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.chars().next().is_none_or(|first| first.is_ascii_lowercase());
    if starts && text.chars().all(goes_on) {
        return Ok(());
    }
    Err(Error::invalid(
        "prefix",
        format!(
            "`{text}`: expected lower-case letters, digits and `_`, a letter first, as tables' names have them: `{}` is one",
            bronze_table(text, "")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_what_every_engine_takes_unquoted() {
        for good in ["a", "Order_Totals2"] {
            assert!(identifier("name", good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "a-b", "a b", "ä", "a;drop table x", &"a".repeat(101)] {
            assert!(identifier("name", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bronze_tables_are_unquoted_identifiers() {
        assert_eq!(bronze_table("", "work_orders"), "work_orders");
        assert_eq!(bronze_table("erp_", "Work Orders"), "erp_work_orders");
        assert_eq!(bronze_table("", "2024"), "t2024");
    }

    #[test]
    fn a_prefix_stands_as_it_is_or_is_refused() {
        for good in ["", "erp_", "a1"] {
            assert!(prefix(good).is_ok(), "{good}");
        }
        for (bad, instead) in [("ERP-2.", "`erp_2_` is one"), ("2024_", "`t2024_` is one"), ("_a", "`t_a` is one")] {
            let told = prefix(bad).unwrap_err().to_string();
            assert!(told.contains(instead), "{told}");
        }
    }
}
