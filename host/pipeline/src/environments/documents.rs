//! Documents as text: TOML as files are written, JSON as clients send them, YAML for those who keep everything else in it.

use asgard_contract::environment::Environment;
use asgard_contract::{Error, Result, misfit};
use serde::de::DeserializeOwned;

/// A form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Toml,
    Json,
    Yaml,
}

impl Format {
    /// By the end of a file's name; TOML for what has none that is known.
    pub fn of_file(name: &str) -> Self {
        match name.rsplit_once('.').map(|(_, end)| end) {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            _ => Self::Toml,
        }
    }

    /// By a media type, as in `Content-Type` and `Accept`; none for others.
    pub fn of_media_type(text: &str) -> Option<Self> {
        let kind = text.split(';').next().unwrap_or_default().trim();
        match kind {
            "application/toml" | "text/toml" | "text/x-toml" => Some(Self::Toml),
            "application/json" | "text/json" => Some(Self::Json),
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// As in `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Toml => "application/toml",
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }
}

/// Reads a document.
///
/// # Errors
/// `invalid-input` with the line that is wrong.
pub fn parse(text: &str, format: Format) -> Result<Environment> {
    read("environment", text, format)
}

/// Reads a text as what is wanted of it.
///
/// # Errors
/// `invalid-input` of this field, with the line that is wrong.
pub fn read<T: DeserializeOwned>(field: &str, text: &str, format: Format) -> Result<T> {
    let wrong = |message: String| Error::invalid(field, message.trim_end());
    match format {
        // Its message shows the line, and below it what is wrong there.
        Format::Toml => toml::from_str(text)
            .map_err(|error| wrong(error.to_string().replace(error.message(), &misfit::told(error.message())))),
        Format::Json => serde_json::from_str(text).map_err(|error| {
            let place = (error.line() > 0).then(|| format!("line {}, column {}: ", error.line(), error.column()));
            wrong(place.unwrap_or_default() + &misfit::told(&error.to_string()))
        }),
        Format::Yaml => serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string())),
    }
}

/// Writes a document: what is as it is by default is left out.
///
/// # Errors
/// `internal` for a document that has no such form, such as TOML for one with nulls in a configuration.
pub fn render(document: &Environment, format: Format) -> Result<String> {
    let formless = |error: String| Error::internal(format!("the document cannot be written: {error}"));
    match format {
        Format::Toml => toml::to_string_pretty(document).map_err(|error| formless(error.to_string())),
        Format::Json => serde_json::to_string_pretty(document).map_err(|error| formless(error.to_string())),
        Format::Yaml => serde_saphyr::to_string(document).map_err(|error| formless(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environments::LOCAL;

    #[test]
    fn a_document_is_the_same_in_every_form() {
        let document = parse(LOCAL, Format::Toml).unwrap();
        for format in [Format::Toml, Format::Json, Format::Yaml] {
            let text = render(&document, format).unwrap();
            assert_eq!(parse(&text, format).unwrap(), document, "{text}");
            assert!(!text.contains("reveal_secrets = false") && !text.contains("limits"), "{text}");
        }
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line() {
        for (text, format) in [
            ("name = \"x\"\nsilvr = {}\n", Format::Toml),
            ("name: x\nsilvr: {}\n", Format::Yaml),
            ("{\"name\": \"x\",\n\"silvr\": {}}", Format::Json),
        ] {
            let error = parse(text, format).unwrap_err().to_string();
            assert!(error.contains("silvr") && error.contains('2'), "{error}");
        }
    }

    #[test]
    fn forms_are_told_by_names_and_by_media_types() {
        assert_eq!(Format::of_file("a/b.yml"), Format::Yaml);
        assert_eq!(Format::of_file("local.toml"), Format::Toml);
        assert_eq!(Format::of_media_type("application/yaml; charset=utf-8"), Some(Format::Yaml));
        assert_eq!(Format::of_media_type("application/octet-stream"), None);
    }
}
