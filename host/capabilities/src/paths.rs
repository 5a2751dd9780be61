//! Relative paths and keys that come from plugins.

use asgard_contract::{Error, Result};

/// Most file systems refuse a longer path; object stores a longer key.
const LONGEST: usize = 1024;

/// Checks a path of normal segments: not absolute, no `.`, `..`, empty segment or control character.
///
/// # Errors
/// `invalid-input` in `field`.
pub(crate) fn check_relative(field: &str, text: &str) -> Result<()> {
    let wrong = |what: &str| Err(Error::invalid(field, format!("`{text}` is no relative path: {what}")));
    if text.is_empty() {
        return wrong("it is empty");
    }
    if text.len() > LONGEST {
        return Err(Error::invalid(field, format!("a path has at most {LONGEST} bytes; this one has {}", text.len())));
    }
    if text.starts_with('/') {
        return wrong("it starts with `/`");
    }
    if text.contains('\\') || text.chars().any(char::is_control) {
        return wrong("it contains a backslash or a control character");
    }
    for segment in text.split('/') {
        match segment {
            "" => return wrong("a segment is empty"),
            "." | ".." => return wrong("`.` and `..` are not allowed"),
            // The longest name of a file on Linux.
            long if long.len() > 255 => return wrong("a segment is longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

/// Checks a name that becomes one folder: letters, digits, `.`, `_` and `-`, not starting with `.`.
///
/// # Errors
/// `invalid-input` in `field`.
pub(crate) fn check_name(field: &str, text: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    // Two of them and a task's id fit in one name of a file.
    if text.is_empty() || text.len() > 80 || text.starts_with('.') || !text.chars().all(plain) {
        return Err(Error::invalid(
            field,
            format!("`{text}` is no name: expected 1 to 80 letters, digits, `.`, `_` or `-`, not starting with `.`"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_stay_below_are_accepted() {
        for path in ["a", "a/b.txt", "runs/ab12/model.pkl", "ä/ö"] {
            assert_eq!(check_relative("path", path), Ok(()), "{path}");
        }
        for path in ["", "/a", "a//b", "a/", "../a", "a/../b", ".", "a/.", "a\\b", "a\0b", "a\nb"] {
            assert!(check_relative("path", path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_name_is_one_harmless_segment() {
        assert_eq!(check_name("key", "train-1.b_c"), Ok(()));
        for name in ["", ".", "..", ".hidden", "a/b", "a b", "ä"] {
            assert!(check_name("key", name).is_err(), "{name:?}");
        }
    }
}
