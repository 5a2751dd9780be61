//! Raw strings, `r'\d+'`, as plain ones: the tokenizer would take their backslashes for escapes; and escapes that it does not know,
//! `'\u0041'` and `'\101'`, as the letters that they are.
//!
//! The text behind one on its line moves by a column for each backslash, less one: places of errors there are that much off.

use std::borrow::Cow;

/// The text with plain strings in the places of raw ones.
pub(super) fn plain(sql: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        at = match bytes[at] {
            b'-' if next == Some(b'-') => find(bytes, at, b"\n"),
            b'/' if next == Some(b'*') => find(bytes, at + 2, b"*/"),
            b'`' => find(bytes, at + 1, b"`"),
            quote @ (b'\'' | b'"') => {
                let close = end(bytes, at + 1, quote);
                if let Some(written) = unescaped(&sql[at..close]) {
                    out.push_str(&sql[copied..at]);
                    out.push_str(&written);
                    copied = close;
                }
                close
            }
            b'r' | b'R' if matches!(next, Some(b'\'' | b'"')) && !is_word(bytes, at) => {
                let quote = bytes[at + 1];
                let close = find(bytes, at + 2, &[quote]);
                out.push_str(&sql[copied..at]);
                out.push_str(&sql[at + 1..close].replace('\\', "\\\\"));
                copied = close;
                close
            }
            _ => at + 1,
        };
    }
    if copied == 0 {
        return Cow::Borrowed(sql);
    }
    out.push_str(&sql[copied..]);
    Cow::Owned(out)
}

/// A string without its escapes by number; none: it has none.
fn unescaped(string: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = string;
    let mut found = false;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        let (letter, length) = match numbered(escape) {
            Some((letter, length)) => (Some(letter), length),
            None => (None, escape.chars().next().map_or(0, char::len_utf8)),
        };
        match letter {
            Some(letter) => {
                found = true;
                if matches!(letter, '\\' | '\'' | '"') {
                    out.push('\\');
                }
                out.push(letter);
            }
            None => out.push_str(&rest[at..=at + length]),
        }
        rest = &escape[length..];
    }
    out.push_str(rest);
    found.then_some(out)
}

/// `u0041`, `U00000041` or `101`: the letter, and how long its number is.
fn numbered(escape: &str) -> Option<(char, usize)> {
    let (digits, radix, length) = match escape.as_bytes().first()? {
        b'u' => (escape.get(1..5)?, 16, 5),
        b'U' => (escape.get(1..9)?, 16, 9),
        b'0'..=b'3' => (escape.get(..3)?, 8, 3),
        _ => return None,
    };
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some((char::from_u32(u32::from_str_radix(digits, radix).ok()?)?, length))
}

/// Whether the letter belongs to a word that began before it.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_' || !bytes[at - 1].is_ascii())
}

/// Behind the next of these, or the end.
fn find(bytes: &[u8], from: usize, what: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(what.len()).position(|window| window == what).map_or(bytes.len(), |found| from + found + what.len())
}

/// Behind the end of a plain string, in which a backslash takes the next letter along.
fn end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            found if found == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn backslashes_of_raw_strings_are_doubled_and_nothing_else_is_touched() {
        for (sql, expected) in [
            (r"SELECT r'\d+', R'a\b'", r"SELECT '\\d+', 'a\\b'"),
            (r#"SELECT r"it's \n" , 'r\'x' "#, r#"SELECT "it's \\n" , 'r\'x' "#),
            (r"SELECT for'\d', `r'\d'` -- r'\d'", r"SELECT for'\d', `r'\d'` -- r'\d'"),
            (r"SELECT /* r'\d' */ r'é\'", r"SELECT /* r'\d' */ 'é\\'"),
            (r"SELECT r'open\", r"SELECT 'open\\"),
            (
                r"SELECT '\u0041\n', '\101', '\\u0041', '\u0027', '\0', '\U0001F600'",
                r"SELECT 'A\n', 'A', '\\u0041', '\'', '\0', '😀'",
            ),
        ] {
            assert_eq!(plain(sql), expected);
        }
    }
}
