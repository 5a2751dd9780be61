//! What Spark writes differently from the planner.

use asgard_contract::Result;
use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType, DateTimeField, ExactNumberInfo, Expr, FunctionArg,
    FunctionArgExpr, FunctionArguments, Select, Spanned, TableFactor, TimezoneInfo, UnaryOperator, Value,
    ValueWithSpan,
};
use sqlparser::tokenizer::Span;

use crate::engine::calendar::Unit;
use crate::engine::rewrite::{
    Rewriter, arguments, binary, call, case, cast, group_by_all, literal, name_of, negated, nested, null, place,
    refused, rename, shared_calls, text, whole,
};
use crate::engine::text::Place;

#[derive(Debug)]
pub(super) struct Rewrites;

impl Rewriter for Rewrites {
    /// Spark calls a column by its expression: `count(1)`, `upper(trim(a))`, `(a + b)`.
    fn column_name(&self, _position: usize, expr: &Expr) -> String {
        shown(expr)
    }

    fn select(&self, select: &mut Select) -> Result<()> {
        let at = Place::of(select.select_token.0.span.start);
        if !select.cluster_by.is_empty() || !select.distribute_by.is_empty() || !select.sort_by.is_empty() {
            return refused(at, "CLUSTER BY, DISTRIBUTE BY and SORT BY are not supported: use ORDER BY");
        }
        if select.qualify.is_some() {
            return refused(at, "Spark SQL has no QUALIFY: filter in an outer query");
        }
        super::generators::rewritten(select, shown)?;
        super::windows::rewritten(select, shown)?;
        group_by_all(select, &super::dialect().functions().aggregates);
        super::calls::grouping_ids(select);
        super::calls::json_tuples(select);
        Ok(())
    }

    fn expr(&self, expr: &mut Expr) -> Result<()> {
        if super::calls::rewritten(expr)? || super::moments::rewritten(expr)? {
            return Ok(());
        }
        match expr {
            Expr::Value(value) => number(value).map(|changed| {
                if let Some(changed) = changed {
                    *expr = changed;
                }
            }),
            Expr::BinaryOp { left, op: BinaryOperator::Spaceship, right } => {
                *expr = Expr::IsNotDistinctFrom(left.clone(), right.clone());
                Ok(())
            }
            Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
                *expr = call("concat", left.span(), vec![*left.clone(), *right.clone()]);
                Ok(())
            }
            // All bits the other way round.
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: value } => {
                *expr = nested(binary(whole(-1), BinaryOperator::Minus, nested((**value).clone())));
                Ok(())
            }
            Expr::UnaryOp { op: op @ UnaryOperator::BangNot, .. } => {
                *op = UnaryOperator::Not;
                Ok(())
            }
            Expr::Like { .. } | Expr::ILike { .. } => super::like::mend(expr),
            Expr::RLike { negated: not, expr: value, pattern, .. } => {
                let matches = call("regexp_like", value.span(), vec![*value.clone(), *pattern.clone()]);
                *expr = negated(matches, *not);
                Ok(())
            }
            Expr::Extract { field, expr: moment, .. } => {
                *expr = extracted(field, moment)?;
                Ok(())
            }
            Expr::Ceil { expr: number, field } | Expr::Floor { expr: number, field } => {
                let (span, mut arguments) = (number.span(), vec![*number.clone()]);
                match field {
                    CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
                    CeilFloorKind::DateTimeField(field) => {
                        return refused(place(number), format!("`{field}` is no number of digits"));
                    }
                    CeilFloorKind::Scale(digits) => arguments.push(Expr::Value(digits.clone().with_empty_span())),
                }
                let name = if matches!(expr, Expr::Ceil { .. }) { "ceil" } else { "floor" };
                *expr = call(name, span, arguments);
                function(expr)
            }
            Expr::AtTimeZone { .. } => refused(place(expr), "Spark SQL has no AT TIME ZONE: use from_utc_timestamp"),
            Expr::Struct { values, fields } if fields.is_empty() && !values.is_empty() => {
                *expr = named_struct(Span::empty(), values);
                Ok(())
            }
            Expr::Interval(_) => crate::engine::intervals::interval(expr),
            Expr::Function(_) => function(expr),
            _ => Ok(()),
        }
    }

    fn table(&self, table: &mut TableFactor) -> Result<()> {
        if super::generators::range(table)? || super::generators::table(table) {
            return Ok(());
        }
        match table {
            TableFactor::Pivot { aggregate_functions, value_source, .. } => {
                crate::engine::relations::name_columns(aggregate_functions, value_source, shown);
                Ok(())
            }
            TableFactor::UNNEST { .. } => {
                refused(None, "Spark SQL has no UNNEST: use LATERAL VIEW explode(list) v AS x")
            }
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => {
                refused(Place::of(name.span().start), format!("the table function `{name}` is not supported"))
            }
            _ => Ok(()),
        }
    }
}

