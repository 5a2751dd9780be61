//! JSON Schemas that plugins bring along: of a binding's configuration, of a source's.
//!
//! Dialect 2020-12 unless the schema names another, formats are checked, references to other documents are not followed.
//! Messages never repeat the value that was wrong, for it may be a secret.

mod defaults;
mod message;

use asgard_contract::{Error, Result};
use jsonschema::Validator;
use serde_json::Value;

/// A schema that was read and may be used many times.
pub(crate) struct Schema {
    document: Value,
    validator: Validator,
}

impl Schema {
    /// # Errors
    /// In words why it is no usable schema.
    pub(crate) fn compile(document: &Value) -> std::result::Result<Self, String> {
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(document)
            .map_err(|error| format!("{error} (at `{}`)", error.instance_path()))?;
        Ok(Self { document: document.clone(), validator })
    }

    /// See [`validate`].
    pub(crate) fn validate(&self, value: &Value, field: &str) -> Result<Value> {
        let filled = defaults::fill(&self.document, value);
        let wrong =
            self.validator.iter_errors(&filled).next().map(|wrong| message::explain(&wrong, &self.document, field));
        wrong.map_or(Ok(filled), Err)
    }
}

/// Checks `value` by a schema and answers with it, defaults filled in. `field` is the value's own place in the request:
/// `config` makes errors name `config.host`.
///
/// # Errors
/// `invalid-input` naming the field and what was expected; `internal` when the schema itself is unusable.
pub fn validate(schema: &Value, value: &Value, field: &str) -> Result<Value> {
    Schema::compile(schema)
        .map_err(|reason| Error::internal(format!("the schema of `{field}` is no usable JSON Schema: {reason}")))?
        .validate(value, field)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source() -> Value {
        json!({
            "type": "object",
            "required": ["host", "password"],
            "additionalProperties": false,
            "properties": {
                "host": { "type": "string", "minLength": 1 },
                "port": { "type": "integer", "minimum": 1, "maximum": 65535, "default": 5432 },
                "password": { "type": "string", "pattern": "^[a-z]+$", "writeOnly": true },
                "mode": { "enum": ["full", "incremental"], "default": "full" },
                "schemas": { "type": "array", "items": { "type": "string" }, "default": ["public"] },
                "tls": { "$ref": "#/$defs/tls", "default": {} },
                "auth": { "oneOf": [
                    { "type": "object", "required": ["kind"], "properties": { "kind": { "const": "none" } } },
                    { "type": "object", "required": ["kind", "token"], "properties": {
                        "kind": { "const": "token" },
                        "token": { "type": "string" },
                        "header": { "type": "string", "default": "Authorization" },
                    } },
                ] },
            },
            "$defs": { "tls": { "type": "object", "properties": { "verify": { "type": "boolean", "default": true } } } },
        })
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let given = json!({ "host": "db", "password": "x", "auth": { "kind": "token", "token": "t" } });
        let filled = validate(&source(), &given, "config").unwrap();
        let expected = json!({
            "host": "db", "password": "x", "port": 5432, "mode": "full", "schemas": ["public"], "tls": { "verify": true },
            "auth": { "kind": "token", "token": "t", "header": "Authorization" },
        });
        assert_eq!(filled, expected);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        let cases = [
            (json!({ "password": "x" }), "config.host", "`host` is missing"),
            (json!({ "host": "", "password": "x" }), "config.host", "`host` must not be empty"),
            (json!({ "host": 5, "password": "x" }), "config.host", "`host` must be a string, and is a number"),
            (json!({ "host": "d", "password": "x", "port": 0 }), "config.port", "`port` must be at least 1"),
            (
                json!({ "host": "d", "password": "x", "port": "1" }),
                "config.port",
                "must be an integer, and is a string",
            ),
            (json!({ "host": "d", "password": "x", "mode": "cdc" }), "config.mode", "one of `full`, `incremental`"),
            (
                json!({ "host": "d", "password": "x", "hots": 1 }),
                "config.hots",
                "there is no `hots`: expected one of `auth`, `host`",
            ),
            (json!({ "host": "d", "password": "x", "schemas": ["a", 1] }), "config.schemas[1]", "must be a string"),
            (
                json!({ "host": "d", "password": "x", "tls": { "verify": 1 } }),
                "config.tls.verify",
                "must be true or false",
            ),
            (
                json!({ "host": "d", "password": "x", "auth": { "kind": "token" } }),
                "config.auth.token",
                "`token` is missing",
            ),
            (json!("text"), "config", "`config` must be an object, and is a string"),
        ];
        for (given, expected_field, expected) in cases {
            let error = validate(&source(), &given, "config").unwrap_err();
            let Error::InvalidInput { field, message } = &error else { panic!("{error:?}") };
            assert_eq!(field.as_deref(), Some(expected_field), "{message}");
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        }
    }

    #[test]
    fn a_value_that_is_wrong_is_not_repeated() {
        let error = validate(&source(), &json!({ "host": "db", "password": "S3CRET" }), "config").unwrap_err();
        assert!(!error.to_string().contains("S3CRET"), "{error}");
    }

    #[test]
    fn a_schema_that_reaches_for_another_document_is_refused() {
        let schema = json!({ "$ref": "https://example.com/schema.json" });
        assert!(Schema::compile(&schema).is_err());
    }
}
