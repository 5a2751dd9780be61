//! Patterns of paths: `*` and `?` within a folder's name, `**` for any number of folders, `[…]` for one of several characters.

use asgard_sdk::{Error, Result};

const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// A pattern below a folder or a prefix.
#[derive(Debug, Clone)]
pub struct Pattern {
    pattern: glob::Pattern,
    text: String,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// `invalid-input` for one that leaves its folder, or cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| Error::invalid("config.streams", format!("`{text}` is no pattern of files: {why}"));
        if text.starts_with('/') || text.split('/').any(|segment| segment == ".." || segment == ".") {
            return Err(wrong("it is below the location, without `..` and without a leading `/`".to_owned()));
        }
        let pattern = glob::Pattern::new(text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { pattern, text: text.to_owned() })
    }

    /// Whether a path below the folder fits.
    pub fn fits(&self, path: &str) -> bool {
        self.pattern.matches_with(path, OPTIONS)
    }

    /// What all that fit begin with.
    pub fn prefix(&self) -> &str {
        let end = self.text.find(['*', '?', '[']).unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }

    /// How many folders deep a fitting path may be; none: as deep as there are.
    pub fn depth(&self) -> Option<usize> {
        let segments: Vec<&str> = self.text.split('/').collect();
        (!segments.contains(&"**")).then_some(segments.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_within_folders_and_across_them() {
        for (pattern, path, fits) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "x/a.csv", false),
            ("**/*.csv", "a.csv", true),
            ("**/*.csv", "x/y/a.csv", true),
            ("2024-0[1-3]/part-?.csv", "2024-02/part-1.csv", true),
            ("2024-0[1-3]/part-?.csv", "2024-04/part-1.csv", false),
            ("größe/*.csv", "größe/ü.csv", true),
            ("*.CSV", "a.csv", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().fits(path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_do_not_leave_their_folder() {
        for pattern in ["../a.csv", "/etc/passwd", "a/../../b", "./a", "a[", "***"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn only_what_can_fit_is_looked_for() {
        let pattern = Pattern::parse("exports/2024-*/a.csv").unwrap();
        assert_eq!((pattern.prefix(), pattern.depth()), ("exports/2024-", Some(3)));
        assert_eq!(Pattern::parse("a/**/b").unwrap().depth(), None);
    }
}
