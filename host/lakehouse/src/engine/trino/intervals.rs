//! Literals of intervals over more than one unit, and of moments with their digits and zones.

use asgard_contract::Result;
use sqlparser::ast::{
    DataType, DateTimeField, ExactNumberInfo, Expr, Interval, Spanned, TimezoneInfo, TypedString, Value, ValueWithSpan,
};

use crate::engine::calendar::reading::{self, Partial};
use crate::engine::rewrite::{call, place, refused, text};

/// `INTERVAL '1-2' YEAR TO MONTH` is 14 months, `INTERVAL '1 02:03' DAY TO MINUTE` so many seconds.
pub(super) fn interval(expr: &mut Expr) -> Result<()> {
    let at = place(expr);
    let Expr::Interval(interval) = expr else { return Ok(()) };
    let (Some(first), Some(last)) = (&interval.leading_field, &interval.last_field) else { return Ok(()) };
    let read = match interval.value.as_ref() {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(value), .. }) => spanned(value, first, last),
        _ => None,
    };
    let Some((value, unit)) = read else {
        return refused(
            at,
            format!(
                "this is no interval from {first} to {last}: write it as '1-2' YEAR TO MONTH or '1 02:03:04' DAY TO SECOND"
            ),
        );
    };
    *interval = Interval {
        value: Box::new(text(value)),
        leading_field: Some(unit),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    Ok(())
}

fn spanned(value: &str, first: &DateTimeField, last: &DateTimeField) -> Option<(String, DateTimeField)> {
    let (sign, value) = value.strip_prefix('-').map_or(("", value), |value| ("-", value));
    if let (DateTimeField::Year, DateTimeField::Month) = (first, last) {
        let (years, months) = value.split_once('-')?;
        let months = years.parse::<u32>().ok()?.checked_mul(12)?.checked_add(months.parse().ok()?)?;
        return Some((format!("{sign}{months}"), DateTimeField::Month));
    }
    let order = |field: &DateTimeField| match field {
        DateTimeField::Day => Some(0),
        DateTimeField::Hour => Some(1),
        DateTimeField::Minute => Some(2),
        DateTimeField::Second => Some(3),
        _ => None,
    };
    const SECONDS: [u64; 4] = [86_400, 3_600, 60, 1];
    let (first, last) = (order(first)?, order(last)?);
    let (value, fraction) = value.split_once('.').unwrap_or((value, ""));
    let is_fraction = fraction.is_empty() || (last == 3 && fraction.bytes().all(|byte| byte.is_ascii_digit()));
    let parts: Vec<&str> = value.split([' ', ':']).collect();
    if first >= last || parts.len() != last - first + 1 || !is_fraction {
        return None;
    }
    let mut seconds: u64 = 0;
    for (part, length) in parts.iter().zip(&SECONDS[first..]) {
        seconds = seconds.checked_add(part.parse::<u64>().ok()?.checked_mul(*length)?)?;
    }
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Some((format!("{sign}{seconds}{fraction}"), DateTimeField::Second))
}

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
    // Never 0, which Trino has for a literal without a fraction: beside a finer moment, in VALUES or a CASE, the engine takes the
    // coarser type, and would cut the other's fraction off.
    *precision = Some(if read.local % 1_000 != 0 { 6 } else { 3 });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_over_units_are_counted_in_the_smallest() {
        use DateTimeField::{Day, Hour, Minute, Month, Second, Year};
        for (value, first, last, expected) in [
            ("1-2", Year, Month, Some("14")),
            ("-1-2", Year, Month, Some("-14")),
            ("1 02:03:04.5", Day, Second, Some("93784.5")),
            ("02:03", Hour, Minute, Some("7380")),
            ("2", Day, Second, None),
            ("1-2", Day, Month, None),
        ] {
            assert_eq!(spanned(value, &first, &last).map(|(value, _)| value).as_deref(), expected, "{value}");
        }
    }
}
