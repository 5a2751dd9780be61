//! JSON read into a tree, and written again.
//!
//! The tree keeps the order of an object's members, members of one name, and numbers as they are written, for both dialects.

use std::fmt::Write as _;

use crate::engine::cast::writes;
use crate::engine::numbers::decimal::Rules as Dialect;

/// Deeper documents are no JSON to Spark's parser either.
const DEPTH_AT_MOST: usize = 1_000;

/// Trino's values are walked through more often: deeper ones would cost more stack than a statement's thread has.
const TRINO_DEPTH_AT_MOST: usize = 500;

/// A value and the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) struct Node<'t> {
    pub(in crate::engine) raw: &'t str,
    pub(in crate::engine) kind: Kind<'t>,
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::engine) enum Kind<'t> {
    Null,
    Truth(bool),
    /// As it is written: [`Node::raw`].
    Number,
    Text(String),
    List(Vec<Node<'t>>),
    Object(Vec<(String, Node<'t>)>),
}

/// What is taken beside JSON itself.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine) struct Rules {
    pub(in crate::engine) single_quotes: bool,
    pub(in crate::engine) control_letters: bool,
    pub(in crate::engine) leading_zeros: bool,
    pub(in crate::engine) bare_names: bool,
    /// `NaN`, `Infinity`, `-INF`.
    pub(in crate::engine) non_numbers: bool,
    pub(in crate::engine) any_escape: bool,
    /// Trino's: deeper than 500 levels is no JSON, and neither is the first half of a letter beyond U+FFFF alone.
    pub(in crate::engine) trino: bool,
}

impl Rules {
    /// Of functions that take a document apart by paths and names.
    pub(in crate::engine) const HIVE: Self = Self {
        single_quotes: true,
        control_letters: true,
        leading_zeros: false,
        bare_names: false,
        non_numbers: false,
        any_escape: false,
        trino: false,
    };

    /// JSON itself, as Trino takes it.
    pub(in crate::engine) const TRINO: Self = Self {
        single_quotes: false,
        control_letters: false,
        leading_zeros: false,
        bare_names: false,
        non_numbers: false,
        any_escape: false,
        trino: true,
    };

    fn depth_at_most(self) -> usize {
        if self.trino { TRINO_DEPTH_AT_MOST } else { DEPTH_AT_MOST }
    }
}

/// The first value of a text, whatever follows; none: it is no JSON. An empty text has no value, which is none as well.
pub(in crate::engine) fn parse(text: &str, rules: Rules) -> Option<Node<'_>> {
    Parser { text, at: 0, rules, depth: 0 }.value()
}

