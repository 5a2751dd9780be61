//! Tables as they were: `silver.a FOR VERSION AS OF 123` and `FOR TIMESTAMP AS OF TIMESTAMP '…'` in Trino's words, the same
//! without `FOR` in Spark's.
//!
//! Each such table becomes a name of its own in the query, so one statement may compare a table with what it was.

use std::collections::HashMap;
use std::ops::ControlFlow;

use asgard_contract::{Error, Result};
use sqlparser::ast::{
    Expr, Ident, ObjectName, ObjectNamePart, Query, Spanned, TableAlias, TableFactor, TableVersion, Value, VisitMut,
    VisitorMut,
};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::references::{self, Name};
use super::text::{Place, wrong};
use crate::tables::AsOf;

/// What names of the query stand for that were tables as of another time.
pub(super) type Versions = HashMap<String, (Name, AsOf)>;

/// Trino's `FOR` before `VERSION AS OF` and `TIMESTAMP AS OF` says nothing more, and the parser does not take it.
pub(super) fn drop_for(tokens: &mut Vec<TokenWithSpan>) {
    let is = |token: &TokenWithSpan, word: &str| matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word));
    let blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let mut kept = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        let mut next = tokens[index + 1..].iter().filter(|token| !blank(token));
        let versioned = is(token, "for")
            && next.next().is_some_and(|token| is(token, "version") || is(token, "timestamp"))
            && next.next().is_some_and(|token| is(token, "as"))
            && next.next().is_some_and(|token| is(token, "of"));
        if !versioned {
            kept.push(token.clone());
        }
    }
    *tokens = kept;
}

/// Takes the versions out of a query.
///
/// # Errors
/// `invalid-input` for a version that is no literal.
pub(super) fn take(query: &mut Query) -> Result<Versions> {
    let mut taker = Taker::default();
    match query.visit(&mut taker) {
        ControlFlow::Continue(()) => Ok(taker.found),
        ControlFlow::Break(error) => Err(error),
    }
}

#[derive(Default)]
struct Taker {
    found: Versions,
}

impl VisitorMut for Taker {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, version, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(asked) = version.take() else { return ControlFlow::Continue(()) };
        match self.rename(name, alias, &asked) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Taker {
    fn rename(&mut self, name: &mut ObjectName, alias: &mut Option<TableAlias>, asked: &TableVersion) -> Result<()> {
        let place = Place::of(name.span().start);
        let as_of = as_of(asked).ok_or_else(|| {
            let example = "`VERSION AS OF 123`, or `TIMESTAMP AS OF TIMESTAMP '2026-03-01 12:00:00 UTC'`";
            wrong(
                place,
                format!("`{asked}` is no version of a table: expected a snapshot's id or a time, as in {example}"),
            )
        })?;
        let table = references::name_of(name)?;
        let shown = name.0.last().and_then(ObjectNamePart::as_ident).map(|name| name.value.to_lowercase());
        let own = match as_of {
            AsOf::Snapshot(id) => format!("{table} as of {id}"),
            AsOf::Time(time) => format!("{table} as of {}", time.timestamp_micros()),
        };
        if alias.is_none()
            && let Some(shown) = shown
        {
            *alias = Some(TableAlias { explicit: true, name: Ident::with_quote('"', shown), columns: Vec::new() });
        }
        let mut ident = Ident::with_quote('"', own.clone());
        ident.span = name.span();
        *name = ObjectName(vec![ObjectNamePart::Identifier(ident)]);
        self.found.insert(own, (table, as_of));
        Ok(())
    }
}

fn as_of(version: &TableVersion) -> Option<AsOf> {
    let (expression, is_time) = match version {
        TableVersion::VersionAsOf(expression) => (expression, false),
        TableVersion::TimestampAsOf(expression) | TableVersion::ForSystemTimeAsOf(expression) => (expression, true),
        TableVersion::Function(_) => return None,
    };
    let text = match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.to_string(),
            Value::SingleQuotedString(text) => text.clone(),
            _ => return None,
        },
        Expr::TypedString(typed) => match &typed.value.value {
            Value::SingleQuotedString(text) => text.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let text = text.trim();
    let text =
        text.strip_suffix("UTC").map_or(text.to_owned(), |time| format!("{}Z", time.trim().replacen(' ', "T", 1)));
    let as_of = AsOf::parse(&text).ok()?;
    (matches!(as_of, AsOf::Time(_)) == is_time).then_some(as_of)
}