/// `1e3` is a double, `1L` a bigint, `1.5D` and the like are not known to the parser.
fn number(value: &ValueWithSpan) -> Result<Option<Expr>> {
    let Value::Number(digits, long) = &value.value else { return Ok(None) };
    Ok(if *long {
        Some(cast(text(digits), DataType::BigInt(None)))
    } else if digits.contains(['e', 'E']) {
        Some(cast(text(digits), DataType::Double(ExactNumberInfo::None)))
    } else {
        None
    })
}

fn extracted(field: &DateTimeField, moment: &Expr) -> Result<Expr> {
    match super::moments::part_function(&field.to_string()) {
        Some(name) => Ok(call(name, moment.span(), vec![moment.clone()])),
        None => refused(place(moment), format!("EXTRACT({field} FROM …) is not supported")),
    }
}

/// Types that are also functions: `string(x)` is `CAST(x AS STRING)`.
fn cast_function(name: &str) -> Option<DataType> {
    Some(match name {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::TinyInt(None),
        "smallint" => DataType::SmallInt(None),
        "int" => DataType::Int(None),
        "bigint" => DataType::BigInt(None),
        "float" => DataType::Float(ExactNumberInfo::None),
        "double" => DataType::Double(ExactNumberInfo::None),
        "decimal" => DataType::Decimal(ExactNumberInfo::None),
        "string" => DataType::String(None),
        "binary" => DataType::Binary(None),
        "date" | "to_date" => DataType::Date,
        "timestamp" | "to_timestamp" => moment(),
        _ => return None,
    })
}

fn moment() -> DataType {
    DataType::Timestamp(None, TimezoneInfo::None)
}

