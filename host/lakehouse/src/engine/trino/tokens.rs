//! Changes to a statement's tokens where the parser lacks a form of Trino's.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// - `trim(LEADING FROM x)` is `trim(LEADING x)`;
/// - the type `ARRAY(bigint)` is `ARRAY<bigint>`;
/// - `= ANY (VALUES 1, 2)` is `= ANY (SELECT * FROM (VALUES 1, 2))`.
pub(super) fn changed(tokens: &mut Vec<TokenWithSpan>) {
    let given = std::mem::take(tokens);
    // What closes each parenthesis that is open.
    let mut closing: Vec<Vec<Token>> = Vec::new();
    let mut last: [Option<Token>; 2] = [None, None];
    for (at, token) in given.iter().enumerate() {
        let mut put = |token_put: Token| tokens.push(TokenWithSpan { token: token_put, span: token.span });
        match &token.token {
            Token::Whitespace(_) => {
                tokens.push(token.clone());
                continue;
            }
            Token::LParen if is(last[1].as_ref(), &[Keyword::ARRAY]) => {
                put(Token::Lt);
                closing.push(vec![Token::Gt]);
            }
            Token::LParen
                if is(last[1].as_ref(), &[Keyword::ANY, Keyword::SOME, Keyword::ALL])
                    && is(following(&given, at), &[Keyword::VALUES]) =>
            {
                put(Token::LParen);
                for word in ["SELECT", "*", "FROM"] {
                    put(if word == "*" { Token::Mul } else { Token::make_keyword(word) });
                }
                put(Token::LParen);
                closing.push(vec![Token::RParen, Token::RParen]);
            }
            Token::LParen => {
                put(Token::LParen);
                closing.push(vec![Token::RParen]);
            }
            Token::RParen => closing.pop().unwrap_or_else(|| vec![Token::RParen]).into_iter().for_each(put),
            from if is(Some(from), &[Keyword::FROM])
                && is(last[1].as_ref(), &[Keyword::LEADING, Keyword::TRAILING, Keyword::BOTH])
                && matches!(last[0], Some(Token::LParen)) => {}
            _ => tokens.push(token.clone()),
        }
        last = [last[1].take(), Some(token.token.clone())];
    }
}

fn following(tokens: &[TokenWithSpan], at: usize) -> Option<&Token> {
    tokens[at + 1..].iter().map(|token| &token.token).find(|token| !matches!(token, Token::Whitespace(_)))
}

fn is(token: Option<&Token>, words: &[Keyword]) -> bool {
    matches!(token, Some(Token::Word(word)) if word.quote_style.is_none() && words.contains(&word.keyword))
}
