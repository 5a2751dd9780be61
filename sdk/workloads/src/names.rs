//! Names and labels that Kubernetes takes.

/// Of a label (RFC 1123), which names of Services, Jobs and values of labels are.
const LONGEST: usize = 63;

/// Of the hash at the end of a name that was cut: two long names that start alike stay apart.
const HASH: usize = 9;

/// A name of lower-case letters, digits and `-`, that starts with the letters of `prefix`: `model-operator-predictor`.
///
/// Two texts that differ in case or punctuation alone share a name: whoever needs to know keeps the text beside it.
#[must_use]
pub fn name(prefix: &str, text: &str) -> String {
    let mut name = format!("{prefix}-");
    for character in text.chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let start = name.get(..LONGEST - HASH).unwrap_or(prefix).trim_end_matches('-');
    format!("{start}-{:08x}", hash(text))
}

/// A text as the value of a label: what no label may hold becomes `_`, and its end is cut.
#[must_use]
pub fn label(text: &str) -> String {
    let value: String = text
        .chars()
        .take(LONGEST)
        .map(|character| if character.is_ascii_alphanumeric() || "-_.".contains(character) { character } else { '_' })
        .collect();
    value.trim_matches(|character: char| !character.is_ascii_alphanumeric()).to_owned()
}

/// FNV-1a.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_whatever_the_text() {
        for (text, expected) in [
            ("operator_efficiency_predictor", "model-operator-efficiency-predictor"),
            ("Predictor.v2", "model-predictor-v2"),
            ("__", "model"),
            ("0190c2d4-7d2a-7000-8000-000000000001", "model-0190c2d4-7d2a-7000-8000-000000000001"),
        ] {
            assert_eq!(name("model", text), expected);
        }
        let (one, other) = (name("model", &"long-".repeat(30)), name("model", &format!("{}x", "long-".repeat(30))));
        assert!(one.len() <= 63 && other.len() <= 63 && one != other, "{one} {other}");
        assert!(!one.contains("--"), "{one}");
    }

    #[test]
    fn labels_hold_what_they_may() {
        assert_eq!(label("a b/c"), "a_b_c");
        assert_eq!(label("-x-"), "x");
        assert_eq!(label(&"y".repeat(100)).len(), 63);
        assert_eq!(label("é"), "");
    }
}
