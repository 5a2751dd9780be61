//! The text of a statement: where each word stands, and words for what is wrong there.
//!
//! Every message about a statement begins with the place, `line 3, column 8: …`, so that an editor or a person finds it
//! without counting.

use asgard_contract::Error;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan};

/// The field of the contract's `statement` that errors about SQL belong to.
pub(super) const FIELD: &str = "sql";

/// A place in a statement, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    /// None for what the parser made up itself.
    pub(super) fn of(location: Location) -> Option<Self> {
        (location.line > 0).then_some(Self { line: location.line, column: location.column })
    }
}

/// `invalid-input` about a statement, with the place where it is known.
pub(super) fn wrong(place: Option<Place>, message: impl AsRef<str>) -> Error {
    let message = message.as_ref();
    Error::invalid(
        FIELD,
        match place {
            Some(Place { line, column }) => format!("line {line}, column {column}: {message}"),
            None => message.to_owned(),
        },
    )
}

/// The words of a statement and their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    words: Vec<(String, Place)>,
}

impl Words {
    pub(super) fn of(tokens: &[TokenWithSpan]) -> Self {
        let words = tokens.iter().filter_map(|token| match &token.token {
            Token::Word(word) => Some((word.value.to_lowercase(), Place::of(token.span.start)?)),
            _ => None,
        });
        Self { words: words.collect() }
    }

    /// Where a word stands first, in any case.
    pub(super) fn find(&self, word: &str) -> Option<Place> {
        let word = word.to_lowercase();
        self.words.iter().find(|(known, _)| *known == word).map(|(_, place)| *place)
    }
}

/// The nearest of the names that there are, if any is near enough to be what was meant: a third of the letters may differ.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let most = (name.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|known| (levenshtein(&name, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= most || (name.len() > 3 && known.to_lowercase().contains(&name)))
        .min_by(|a, b| a.cmp(b))
        .map(|(_, known)| known)
}

/// ": did you mean `x`?", or what there is, or nothing.
pub(super) fn suggestion<'a>(name: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    /// More names than this hide the one that is looked for.
    const SHOWN: usize = 12;
    if let Some(known) = nearest(name, names.clone()) {
        return format!(": did you mean `{known}`?");
    }
    let known: Vec<&str> = names.into_iter().take(SHOWN + 1).collect();
    match known.len() {
        0 => String::new(),
        1..=SHOWN => format!(": there are {}", known.join(", ")),
        _ => format!(": there are {}, …", known[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near_or_none() {
        let names = ["operator_id", "order_id", "quantity"];
        assert_eq!(nearest("oprator_id", names), Some("operator_id"));
        assert_eq!(nearest("OPERATOR_ID", names), Some("operator_id"));
        assert_eq!(nearest("quantity_produced", names), None);
        assert_eq!(nearest("operator", names), Some("operator_id"));
        assert_eq!(suggestion("zzz", names), ": there are operator_id, order_id, quantity");
    }
}
