//! What Trino writes differently from the planner.

use asgard_contract::Result;
use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Expr,
    FunctionArgumentClause, FunctionArguments, GroupByExpr, LimitClause, NullTreatment, Query, Select, Spanned,
    TableFactor, TimezoneInfo, TrimWhereField, Value, ValueWithSpan,
};

use super::{calls, literals, using};
use crate::engine::functions::maps::unnamed;
use crate::engine::rewrite::{
    Rewriter, arguments, binary, call, case, cast, listed, name_of, null, place, refused, rename, shared_calls, text,
    whole, with_arguments,
};
use crate::engine::text::Place;

#[derive(Debug)]
pub(super) struct Rewrites;

impl Rewriter for Rewrites {
    fn column_name(&self, position: usize, _expr: &Expr) -> String {
        format!("_col{position}")
    }

    fn query(&self, query: &mut Query) -> Result<()> {
        using::check(query)?;
        let Some(fetch) = query.fetch.take() else { return Ok(()) };
        if fetch.with_ties || fetch.percent {
            return refused(None, "FETCH FIRST takes a number of rows here: no PERCENT, no WITH TIES");
        }
        let rows = fetch.quantity.unwrap_or_else(|| whole(1));
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(rows),
            none @ None => {
                *none = Some(LimitClause::LimitOffset { limit: Some(rows), offset: None, limit_by: Vec::new() })
            }
            Some(_) => return refused(None, "a query has LIMIT or FETCH FIRST, not both"),
        }
        Ok(())
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
            Expr::TypedString(_) => {
                literals::typed(expr);
                Ok(())
            }
            Expr::Interval(_) => crate::engine::intervals::interval(expr),
            Expr::Value(ValueWithSpan { value, .. }) => {
                if let Value::UnicodeStringLiteral(text) = value {
                    *value = Value::SingleQuotedString(std::mem::take(text));
                }
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
            // All white space is trimmed, not only spaces, or any of some letters.
            Expr::Trim { expr: value, trim_where, trim_what, trim_characters } => {
                let mut arguments = vec![*value.clone()];
                arguments.extend(trim_what.as_deref().cloned());
                arguments.extend(trim_characters.iter().flatten().cloned());
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "trim",
                };
                *expr = call(name, value.span(), arguments);
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
            TableFactor::MatchRecognize { table: rows, .. } => {
                refused(Place::of(rows.span().start), "MATCH_RECOGNIZE is not supported: use window functions")
            }
            TableFactor::Pivot { table: rows, .. } | TableFactor::Unpivot { table: rows, .. } => {
                refused(Place::of(rows.span().start), "Trino has no PIVOT: use CASE or FILTER with aggregates")
            }
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                refused(Place::of(name.span().start), format!("the table function `{name}` is not supported"))
            }
            _ => Ok(()),
        }
    }
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
    if let Expr::Function(function) = expr
        && ["sum", "avg", "min", "max", "count", "stddev", "variance", "approx_percentile"]
            .contains(&name_of(function).as_str())
    {
        calls::told_apart(function);
    }
    if shared_calls(expr, &DataType::BigInt(None))? || calls::rewritten(expr)? {
        return Ok(());
    }
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
        ("row", Some(values)) if !values.is_empty() => *expr = row(span, values),
        ("zip", Some(lists)) if lists.len() > 1 => *expr = call("$arrays_zip", span, vec![row(span, lists)]),
        ("listagg", _) => {
            if let FunctionArguments::List(list) = &mut function.args {
                list.clauses.retain(|clause| !matches!(clause, FunctionArgumentClause::OnOverflow(_)));
            }
            let order = std::mem::take(&mut function.within_group);
            if let Some([value, rest @ ..]) = crate::engine::rewrite::arguments(function).as_deref()
                && rest.len() < 2
            {
                let delimiter = rest.first().cloned().unwrap_or_else(|| text(""));
                // Nulls come last, whichever the order.
                listed(function, value, delimiter, order, |_| false);
            }
        }
        ("is_finite", Some([value])) => *expr = is_finite(span, value),
        _ => {}
    }
    Ok(())
}

/// A row of fields without names.
fn row(span: sqlparser::tokenizer::Span, values: &[Expr]) -> Expr {
    let fields = values.iter().enumerate().flat_map(|(index, value)| [text(unnamed(index)), value.clone()]);
    call("$row", span, fields.collect())
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
