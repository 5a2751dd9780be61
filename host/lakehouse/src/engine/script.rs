//! A statement as the contract gives it: temporary views, then one query.
//!
//! # Policy
//! Read-only by construction: only `SELECT`, `WITH` and `VALUES`, and `CREATE TEMPORARY VIEW` before the last, get past this
//! module, in any nesting. What a statement writes is said by its caller, never by its text.
//!
//! Identifiers are lower-cased here, quoted ones too: Spark and Trino both match names in any case, DataFusion does not.
//! The names that a result shows keep the case that the statement gives them ([`Script::shown`]).

use std::collections::HashMap;
use std::ops::ControlFlow;

use asgard_contract::Result;
use sqlparser::ast::{Expr, Query, SelectItem, SetExpr, Spanned, Statement, Visit, Visitor};
use sqlparser::dialect::Dialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use super::bare_values;
use super::dialect::SqlDialect;
use super::text::{Place, Words, wrong};

/// A longer text is no statement that a person or dbt wrote, and parsing one costs stack and memory before any limit holds.
const BYTES_AT_MOST: usize = 1 << 20;

/// The parser descends this deep into parentheses and subqueries.
const DEPTH_AT_MOST: usize = 100;

/// The planner descends once per operand of a chain such as `a OR b OR c …`, and looks at all of it at each: this many fit
/// the stack of the statements' threads, and are planned in seconds.
const OPERATORS_AT_MOST: usize = 2_000;

/// A parsed statement.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// In order; each may use those before it.
    pub(super) views: Vec<TemporaryView>,
    pub(super) query: Query,
    pub(super) words: Words,
    /// Lower-cased name -> the name as the last query's select list has it.
    pub(super) shown: HashMap<String, String>,
}

#[derive(Debug, Clone)]
pub(super) struct TemporaryView {
    pub(super) name: String,
    /// Empty = the query's own.
    pub(super) columns: Vec<String>,
    pub(super) query: Query,
}

/// Parses and judges a statement.
pub(super) fn parse(dialect: &dyn SqlDialect, sql: &str) -> Result<Script> {
    if sql.len() > BYTES_AT_MOST {
        return Err(wrong(None, format!("the statement has {} bytes: at most {BYTES_AT_MOST} are taken", sql.len())));
    }
    let sql = dialect.text(sql);
    let mut tokens = Tokenizer::new(dialect.syntax(), &sql)
        .tokenize_with_location()
        .map_err(|error| wrong(Place::of(error.location), format!("the SQL does not parse: {}", error.message)))?;
    dialect.tokens(&mut tokens);
    check_size(&tokens)?;
    bare_values::wrap(&mut tokens);
    let words = Words::of(&tokens);
    let shown = shown_names(dialect.syntax(), tokens.clone());
    let mut statements = parse_tokens(dialect.syntax(), lower_cased(tokens))?;
    let Some(last) = statements.pop() else {
        return Err(wrong(None, "there is no statement: expected a SELECT"));
    };
    if !statements.is_empty() && !dialect.takes_temporary_views() {
        return Err(wrong(
            start(&last),
            format!("{} statements: expected exactly one SELECT or WITH", statements.len() + 1),
        ));
    }
    let views = statements.into_iter().map(temporary_view).collect::<Result<_>>()?;
    let query = match last {
        Statement::Query(query) => *query,
        other => {
            return Err(wrong(
                start(&other),
                format!("only queries are run here, not `{}`: expected a SELECT or WITH", head(&other)),
            ));
        }
    };
    read_only(&query)?;
    Ok(Script { views, query, words, shown })
}

/// One query, without temporary views: that of a stored view.
pub(super) fn parse_view(dialect: &dyn SqlDialect, sql: &str) -> Result<Script> {
    let script = parse(dialect, sql)?;
    if script.views.is_empty() {
        Ok(script)
    } else {
        Err(wrong(None, "expected one query, without temporary views before it"))
    }
}

fn check_size(tokens: &[TokenWithSpan]) -> Result<()> {
    let operators = tokens.iter().filter(|token| is_operator(&token.token)).count();
    if operators > OPERATORS_AT_MOST {
        return Err(wrong(
            None,
            format!(
                "the statement has {operators} operators: at most {OPERATORS_AT_MOST} are taken; use a table or IN"
            ),
        ));
    }
    Ok(())
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_none()
                && ["and", "or", "not", "union", "like"].iter().any(|name| word.value.eq_ignore_ascii_case(name))
        }
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat | Token::LParen => true,
        _ => false,
    }
}

