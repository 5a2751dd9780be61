//! How answers are printed.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::client::{field, text};

/// One line a change: `+` came, `-` went, `~` is another value.
pub(crate) fn changes(changes: &[Value]) {
    for change in changes {
        println!("  {}", line(change));
    }
}

fn line(change: &Value) -> String {
    let name = text(change, "field");
    match (field(change, "before"), field(change, "after")) {
        (Value::Null, after) => format!("+ {name} = {after}"),
        (before, Value::Null) => format!("- {name} = {before}"),
        (before, after) => format!("~ {name}: {before} -> {after}"),
    }
}

/// An answer as it is, for scripts.
pub(crate) fn json(answer: &Value) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(answer).context("the answer has no JSON form")?);
    Ok(())
}

/// `1 change`, `2 changes`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_says_what_came_and_what_went() {
        for (change, expected) in [
            (
                json!({"field": "silver.plugin", "before": "sql", "after": "spark"}),
                r#"~ silver.plugin: "sql" -> "spark""#,
            ),
            (json!({"field": "build", "before": null, "after": {"plugin": "k"}}), r#"+ build = {"plugin":"k"}"#),
            (json!({"field": "limits.x", "before": 1, "after": null}), "- limits.x = 1"),
        ] {
            assert_eq!(line(&change), expected);
        }
    }
}
