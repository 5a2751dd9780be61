//! Forms of literals that the parser lacks.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

/// `X '1F'`, with a space between, is one literal; `trim(BOTH FROM text)` trims spaces.
pub(super) fn mend(tokens: &mut Vec<TokenWithSpan>) {
    let mut mended: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for mut token in tokens.drain(..) {
        match &token.token {
            Token::SingleQuotedString(digits) => {
                let before = last(&mended);
                if let Some(at) = before
                    && let Token::Word(word) = &mended[at].token
                    && word.quote_style.is_none()
                    && word.value.eq_ignore_ascii_case("x")
                {
                    token.token = Token::HexStringLiteral(digits.clone());
                    mended.truncate(at);
                }
            }
            Token::Word(word) if word.keyword == Keyword::FROM => {
                let is_side = last(&mended).is_some_and(|at| {
                    matches!(&mended[at].token, Token::Word(word)
                        if matches!(word.keyword, Keyword::BOTH | Keyword::LEADING | Keyword::TRAILING))
                });
                if is_side {
                    let space = Token::SingleQuotedString(" ".to_owned());
                    mended.push(TokenWithSpan { token: space, span: Span::empty() });
                }
            }
            _ => {}
        }
        mended.push(token);
    }
    *tokens = mended;
    sum_intervals(tokens);
}

/// `INTERVAL 5 days 3 hours` is the sum of its parts.
fn sum_intervals(tokens: &mut Vec<TokenWithSpan>) {
    let is_word = |token: &Token, name: &str| matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name));
    if !tokens.iter().any(|token| is_word(&token.token, "interval")) {
        return;
    }
    let given = std::mem::take(tokens);
    let mut at = 0;
    while at < given.len() {
        let parts = if is_word(&given[at].token, "interval") { interval_parts(&given, at + 1) } else { Vec::new() };
        if parts.len() < 2 {
            tokens.push(given[at].clone());
            at += 1;
            continue;
        }
        let put = |token: Token| TokenWithSpan { token, span: given[at].span };
        let end = parts.last().map_or(at + 1, |part| part.end);
        let mut sum = vec![put(Token::LParen)];
        for (index, part) in parts.into_iter().enumerate() {
            if index > 0 {
                sum.push(put(Token::Plus));
            }
            sum.extend([given[at].clone(), put(Token::Whitespace(sqlparser::tokenizer::Whitespace::Space))]);
            sum.extend_from_slice(&given[part]);
        }
        sum.push(put(Token::RParen));
        tokens.append(&mut sum);
        at = end;
    }
}

/// Where a number and a unit stand, one pair behind the other.
fn interval_parts(given: &[TokenWithSpan], from: usize) -> Vec<std::ops::Range<usize>> {
    const UNITS: [&str; 18] = [
        "year",
        "years",
        "month",
        "months",
        "week",
        "weeks",
        "day",
        "days",
        "hour",
        "hours",
        "minute",
        "minutes",
        "second",
        "seconds",
        "millisecond",
        "milliseconds",
        "microsecond",
        "microseconds",
    ];
    let next = |from: usize| (from..given.len()).find(|&at| !matches!(given[at].token, Token::Whitespace(_)));
    let mut parts = Vec::new();
    let mut at = from;
    loop {
        let Some(start) = next(at) else { return parts };
        let number = if given[start].token == Token::Minus { next(start + 1) } else { Some(start) };
        let Some(number) = number else { return parts };
        let Some(unit) = next(number + 1) else { return parts };
        let is_number = matches!(given[number].token, Token::Number(..) | Token::SingleQuotedString(_));
        let is_unit = matches!(&given[unit].token, Token::Word(word)
            if word.quote_style.is_none() && UNITS.iter().any(|name| word.value.eq_ignore_ascii_case(name)));
        if !is_number || !is_unit {
            return parts;
        }
        parts.push(start..unit + 1);
        at = unit + 1;
    }
}

/// The last token that is more than space.
fn last(tokens: &[TokenWithSpan]) -> Option<usize> {
    tokens.iter().rposition(|token| !matches!(token.token, Token::Whitespace(_)))
}
