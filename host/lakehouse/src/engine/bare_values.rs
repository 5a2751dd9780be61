//! `VALUES 1, 2, 3`: rows of one column, which the parser only knows as `VALUES (1), (2), (3)`.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// After these words a query or a table may begin.
const BEFORE: [Keyword; 8] = [
    Keyword::FROM,
    Keyword::JOIN,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::ALL,
    Keyword::DISTINCT,
    Keyword::AS,
];

/// These words come after the rows.
const AFTER: [Keyword; 21] = [
    Keyword::FROM,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::ORDER,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FETCH,
    Keyword::AS,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::WINDOW,
    Keyword::JOIN,
    Keyword::CROSS,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::INNER,
    Keyword::FULL,
    Keyword::LATERAL,
    Keyword::PIVOT,
];

/// Deeper rows in rows are more than the parser takes.
const DEPTH: usize = 32;

/// Puts every bare row into parentheses.
pub(super) fn wrap(tokens: &mut Vec<TokenWithSpan>) {
    wrap_within(tokens, DEPTH);
}

fn wrap_within(tokens: &mut Vec<TokenWithSpan>, depth: usize) {
    // Most statements have none, and most rows.
    if depth == 0 || !tokens.iter().any(|token| is_word(&token.token, &[Keyword::VALUES])) {
        return;
    }
    let given = std::mem::take(tokens);
    let mut at = 0;
    while at < given.len() {
        tokens.push(given[at].clone());
        let begins = is_word(&given[at].token, &[Keyword::VALUES]) && may_begin(&given[..at]);
        at += 1;
        if begins && begins_row(given.get(next(&given, at)).map(|token| &token.token)) {
            at = rows(&given, at, tokens, depth);
        }
    }
}

/// Copies the rows from `at` on; answers with where they end.
fn rows(given: &[TokenWithSpan], mut at: usize, tokens: &mut Vec<TokenWithSpan>, depth: usize) -> usize {
    loop {
        let first = next(given, at);
        let end = row_end(given, first);
        if matches!(given.get(first).map(|token| &token.token), Some(Token::LParen)) {
            copy(&given[at..end], tokens, depth);
        } else {
            tokens.extend_from_slice(&given[at..first]);
            // Blanks behind the row stay behind it.
            let last = (first..end).rev().find(|&index| !is_blank(&given[index].token)).map_or(end, |last| last + 1);
            parenthesis(Token::LParen, given.get(first), tokens);
            copy(&given[first..last], tokens, depth);
            parenthesis(Token::RParen, given.get(last.saturating_sub(1)), tokens);
            tokens.extend_from_slice(&given[last..end]);
        }
        let comma = next(given, end);
        if !matches!(given.get(comma).map(|token| &token.token), Some(Token::Comma)) {
            return end;
        }
        tokens.extend_from_slice(&given[end..=comma]);
        at = comma + 1;
    }
}

/// Rows may have queries with rows of their own in them.
fn copy(part: &[TokenWithSpan], tokens: &mut Vec<TokenWithSpan>, depth: usize) {
    let mut part = part.to_vec();
    wrap_within(&mut part, depth - 1);
    tokens.append(&mut part);
}

fn parenthesis(token: Token, beside: Option<&TokenWithSpan>, tokens: &mut Vec<TokenWithSpan>) {
    tokens.extend(beside.map(|beside| TokenWithSpan { token, span: beside.span }));
}

/// Where the row that begins at `first` ends: behind its parenthesis, or before what cannot be of it.
fn row_end(given: &[TokenWithSpan], first: usize) -> usize {
    let in_parentheses = matches!(given.get(first).map(|token| &token.token), Some(Token::LParen));
    let mut depth = 0_u32;
    for (index, token) in given.iter().enumerate().skip(first) {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace if depth == 0 => return index,
            Token::RParen | Token::RBracket | Token::RBrace => {
                depth -= 1;
                if depth == 0 && in_parentheses {
                    return index + 1;
                }
            }
            Token::Comma | Token::SemiColon | Token::EOF if depth == 0 => return index,
            other if depth == 0 && is_word(other, &AFTER) => return index,
            // The name of the table that the rows are, without AS.
            other if depth == 0 && is_name(other) && ends_value(&given[first..index]) => return index,
            _ => {}
        }
    }
    given.len()
}

/// The next token that is no blank.
fn next(given: &[TokenWithSpan], from: usize) -> usize {
    (from..given.len()).find(|&index| !is_blank(&given[index].token)).unwrap_or(given.len())
}

fn is_name(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.keyword == Keyword::NoKeyword)
}

/// Whether no name can go on with what is there: `'a' t` and `f(1) t`, and not `date t`.
fn ends_value(row: &[TokenWithSpan]) -> bool {
    let last = row.iter().rev().map(|token| &token.token).find(|token| !is_blank(token));
    matches!(
        last,
        Some(Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::Number(..) | Token::RParen)
    )
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

fn is_word(token: &Token, words: &[Keyword]) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && words.contains(&word.keyword))
}

/// Elsewhere `values` is a name.
fn may_begin(before: &[TokenWithSpan]) -> bool {
    let Some(last) = before.iter().rev().find(|token| !is_blank(&token.token)) else { return true };
    matches!(last.token, Token::LParen | Token::Comma | Token::SemiColon) || is_word(&last.token, &BEFORE)
}

fn begins_row(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Word(word)) => word.quote_style.is_some() || !AFTER.contains(&word.keyword),
        Some(
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::LParen
            | Token::Minus,
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::GenericDialect;
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn wrapped(sql: &str) -> String {
        let mut tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap();
        wrap(&mut tokens);
        tokens.iter().map(|token| token.token.to_string()).collect()
    }

    #[test]
    fn bare_rows_are_put_into_parentheses() {
        for (sql, expected) in [
            ("VALUES 1, 2", "VALUES (1), (2)"),
            ("SELECT * FROM (VALUES 1 + 1, f(2, 3)) AS t (x)", "SELECT * FROM (VALUES (1 + 1), (f(2, 3))) AS t (x)"),
            ("VALUES 1 UNION ALL VALUES -2 ORDER BY 1", "VALUES (1) UNION ALL VALUES (-2) ORDER BY 1"),
            ("SELECT * FROM VALUES 1, 2 AS t(x)", "SELECT * FROM VALUES (1), (2) AS t(x)"),
            (
                "VALUES (SELECT max(x) FROM (VALUES 1, 2) AS t (x))",
                "VALUES (SELECT max(x) FROM (VALUES (1), (2)) AS t (x))",
            ),
        ] {
            assert_eq!(wrapped(sql), expected);
        }
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for sql in [
            "VALUES (1, 'a'), (2, 'b')",
            "SELECT * FROM VALUES (1), (2) tab(col)",
            "SELECT sum(values) FROM t",
            "SELECT values + 1, values FROM t",
            "SELECT a.values FROM a",
        ] {
            assert_eq!(wrapped(sql), sql);
        }
    }
}
