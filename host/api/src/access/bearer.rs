//! The token in `Authorization`, and comparing it.

use std::hint::black_box;

use axum::http::{HeaderMap, header};

/// What stands after `Bearer`, which may be written in any case (RFC 9110).
pub(super) fn of(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Takes the same time wherever the two differ, so that a token cannot be guessed letter by letter.
pub(super) fn same(given: &str, token: &str) -> bool {
    let (given, token) = (given.as_bytes(), token.as_bytes());
    given.len() == token.len() && black_box(given.iter().zip(token).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same("secret", "secret"));
        for other in ["", "secre", "secrets", "Secret"] {
            assert!(!same(other, "secret"), "{other}");
        }
    }

    #[test]
    fn a_bearer_is_read_and_nothing_else() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            of(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(read("bearer  abc"), Some("abc".to_owned()));
        for other in ["Bearer", "Bearer ", "abc", "Basic abc"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