fn parse_tokens(dialect: &dyn Dialect, tokens: Vec<TokenWithSpan>) -> Result<Vec<Statement>> {
    Parser::new(dialect)
        .with_recursion_limit(DEPTH_AT_MOST)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(does_not_parse)
}

/// The parser puts the place at the end of its message; here it is first.
fn does_not_parse(error: ParserError) -> asgard_contract::Error {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return wrong(None, format!("the statement is nested deeper than {DEPTH_AT_MOST} levels"));
        }
    };
    let (text, place) = match message.rsplit_once(" at Line: ") {
        Some((text, place)) => (text.to_owned(), place_of(place)),
        None => (message, None),
    };
    let text = text.strip_prefix("Expected: ").map_or(text.clone(), |rest| format!("expected {rest}"));
    wrong(place, format!("the SQL does not parse: {}", text.replace("found: EOF", "found the end")))
}

/// Reads `3, Column: 8`.
fn place_of(text: &str) -> Option<Place> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Place { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
}

fn lower_cased(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    for token in &mut tokens {
        if let Token::Word(word) = &mut token.token
            && word.quote_style.is_some()
        {
            word.value = word.value.to_lowercase();
        }
    }
    tokens
}

/// What the last query's select list calls its columns. A statement that does not parse has none: the other parse says why.
fn shown_names(dialect: &dyn Dialect, tokens: Vec<TokenWithSpan>) -> HashMap<String, String> {
    let Ok(statements) = parse_tokens(dialect, tokens) else { return HashMap::new() };
    let Some(Statement::Query(query)) = statements.last() else { return HashMap::new() };
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            // A union is called as its first part is.
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(inner) => body = &inner.body,
            _ => return HashMap::new(),
        }
    };
    let names = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.value.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => names.last().map(|name| name.value.clone()),
        _ => None,
    });
    names.map(|name| (name.to_lowercase(), name)).collect()
}

fn temporary_view(statement: Statement) -> Result<TemporaryView> {
    let place = start(&statement);
    let view = match statement {
        Statement::CreateView(view) if view.temporary && !view.materialized => view,
        other => {
            return Err(wrong(
                place,
                format!(
                    "only `CREATE TEMPORARY VIEW … AS SELECT …` may come before the last statement, not `{}`",
                    head(&other)
                ),
            ));
        }
    };
    read_only(&view.query)?;
    let name = match view.name.0.as_slice() {
        [name] => name.as_ident(),
        _ => None,
    };
    let Some(name) = name else {
        return Err(wrong(place, format!("a temporary view has a name without a namespace, not `{}`", view.name)));
    };
    Ok(TemporaryView {
        name: name.value.to_lowercase(),
        columns: view.columns.iter().map(|column| column.name.value.to_lowercase()).collect(),
        query: *view.query,
    })
}

fn read_only(query: &Query) -> Result<()> {
    match query.visit(&mut ReadOnly) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// `WITH … INSERT` and `SELECT … INTO` parse as queries and are none.
struct ReadOnly;

impl Visitor for ReadOnly {
    type Break = asgard_contract::Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        let place = Place::of(query.span().start);
        if !query.locks.is_empty() {
            return ControlFlow::Break(wrong(place, "`FOR UPDATE` has no place in a query that only reads"));
        }
        if !query.pipe_operators.is_empty() || query.for_clause.is_some() || query.format_clause.is_some() {
            return ControlFlow::Break(wrong(place, "pipes, `FOR` and `FORMAT` clauses are not part of this dialect"));
        }
        body_reads(&query.body)
    }
}

fn body_reads(body: &SetExpr) -> ControlFlow<asgard_contract::Error> {
    match body {
        SetExpr::Select(select) if select.into.is_some() => ControlFlow::Break(wrong(
            Place::of(select.select_token.0.span.start),
            "`SELECT … INTO` writes: only queries are run here",
        )),
        SetExpr::SetOperation { left, right, .. } => {
            body_reads(left)?;
            body_reads(right)
        }
        SetExpr::Insert(statement)
        | SetExpr::Update(statement)
        | SetExpr::Delete(statement)
        | SetExpr::Merge(statement) => {
            ControlFlow::Break(wrong(start(statement), format!("only queries are run here, not `{}`", head(statement))))
        }
        // The visitor comes to nested queries by itself.
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) | SetExpr::Table(_) => ControlFlow::Continue(()),
    }
}

fn start(statement: &Statement) -> Option<Place> {
    let span: Span = statement.span();
    Place::of(Location { line: span.start.line, column: span.start.column })
}

fn head(statement: &Statement) -> String {
    statement.to_string().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}