/// The only value of a text; none: it is no JSON, or more than that.
pub(in crate::engine) fn parse_whole(text: &str, rules: Rules) -> Option<Node<'_>> {
    let mut parser = Parser { text, at: 0, rules, depth: 0 };
    let value = parser.value()?;
    parser.space();
    parser.rest().is_empty().then_some(value)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    rules: Rules,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn take(&mut self, wanted: &str) -> Option<()> {
        self.rest().starts_with(wanted).then(|| self.at += wanted.len())
    }

    fn value(&mut self) -> Option<Node<'t>> {
        self.space();
        let from = self.at;
        let kind = match self.peek()? {
            b'{' => self.nested(Self::object)?,
            b'[' => self.nested(Self::list)?,
            b'"' => Kind::Text(self.text('"')?),
            b'\'' if self.rules.single_quotes => Kind::Text(self.text('\'')?),
            b't' => self.word("true", Kind::Truth(true))?,
            b'f' => self.word("false", Kind::Truth(false))?,
            b'n' => self.word("null", Kind::Null)?,
            _ => self.number()?,
        };
        Some(Node { raw: &self.text[from..self.at], kind })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Kind<'t>>) -> Option<Kind<'t>> {
        self.at += 1;
        self.depth += 1;
        if self.depth > self.rules.depth_at_most() {
            return None;
        }
        let kind = read(self);
        self.depth -= 1;
        kind
    }

    fn object(&mut self) -> Option<Kind<'t>> {
        let mut members = Vec::new();
        self.space();
        if self.take("}").is_some() {
            return Some(Kind::Object(members));
        }
        loop {
            self.space();
            let name = match self.peek()? {
                b'"' => self.text('"')?,
                b'\'' if self.rules.single_quotes => self.text('\'')?,
                _ if self.rules.bare_names => self.name()?,
                _ => return None,
            };
            self.space();
            self.take(":")?;
            members.push((name, self.value()?));
            self.space();
            if self.take(",").is_none() {
                self.take("}")?;
                return Some(Kind::Object(members));
            }
        }
    }

    fn list(&mut self) -> Option<Kind<'t>> {
        let mut items = Vec::new();
        self.space();
        if self.take("]").is_some() {
            return Some(Kind::List(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(",").is_none() {
                self.take("]")?;
                return Some(Kind::List(items));
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let rest = self.rest();
        let end =
            rest.find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '$'))).unwrap_or(rest.len());
        let name = (end > 0).then(|| rest[..end].to_owned())?;
        self.at += end;
        Some(name)
    }

    /// A word ends where no letter follows.
    fn word(&mut self, word: &str, kind: Kind<'t>) -> Option<Kind<'t>> {
        self.take(word)?;
        self.ended().then_some(kind)
    }

    fn ended(&self) -> bool {
        self.rest().chars().next().is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != '.')
    }

    fn number(&mut self) -> Option<Kind<'t>> {
        if self.rules.non_numbers {
            for word in ["NaN", "Infinity", "INF", "-Infinity", "-INF", "+Infinity", "+INF"] {
                if self.rest().starts_with(word) {
                    return self.word(word, Kind::Number);
                }
            }
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let _ = self.take("-");
        let whole = digits(self.rest());
        let has_zero = whole > 1 && self.peek() == Some(b'0');
        if whole == 0 || (has_zero && !self.rules.leading_zeros) {
            return None;
        }
        self.at += whole;
        if self.take(".").is_some() {
            let fraction = digits(self.rest());
            self.at += (fraction > 0).then_some(fraction)?;
        }
        if self.take("e").or_else(|| self.take("E")).is_some() {
            let _ = self.take("+").or_else(|| self.take("-"));
            let exponent = digits(self.rest());
            self.at += (exponent > 0).then_some(exponent)?;
        }
        self.ended().then_some(Kind::Number)
    }

    fn text(&mut self, quote: char) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let letter = self.rest().chars().next()?;
            self.at += letter.len_utf8();
            match letter {
                letter if letter == quote => return Some(out),
                '\\' => self.escape(&mut out)?,
                letter if letter < ' ' && !self.rules.control_letters => return None,
                letter => out.push(letter),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let letter = self.rest().chars().next()?;
        self.at += letter.len_utf8();
        out.push(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '\'' if self.rules.single_quotes => '\'',
            'u' => self.unit()?,
            other if self.rules.any_escape => other,
            _ => return None,
        });
        Some(())
    }

    /// Four digits, or twice four for a letter beyond U+FFFF. Half of such a letter is `?`, as Java writes it.
    fn unit(&mut self) -> Option<char> {
        let first = self.hex()?;
        if (0xD800..0xDC00).contains(&first) && self.rest().starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xDC00..0xE000).contains(&second) {
                return char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
            }
            self.at = before;
        }
        if self.rules.trino {
            let is_first_half = (0xD800..0xDC00).contains(&first);
            return (!is_first_half).then(|| char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Some(char::from_u32(first).unwrap_or('?'))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest().get(..4)?;
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        self.at += 4;
        all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }
}

/// Writes a value without spaces; numbers with a fraction or an exponent as Java writes doubles.
pub(in crate::engine) fn write(node: &Node<'_>, out: &mut String) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Truth(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Kind::Number => out.push_str(&number(node.raw)),
        Kind::Text(text) => write_text(text, out),
        Kind::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn number(raw: &str) -> String {
    if raw.contains(['.', 'e', 'E']) {
        return raw.parse().map_or_else(|_| raw.to_owned(), double);
    }
    let (sign, digits) = raw.strip_prefix('-').map_or(("", raw), |digits| ("-", digits));
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => format!("{sign}{digits}"),
    }
}

/// As Java writes it.
pub(in crate::engine) fn double(value: f64) -> String {
    writes::number(&format!("{value:e}"), value, Dialect::Spark)
}

pub(in crate::engine) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_and_written_again() {
        for (text, expected) in [
            (r#" {"a" : [1, 2.50, -0, 1e3], "b":{}} x"#, Some(r#"{"a":[1,2.5,0,1000.0],"b":{}}"#)),
            (r#""\u00e9\ud83d\ude00\n""#, Some(r#""é😀\n""#)),
            ("'a'", Some(r#""a""#)),
            ("[true,false,null,[]]", Some("[true,false,null,[]]")),
            ("[1,2", None),
            ("01", None),
            ("1.", None),
            ("nul", None),
            ("trueish", None),
            ("{a:1}", None),
            ("", None),
        ] {
            let written = parse(text, Rules::HIVE).map(|node| {
                let mut out = String::new();
                write(&node, &mut out);
                out
            });
            assert_eq!(written.as_deref(), expected, "{text}");
        }
        let deep = "[".repeat(2_000);
        assert_eq!(parse(&deep, Rules::HIVE), None);
    }
}
