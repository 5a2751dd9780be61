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
}

/// The last token that is more than space.
fn last(tokens: &[TokenWithSpan]) -> Option<usize> {
    tokens.iter().rposition(|token| !matches!(token.token, Token::Whitespace(_)))
}
