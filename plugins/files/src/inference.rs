//! The type that the values of a column have together.
//!
//! | values | type |
//! | --- | --- |
//! | whole numbers of 64 bits | `long` |
//! | whole numbers of up to 38 digits | `decimal(38,0)` |
//! | numbers with a point or an exponent, also among whole ones that a float holds exactly | `double` |
//! | `true`, `false` | `boolean` |
//! | `2024-02-29` | `date` |
//! | timestamps without an offset, also among dates | `timestamp` |
//! | timestamps with one | `timestamptz` |
//! | all else, and mixtures of these | `string` |
//!
//! The order of the values makes no difference.

use crate::text::Value;
use crate::values::{self, EXACT_IN_DOUBLE, Kind, Reading};

/// What is known about a column so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Inferred {
    /// Nothing but nulls.
    #[default]
    Nothing,
    Boolean,
    /// Whole numbers that a float holds exactly.
    Long,
    /// Whole numbers of 64 bits.
    WideLong,
    /// Whole numbers of more.
    Integer,
    Double,
    /// `NaN` and infinities: numbers among numbers, words alone.
    NotFinite,
    Date,
    Timestamp,
    Timestamptz,
    String,
}

impl Inferred {
    /// The type of one value.
    pub fn of(value: &Value<'_>) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Text(text) => Self::of_text(text),
            Value::JsonString(text) => match Self::of_text(text) {
                // What stands in quotes is no number.
                temporal @ (Self::Date | Self::Timestamp | Self::Timestamptz) => temporal,
                _ => Self::String,
            },
            Value::JsonNumber(text) => match Self::of_text(text) {
                // `-0` and numbers beyond a float's range.
                Self::String => Self::String,
                number => number,
            },
            Value::JsonBoolean(_) => Self::Boolean,
            Value::JsonNested(_) => Self::String,
        }
    }

    fn of_text(text: &str) -> Self {
        let Some(first) = text.bytes().next() else { return Self::String };
        if values::not_finite(text).is_some() {
            return Self::NotFinite;
        }
        match first {
            b'-' | b'0'..=b'9' => {
                if let Some(value) = values::long(text, Reading::Strict) {
                    let exact = (-EXACT_IN_DOUBLE..=EXACT_IN_DOUBLE).contains(&value);
                    return if exact { Self::Long } else { Self::WideLong };
                }
                if values::is_plain_integer(text) {
                    let fits = values::decimal(text, values::DECIMAL_DIGITS, 0, Reading::Strict).is_some();
                    return if fits { Self::Integer } else { Self::String };
                }
                if values::double(text, Reading::Strict).is_some() {
                    return Self::Double;
                }
                if values::date(text).is_some() {
                    return Self::Date;
                }
                if values::timestamp(text).is_some() {
                    return Self::Timestamp;
                }
                if values::timestamptz(text).is_some() { Self::Timestamptz } else { Self::String }
            }
            b't' | b'T' | b'f' | b'F' if values::boolean(text, Reading::Strict).is_some() => Self::Boolean,
            _ => Self::String,
        }
    }

    /// The type of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        use Inferred::{Date, Double, Integer, Long, NotFinite, Nothing, String, Timestamp, WideLong};
        match (self, other) {
            (same, also) if same == also => same,
            (Nothing, known) | (known, Nothing) => known,
            (Long, WideLong) | (WideLong, Long) => WideLong,
            (Long | WideLong, Integer) | (Integer, Long | WideLong) => Integer,
            (Long | NotFinite, Double) | (Double, Long | NotFinite) | (Long, NotFinite) | (NotFinite, Long) => Double,
            (Date, Timestamp) | (Timestamp, Date) => Timestamp,
            _ => String,
        }
    }

    /// The column's type.
    pub fn kind(self) -> Kind {
        match self {
            Self::Boolean => Kind::Boolean,
            Self::Long | Self::WideLong => Kind::Long,
            Self::Integer => Kind::Decimal { precision: values::DECIMAL_DIGITS, scale: 0 },
            Self::Double => Kind::Double,
            Self::Date => Kind::Date,
            Self::Timestamp => Kind::Timestamp,
            Self::Timestamptz => Kind::Timestamptz,
            Self::Nothing | Self::NotFinite | Self::String => Kind::String,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inferred(texts: &[&str]) -> String {
        let all = |texts: &mut dyn Iterator<Item = &&str>| {
            let of = |text: &&str| Inferred::of(&if text.is_empty() { Value::Null } else { Value::Text(text) });
            texts.map(of).fold(Inferred::default(), Inferred::with).kind().to_string()
        };
        let found = all(&mut texts.iter());
        assert_eq!(found, all(&mut texts.iter().rev()), "the order makes a difference to {texts:?}");
        found
    }

    #[test]
    fn many_values_have_the_narrowest_type_that_loses_nothing() {
        for (texts, expected) in [
            (&["1", "-2", ""][..], "long"),
            (&["1", "2.5"], "double"),
            (&["1", "9223372036854775807"], "long"),
            (&["9007199254740993", "2.5"], "string"),
            (&["1", "9223372036854775808"], "decimal(38,0)"),
            (&["1e5", "9223372036854775808"], "string"),
            (&["007", "1"], "string"),
            (&["1", "NaN"], "double"),
            (&["NaN", ""], "string"),
            (&["true", "FALSE"], "boolean"),
            (&["true", "1"], "string"),
            (&["2024-02-29", "2024-03-01"], "date"),
            (&["2024-02-29", "2024-03-01 12:00:00"], "timestamp"),
            (&["2024-02-29T00:00:00Z", "2024-03-01T12:00:00+01:00"], "timestamptz"),
            (&["2024-02-29T00:00:00Z", "2024-03-01T12:00:00"], "string"),
            (&["2024-02-29", "n/a"], "string"),
            (&["2024-02-30"], "string"),
            (&["", ""], "string"),
        ] {
            assert_eq!(inferred(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_json_string_is_no_number_and_may_be_a_date() {
        assert_eq!(Inferred::of(&Value::JsonString("5".into())), Inferred::String);
        assert_eq!(Inferred::of(&Value::JsonString("true".into())), Inferred::String);
        assert_eq!(Inferred::of(&Value::JsonString("2024-02-29".into())), Inferred::Date);
        assert_eq!(Inferred::of(&Value::JsonNumber("5")), Inferred::Long);
        assert_eq!(Inferred::of(&Value::JsonNested("{}")), Inferred::String);
    }
}
