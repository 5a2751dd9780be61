//! What Trino writes differently from the planner.

use asgard_contract::Result;
use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, NullTreatment, Select, Spanned, TableFactor, TimezoneInfo,
    TrimWhereField, TypedString, Value, ValueWithSpan,
};

use crate::engine::calendar::reading::{self, Partial};
use crate::engine::rewrite::{
    Rewriter, arguments, binary, call, case, cast, name_of, null, place, refused, rename, shared_calls, text, whole,
    with_arguments,
};
use crate::engine::text::Place;

#[derive(Debug)]
pub(super) struct Rewrites;

impl Rewriter for Rewrites {
    fn column_name(&self, position: usize, _expr: &Expr) -> String {
        format!("_col{position}")
    }

    fn select(&self, select: &mut Select) -> Result<()> {
        let at = Place::of(select.select_token.0.span.start);
        if select.qualify.is_some() {
            return refused(at, "Trino has no QUALIFY: filter in an outer query");
        }
        if !select.lateral_views.is_empty() {
            return refused(at, "Trino has no LATERAL VIEW: use CROSS JOIN UNNEST");
        }
        if matches!(select.group_by, GroupByExpr::All(_)) {
            return refused(at, "GROUP BY ALL is not supported: name the columns, or their positions");
        }
        Ok(())
    }

    fn expr(&self, expr: &mut Expr) -> Result<()> {
        match expr {
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) if digits.contains(['e', 'E']) => {
                *expr = cast(text(digits.clone()), DataType::Double(ExactNumberInfo::None));
                Ok(())
            }
            Expr::Cast { data_type, .. } if sized_text(data_type).is_some() => sized_cast(expr),
            Expr::Cast { data_type: DataType::Char(_) | DataType::Character(_), .. } => {
                refused(place(expr), "CHAR is not supported: use VARCHAR")
            }
            Expr::TypedString(literal) => {
                literal_type(literal);
                Ok(())
            }
            Expr::Extract { field, expr: moment, .. } => {
                *expr = extracted(field, moment)?;
                Ok(())
            }
            Expr::Ceil { expr: number, field } | Expr::Floor { expr: number, field } => {
                if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
                    return refused(place(number), "ceil and floor take one number");
                }
                let (span, number) = (number.span(), *number.clone());
                let name = if matches!(expr, Expr::Ceil { .. }) { "ceil" } else { "floor" };
                *expr = call(name, span, vec![number]);
                Ok(())
            }
            // All white space is trimmed, not only spaces.
            Expr::Trim { expr: value, trim_where, trim_what: None, trim_characters: None } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "trim",
                };
                *expr = call(name, value.span(), vec![*value.clone()]);
                Ok(())
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                *expr = call("at_timezone", timestamp.span(), vec![*timestamp.clone(), *time_zone.clone()]);
                Ok(())
            }
            Expr::Position { expr: part, r#in: whole } => {
                *expr = call("strpos", part.span(), vec![*whole.clone(), *part.clone()]);
                Ok(())
            }
            Expr::Substring { expr: value, substring_from: Some(from), substring_for, .. } => {
                let mut arguments = vec![*value.clone(), *from.clone()];
                arguments.extend(substring_for.as_deref().cloned());
                *expr = call("substr", value.span(), arguments);
                Ok(())
            }
            Expr::RLike { .. } => refused(place(expr), "Trino has no RLIKE: use regexp_like"),
            Expr::Function(_) => function(expr),
            _ => Ok(()),
        }
    }

    fn table(&self, table: &mut TableFactor) -> Result<()> {
        match table {
            TableFactor::MatchRecognize { .. } => refused(None, "MATCH_RECOGNIZE is not supported"),
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => {
                refused(None, "Trino has no PIVOT: use CASE or FILTER with aggregates")
            }
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                refused(Place::of(name.span().start), format!("the table function `{name}` is not supported"))
            }
            TableFactor::UNNEST { with_ordinality: true, .. } => {
                refused(None, "UNNEST … WITH ORDINALITY is not supported")
            }
            _ => Ok(()),
        }
    }
}

/// The text of a literal says its type: `TIMESTAMP '2024-05-01 10:00:00.123456 Europe/Oslo'` has six digits and a zone.
fn literal_type(literal: &mut TypedString) {
    let Value::SingleQuotedString(text) = &literal.value.value else { return };
    if let DataType::Decimal(size @ ExactNumberInfo::None) = &mut literal.data_type
        && let Some((precision, scale)) = decimal_digits(text)
    {
        *size = ExactNumberInfo::PrecisionAndScale(precision, scale);
        return;
    }
    if let DataType::Timestamp(precision @ None, zone @ TimezoneInfo::None) = &mut literal.data_type
        && let Some(read) = reading::moment(text, Partial::Refused)
    {
        if read.local % 1_000 != 0 {
            *precision = Some(6);
        }
        if read.has_zone {
            *zone = TimezoneInfo::WithTimeZone;
        }
    }
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

/// The length of `VARCHAR(n)`.
fn sized_text(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        _ => None,
    }
}

