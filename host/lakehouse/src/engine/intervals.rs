//! Literals of intervals over more than one unit.

use asgard_contract::Result;
use sqlparser::ast::{DateTimeField, Expr, Interval, Value, ValueWithSpan};

use super::rewrite::{place, refused, text};

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
