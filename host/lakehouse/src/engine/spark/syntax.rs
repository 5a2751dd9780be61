//! How Spark's SQL is read.

use std::any::TypeId;

use sqlparser::ast::BinaryOperator;
use sqlparser::ast::{Expr, Spanned};
use sqlparser::dialect::{DatabricksDialect, Dialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::engine::rewrite::call;

/// As the parser's dialect of Databricks, with what that one leaves out: escapes in strings, `DIV`.
#[derive(Debug)]
pub(super) struct SparkSyntax;

impl Dialect for SparkSyntax {
    /// What the parser does for Databricks alone, it does here too.
    fn dialect(&self) -> TypeId {
        TypeId::of::<DatabricksDialect>()
    }

    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        letter == '`'
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        letter.is_alphabetic() || letter == '_'
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        letter.is_alphanumeric() || letter == '_'
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    /// `'\%'` and `'\_'` stay as they are, for LIKE.
    fn ignores_wildcard_escapes(&self) -> bool {
        true
    }

    fn supports_string_literal_concatenation(&self) -> bool {
        true
    }

    fn supports_bang_not_operator(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_select_wildcard_except(&self) -> bool {
        true
    }

    fn require_interval_qualifier(&self) -> bool {
        true
    }

    fn supports_struct_literal(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }

    fn supports_values_as_table_factor(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, _precedence: u8) -> Option<Result<Expr, ParserError>> {
        if let Some(name) = shift(parser) {
            let right = match parser.parse_subexpr(self.prec_value(sqlparser::dialect::Precedence::PlusMinus)) {
                Ok(right) => right,
                Err(error) => return Some(Err(error)),
            };
            return Some(Ok(call(name, expr.span(), vec![expr.clone(), right])));
        }
        if !parser.parse_keyword(Keyword::DIV) {
            return None;
        }
        let right = match parser.parse_subexpr(self.prec_value(sqlparser::dialect::Precedence::MulDivModOp)) {
            Ok(right) => right,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Expr::BinaryOp {
            left: Box::new(expr.clone()),
            op: BinaryOperator::MyIntegerDivide,
            right: Box::new(right),
        }))
    }
}

/// `<<`, `>>` and `>>>` by the function of each.
fn shift(parser: &mut Parser) -> Option<&'static str> {
    if parser.consume_token(&Token::ShiftLeft) {
        return Some("shiftleft");
    }
    if !parser.consume_token(&Token::ShiftRight) {
        return None;
    }
    Some(if parser.consume_token(&Token::Gt) { "shiftrightunsigned" } else { "shiftright" })
}

/// Numbers with their type behind them, `2.5D`, come from the tokenizer as a number and a word. A double is written with an
/// exponent for the parser, a float as a call of its type; `BD` is what a number with a point is anyway.
pub(super) fn join_suffixes(tokens: &mut Vec<TokenWithSpan>) {
    let mut joined: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens.drain(..) {
        if let Token::Word(word) = &token.token
            && let Some(TokenWithSpan { token: Token::Number(digits, false), span }) = joined.last_mut()
            && span.end == token.span.start
        {
            let is = |suffix: &str| word.value.eq_ignore_ascii_case(suffix);
            if is("d") && !digits.contains(['e', 'E']) {
                digits.push_str("e0");
                continue;
            }
            if is("bd") {
                continue;
            }
            if is("f") {
                let number = Token::SingleQuotedString(std::mem::take(digits));
                let span = *span;
                joined.pop();
                let put = |token| TokenWithSpan { token, span };
                joined.extend([Token::make_word("float", None), Token::LParen, number, Token::RParen].map(put));
                continue;
            }
        }
        joined.push(token);
    }
    *tokens = joined;
}
