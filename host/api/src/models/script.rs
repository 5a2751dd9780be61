//! The script of a deployment, which comes as base64 or as plain text.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::problem::{Problem, Result};

const FIELD: &str = "script_content";

/// The script's text.
///
/// Plain text is what has more than one line, and a character that base64 does not have or a space within a line: no
/// training script is shorter, and a damaged base64 text is told apart from a script that would only fail minutes later.
///
/// # Errors
/// 422 when it is neither.
pub(super) fn decode(content: &str) -> Result<String> {
    let packed: String = content.split_ascii_whitespace().collect();
    let could_be_base64 = packed.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let has_words = content.lines().any(|line| line.trim().contains([' ', '\t']));
    if (has_words || !could_be_base64) && content.trim().contains('\n') {
        return Ok(content.to_owned());
    }
    let bytes = STANDARD.decode(&packed).or_else(|_| STANDARD_NO_PAD.decode(&packed)).map_err(|error| {
        Problem::field(FIELD, format!("is neither base64 ({error}) nor the text of a script (which has several lines)"))
    })?;
    String::from_utf8(bytes)
        .map_err(|_| Problem::field(FIELD, "is base64, but not of a text: expected a Python script in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_plain_text_are_accepted() {
        assert_eq!(decode("import this\nimport that\n").unwrap(), "import this\nimport that\n");
        let script = "import mlflow\nmlflow.start_run()\n";
        assert_eq!(decode(script).unwrap(), script);
        assert_eq!(decode(&STANDARD.encode(script)).unwrap(), script);
        let wrapped = format!("{}\n{}", &STANDARD.encode(script)[..20], &STANDARD.encode(script)[20..]);
        assert_eq!(decode(&wrapped).unwrap(), script);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for bad in ["!!!not base64!!!", "abc$", "aGVsbG8", "/////w=="] {
            let decoded = decode(bad);
            match bad {
                "aGVsbG8" => assert_eq!(decoded.unwrap(), "hello"),
                _ => assert_eq!(decoded.unwrap_err().errors[0].field, FIELD, "{bad}"),
            }
        }
    }
}