/// `CAST(x AS VARCHAR(n))` cuts to the length.
fn sized_cast(expr: &mut Expr) -> Result<()> {
    let span = expr.span();
    let Expr::Cast { data_type, .. } = expr else { return Ok(()) };
    let Some(length) = sized_text(data_type) else { return Ok(()) };
    *data_type = DataType::Varchar(None);
    let length = whole(i64::try_from(length).unwrap_or(i64::MAX));
    *expr = call("substr", span, vec![expr.clone(), whole(1), length]);
    Ok(())
}

fn extracted(field: &DateTimeField, moment: &Expr) -> Result<Expr> {
    let name = match field {
        DateTimeField::Year => "year",
        DateTimeField::Quarter => "quarter",
        DateTimeField::Month => "month",
        DateTimeField::Week(None) => "week",
        DateTimeField::Day => "day",
        DateTimeField::DayOfYear | DateTimeField::Doy => "day_of_year",
        DateTimeField::DayOfWeek | DateTimeField::Dow => "day_of_week",
        DateTimeField::Hour => "hour",
        DateTimeField::Minute => "minute",
        DateTimeField::Second => "second",
        other => return refused(place(moment), format!("EXTRACT({other} FROM …) is not supported")),
    };
    Ok(call(name, moment.span(), vec![moment.clone()]))
}

fn now_type() -> DataType {
    DataType::Timestamp(Some(3), TimezoneInfo::WithTimeZone)
}

fn function(expr: &mut Expr) -> Result<()> {
    if shared_calls(expr, &DataType::BigInt(None))? {
        return Ok(());
    }
    let at = place(expr);
    let Expr::Function(function) = expr else { return Ok(()) };
    let name = name_of(function);
    let span = function.name.span();
    let without = matches!(function.args, FunctionArguments::None);
    let arguments = arguments(function);
    match (name.as_str(), arguments.as_deref()) {
        ("current_timestamp", _) if without => *expr = cast(call("$now", span, Vec::new()), now_type()),
        ("localtimestamp", _) if without => {
            *expr = cast(call("$now", span, Vec::new()), DataType::Timestamp(Some(3), TimezoneInfo::None));
        }
        ("current_date", _) if without => *expr = call("$current_date", span, Vec::new()),
        ("now", Some([])) => *expr = cast(call("$now", span, Vec::new()), now_type()),
        ("date", Some([value])) => *expr = cast(value.clone(), DataType::Date),
        ("from_iso8601_date", Some([value])) => *expr = cast(value.clone(), DataType::Date),
        ("from_iso8601_timestamp", Some([value])) => *expr = cast(value.clone(), now_type()),
        ("round", Some([_])) => rename(function, "$round"),
        ("power" | "pow", Some(_)) => {}
        ("greatest" | "least", Some(values)) if !values.is_empty() => {
            let values = values.to_vec();
            *expr = of_all(&format!("${name}"), span, values);
        }
        ("arbitrary" | "any_value", Some([value])) => {
            let value = value.clone();
            rename(function, "first_value");
            with_arguments(function, vec![value]);
            function.null_treatment = Some(NullTreatment::IgnoreNulls);
        }
        // Their rows have no names, and rows here always have some.
        ("zip" | "map_entries", Some(_)) => return refused(at, format!("`{name}` is not supported")),
        ("approx_percentile", Some([_, _, _])) => {
            return refused(at, "approx_percentile with weights or an accuracy is not supported");
        }
        ("listagg", _) => {
            // The engine has the order inside of the parentheses.
            let order = std::mem::take(&mut function.within_group);
            if let FunctionArguments::List(list) = &mut function.args
                && !order.is_empty()
            {
                list.clauses.retain(|clause| !matches!(clause, FunctionArgumentClause::OnOverflow(_)));
                list.clauses.push(FunctionArgumentClause::OrderBy(order));
            }
        }
        ("is_finite", Some([value])) => *expr = is_finite(span, value),
        _ => {}
    }
    Ok(())
}

/// The greatest or least of values: null if one of them is.
fn of_all(name: &str, span: sqlparser::tokenizer::Span, values: Vec<Expr>) -> Expr {
    let known = values.iter().map(|value| Expr::IsNull(Box::new(crate::engine::rewrite::nested(value.clone()))));
    let any_null = known.reduce(|left, right| binary(left, BinaryOperator::Or, right));
    let found = call(name, span, values);
    match any_null {
        Some(any_null) => case(any_null, null(), Some(found)),
        None => found,
    }
}

/// Neither infinite nor NaN: only such a number is its own difference to nothing.
fn is_finite(span: sqlparser::tokenizer::Span, value: &Expr) -> Expr {
    let double = Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value.clone()),
        data_type: DataType::Double(ExactNumberInfo::None),
        array: false,
        format: None,
    };
    let difference = binary(double.clone(), BinaryOperator::Minus, double);
    let not_nan = call("is_nan", span, vec![difference]);
    crate::engine::rewrite::negated(not_nan, true)
}
