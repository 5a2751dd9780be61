//! Words for what a parser says of a document that does not fit its shape.
//!
//! serde speaks of Rust's types (`invalid type: string "5", expected u32 at line 1 column 9`). Whoever wrote the document knows
//! texts, numbers, lists and objects.

/// What serde says, in the words of documents. What is not known is left as it is.
pub fn told(message: &str) -> String {
    let message = without_place(message);
    let parts = |prefix: &str| message.strip_prefix(prefix)?.rsplit_once(", expected ");
    if let Some((found, expected)) = parts("invalid type: ").or_else(|| parts("invalid value: ")) {
        return format!("expected {}, not {}", wanted(expected), given(found));
    }
    if let Some((found, expected)) = parts("invalid length ") {
        return format!("expected {}, not {found} elements", wanted(expected));
    }
    if let Some((name, known)) = split_unknown(message, "unknown variant ") {
        return format!("`{name}`: {known}");
    }
    if let Some((name, known)) = split_unknown(message, "unknown field ") {
        return format!("there is no field `{name}` here: {known}");
    }
    if let Some(name) = quoted(message, "missing field ") {
        return format!("`{name}` is missing");
    }
    if let Some(name) = quoted(message, "duplicate field ") {
        return format!("`{name}` is there twice");
    }
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => "expected a whole number",
        "number too large to fit in target type" => "the number is too large",
        "number too small to fit in target type" => "the number is too small",
        "provided string was not `true` or `false`" => "expected true or false",
        _ if message.starts_with("data did not match any variant") => "has none of the shapes that this field takes",
        _ => message,
    }
    .to_owned()
}

/// The field that an object lacks, if that is what serde says.
pub fn missing(message: &str) -> Option<&str> {
    quoted(message, "missing field ")
}

/// The field that no object of its kind has, if that is what serde says.
pub fn unknown(message: &str) -> Option<&str> {
    quoted(message, "unknown field ")
}

/// Without ` at line 1 column 9`: in a document of one line it says nothing, and the field is named.
fn without_place(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((rest, place)) if place.chars().all(|c| c.is_ascii_digit() || " column".contains(c)) => rest,
        _ => message,
    }
}

fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_prefix('`')?.split('`').next()
}

/// The name that is not known, and `expected one of …` behind it.
fn split_unknown<'a>(message: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let (name, known) = message.strip_prefix(prefix)?.strip_prefix('`')?.split_once("`, ")?;
    Some((name, known))
}

fn given(found: &str) -> String {
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_matches('`');
    match (kind, value) {
        ("string", text) => format!("the text {text}"),
        ("integer" | "boolean", value) => value.to_owned(),
        ("floating", value) => value.trim_start_matches("point").trim_matches([' ', '`']).to_owned(),
        ("null" | "unit" | "Option", _) => "null".to_owned(),
        ("map", _) => "an object".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        _ => found.to_owned(),
    }
}

fn wanted(expected: &str) -> String {
    match expected {
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" | "usize" => "a whole number from 0 on".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "a borrowed string" | "string" | "str" => "a text".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        "a map" | "map" | "value" => "an object".to_owned(),
        "unit variant" | "string or map" | "variant identifier" => "one of the names that this field takes".to_owned(),
        _ if expected.starts_with("struct ") || expected.contains(" tagged enum") => "an object".to_owned(),
        _ if expected.starts_with("enum ") => "one of the names that this field takes".to_owned(),
        _ => expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_parser_is_left() {
        for (said, told_as) in [
            (
                r#"invalid type: string "5", expected u32 at line 1 column 9"#,
                r#"expected a whole number from 0 to 4294967295, not the text "5""#,
            ),
            ("invalid value: integer `-1`, expected u32", "expected a whole number from 0 to 4294967295, not -1"),
            ("invalid type: integer `5`, expected a string at line 1 column 9", "expected a text, not 5"),
            ("invalid type: floating point `1.5`, expected u64", "expected a whole number from 0 on, not 1.5"),
            ("invalid type: null, expected a sequence", "expected a list, not null"),
            ("invalid type: sequence, expected struct Schedule", "expected an object, not a list"),
            ("invalid type: map, expected a boolean", "expected true or false, not an object"),
            (
                "unknown variant `fast`, expected one of `cron`, `basic`, `manual`",
                "`fast`: expected one of `cron`, `basic`, `manual`",
            ),
            ("unknown field `prefx`, expected `a` or `b`", "there is no field `prefx` here: expected `a` or `b`"),
            ("missing field `name` at line 1 column 2", "`name` is missing"),
            ("duplicate field `name`", "`name` is there twice"),
            ("invalid digit found in string", "expected a whole number"),
            (
                "data did not match any variant of untagged enum Entities",
                "has none of the shapes that this field takes",
            ),
            ("input contains invalid characters", "input contains invalid characters"),
        ] {
            assert_eq!(told(said), told_as);
        }
    }

    #[test]
    fn the_field_is_known() {
        assert_eq!(missing("missing field `name` at line 1 column 2"), Some("name"));
        assert_eq!(unknown("unknown field `prefx`, expected `a` or `b`"), Some("prefx"));
        assert_eq!(missing("invalid type: null"), None);
    }
}
