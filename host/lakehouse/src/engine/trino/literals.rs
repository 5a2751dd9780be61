//! Literals of moments with their digits and zones, and of decimals.

use sqlparser::ast::{DataType, ExactNumberInfo, Expr, Spanned, TimezoneInfo, TypedString, Value};

use crate::engine::calendar::reading::{self, Partial};
use crate::engine::rewrite::{call, text};

/// The text of a literal says its type: `TIMESTAMP '2024-05-01 10:00:00.123456 Europe/Oslo'` has six digits and a zone.
pub(super) fn typed(expr: &mut Expr) {
    let span = expr.span();
    let Expr::TypedString(literal) = expr else { return };
    let Value::SingleQuotedString(value) = &literal.value.value else { return };
    if matches!(literal.data_type, DataType::JSON) {
        *expr = call("json_parse", span, vec![text(value.clone())]);
        return;
    }
    if let DataType::Decimal(size @ ExactNumberInfo::None) = &mut literal.data_type {
        if let Some((precision, scale)) = decimal_digits(value) {
            *size = ExactNumberInfo::PrecisionAndScale(precision, scale);
        }
        return;
    }
    if let Some(zone) = moment(literal) {
        *expr = call("at_timezone", span, vec![expr.clone(), text(zone)]);
    }
}

/// Gives a moment's literal its digits; answers with its zone.
fn moment(literal: &mut TypedString) -> Option<String> {
    let Value::SingleQuotedString(value) = &literal.value.value else { return None };
    let DataType::Timestamp(precision @ None, zone @ TimezoneInfo::None) = &mut literal.data_type else { return None };
    let read = reading::moment(value, Partial::Refused)?;
    *precision = Some(match read.local {
        local if local % 1_000 != 0 => 6,
        _ if value.contains('.') => 3,
        _ => 0,
    });
    if !read.has_zone {
        return None;
    }
    *zone = TimezoneInfo::WithTimeZone;
    let (_, time) = value.trim().split_once([' ', 'T'])?;
    let named =
        time.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, ':' | '.'));
    Some(named.trim().to_owned()).filter(|zone| !zone.is_empty() && !matches!(zone.as_str(), "UTC" | "Z"))
}

/// How many digits `12.50` has, and how many of them behind the point; none: it is no decimal.
fn decimal_digits(text: &str) -> Option<(u64, i64)> {
    let (whole, part) = text.trim().trim_start_matches(['+', '-']).split_once('.').unwrap_or((text.trim(), ""));
    let whole = whole.trim_start_matches(['+', '-']).trim_start_matches('0');
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    let scale = part.len();
    let precision = (whole.len() + scale).max(1);
    Some((u64::try_from(precision).ok()?, i64::try_from(scale).ok()?))
}