fn tried(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::TryCast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn function(expr: &mut Expr) -> Result<()> {
    if shared_calls(expr, &DataType::Int(None))? {
        return Ok(());
    }
    let at = place(expr);
    let Expr::Function(function) = expr else { return Ok(()) };
    let name = name_of(function);
    let span = function.name.span();
    let now = |span| cast(call("$now", span, Vec::new()), moment());
    if matches!(function.args, FunctionArguments::None) {
        match name.as_str() {
            "current_timestamp" => *expr = now(span),
            "localtimestamp" => *expr = cast(call("$now", span, Vec::new()), DataType::TimestampNtz(None)),
            _ => {}
        }
        return Ok(());
    }
    let arguments = arguments(function);
    match (name.as_str(), arguments.as_deref()) {
        ("current_timestamp" | "now", Some([])) => *expr = now(span),
        ("localtimestamp", Some([])) => *expr = cast(call("$now", span, Vec::new()), DataType::TimestampNtz(None)),
        ("unix_timestamp", Some([])) => *expr = call("$unix_timestamp", span, vec![now(span)]),
        ("unix_timestamp" | "to_unix_timestamp", Some([value])) => {
            *expr = call("$unix_timestamp", span, vec![value.clone()]);
        }
        ("unix_timestamp" | "to_unix_timestamp", Some([value, pattern])) => {
            let read = call("$to_timestamp", span, vec![value.clone(), pattern.clone()]);
            *expr = call("$unix_timestamp", span, vec![read]);
        }
        ("from_unixtime", Some([seconds])) => {
            *expr = call("$from_unixtime", span, vec![seconds.clone(), text("yyyy-MM-dd HH:mm:ss")]);
        }
        ("from_unixtime", Some(_)) => rename(function, "$from_unixtime"),
        ("to_timestamp", Some([_, _])) => rename(function, "$to_timestamp"),
        ("to_date", Some([_, _])) => rename(function, "$to_date"),
        ("try_to_timestamp", Some([value])) => *expr = tried(value.clone(), moment()),
        ("try_to_timestamp", Some([_, _])) => rename(function, "$try_to_timestamp"),
        ("try_to_date", Some([value])) => *expr = tried(value.clone(), DataType::Date),
        ("try_to_date", Some([value, pattern])) => {
            let read = call("$try_to_timestamp", span, vec![value.clone(), pattern.clone()]);
            *expr = cast(read, DataType::Date);
        }
        ("datediff" | "date_diff" | "timestampdiff", Some([unit, from, to])) => {
            *expr = call("$units_between", span, vec![unit_name(unit)?, from.clone(), to.clone()]);
        }
        ("dateadd" | "date_add" | "timestampadd", Some([unit, count, moment])) => {
            *expr = call("$plus_units", span, vec![unit_name(unit)?, count.clone(), moment.clone()]);
        }
        ("date_trunc", Some([unit, _])) => {
            if let Some(name) = literal(unit)
                && let Some(standard) = standard_unit(name)
                && let FunctionArguments::List(list) = &mut function.args
                && let Some(first) = list.args.first_mut()
            {
                *first = FunctionArg::Unnamed(FunctionArgExpr::Expr(text(standard)));
            }
        }
        // The engine's own makes text of lists.
        ("nvl" | "ifnull", Some([_, _])) => rename(function, "coalesce"),
        ("equal_null", Some([left, right])) => {
            *expr = Expr::IsNotDistinctFrom(Box::new(left.clone()), Box::new(right.clone()));
        }
        ("array_append", Some([list, _])) => {
            *expr = case(Expr::IsNull(Box::new(list.clone())), null(), Some(expr.clone()));
        }
        ("width_bucket", Some(_)) => *expr = cast(expr.clone(), DataType::BigInt(None)),
        ("approx_count_distinct" | "regr_count", Some(_)) if function.over.is_none() => {
            *expr = cast(expr.clone(), DataType::BigInt(None));
        }
        ("negative", Some([value])) => {
            *expr = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(nested(value.clone())) };
        }
        ("positive", Some([value])) => *expr = nested(value.clone()),
        ("nullifzero", Some([value])) => *expr = call("nullif", span, vec![value.clone(), whole(0)]),
        ("zeroifnull", Some([value])) => *expr = call("coalesce", span, vec![value.clone(), whole(0)]),
        ("isnull", Some([value])) => *expr = Expr::IsNull(Box::new(value.clone())),
        ("isnotnull", Some([value])) => *expr = Expr::IsNotNull(Box::new(value.clone())),
        ("ceil" | "ceiling" | "floor", Some([_, _])) => {
            let name = if name == "floor" { "$floor" } else { "$ceil" };
            rename(function, name);
        }
        ("log", Some([value])) => *expr = call("$ln", span, vec![value.clone()]),
        ("ln", Some(_)) => rename(function, "$ln"),
        ("log", Some([_, _])) => rename(function, "$log"),
        ("element_at", Some([_, _])) => rename(function, "$element_at"),
        ("arrays_zip", Some(lists)) => {
            let names = lists.iter().enumerate().map(|(index, list)| match list {
                Expr::Identifier(name) => name.value.clone(),
                Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()).unwrap_or_default(),
                _ => index.to_string(),
            });
            let fields = names.zip(lists).flat_map(|(name, list)| [text(name), list.clone()]).collect();
            *expr = call("$arrays_zip", span, vec![call("named_struct", span, fields)]);
        }
        ("try_add", Some([left, right])) => *expr = try_binary(span, left, BinaryOperator::Plus, right),
        ("try_subtract", Some([left, right])) => *expr = try_binary(span, left, BinaryOperator::Minus, right),
        ("try_multiply", Some([left, right])) => *expr = try_binary(span, left, BinaryOperator::Multiply, right),
        ("try_divide", Some([left, right])) => *expr = try_binary(span, left, BinaryOperator::Divide, right),
        ("try_mod", Some([left, right])) => *expr = try_binary(span, left, BinaryOperator::Modulo, right),
        ("explode" | "explode_outer" | "posexplode" | "posexplode_outer" | "inline" | "inline_outer" | "stack", _) => {
            return refused(
                at,
                format!("`{name}` is not supported here: it stands in the select list or behind LATERAL VIEW"),
            );
        }
        (_, Some([value])) => {
            if let Some(data_type) = cast_function(&name) {
                *expr = cast(value.clone(), data_type);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Fields are named by the columns that they are of, else by their place.
fn named_struct(span: Span, values: &[Expr]) -> Expr {
    let mut fields = Vec::with_capacity(values.len() * 2);
    for (index, value) in values.iter().enumerate() {
        let (name, value) = match value {
            Expr::Named { expr, name } => (name.value.clone(), (**expr).clone()),
            Expr::Identifier(name) => (name.value.clone(), value.clone()),
            Expr::CompoundIdentifier(names) => {
                (names.last().map(|name| name.value.clone()).unwrap_or_default(), value.clone())
            }
            _ => (format!("col{}", index + 1), value.clone()),
        };
        fields.extend([text(name), value]);
    }
    call("named_struct", span, fields)
}

fn try_binary(span: Span, left: &Expr, op: BinaryOperator, right: &Expr) -> Expr {
    call("$try", span, vec![binary(left.clone(), op, right.clone())])
}

/// Units are written bare, `DAY`, or as text.
fn unit_name(unit: &Expr) -> Result<Expr> {
    let name = match unit {
        Expr::Identifier(name) => name.value.as_str(),
        other => match literal(other) {
            Some(name) => name,
            None => return refused(place(unit), format!("expected a unit: {}", Unit::NAMES)),
        },
    };
    let standard = standard_unit(name).unwrap_or(name);
    match Unit::parse(standard) {
        Some(_) => Ok(text(standard.to_lowercase())),
        None => refused(place(unit), format!("`{name}` is no unit: expected one of {}", Unit::NAMES)),
    }
}

/// Spark's other names of units.
fn standard_unit(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "yyyy" | "yy" | "years" => "year",
        "mon" | "mm" | "months" => "month",
        "dd" | "days" | "dayofyear" => "day",
        "weeks" => "week",
        "hours" => "hour",
        "minutes" => "minute",
        "seconds" => "second",
        _ => return None,
    })
}

fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Nested(inner) => shown(inner),
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            format!("concat({}, {})", shown(left), shown(right))
        }
        Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shown(left), shown(right)),
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text) | Value::DoubleQuotedString(text), ..
        }) => text.clone(),
        Expr::Value(ValueWithSpan { value: Value::Null, .. }) => "NULL".to_owned(),
        Expr::Function(function) => {
            let name = name_of(function);
            match &function.args {
                FunctionArguments::List(list) if function.over.is_none() => {
                    let distinct = if list.duplicate_treatment.is_some() { "DISTINCT " } else { "" };
                    let arguments: Vec<String> = list.args.iter().map(argument_shown).collect();
                    format!("{name}({distinct}{})", arguments.join(", "))
                }
                _ => expr.to_string(),
            }
        }
        other => other.to_string(),
    }
}

fn argument_shown(argument: &FunctionArg) -> String {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => shown(expr),
        // `count(*)` counts ones.
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => "1".to_owned(),
        other => other.to_string(),
    }
}
