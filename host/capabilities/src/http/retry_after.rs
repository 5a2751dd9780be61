//! `Retry-After` (RFC 9110, section 10.2.3): how long a server wants to be left alone.

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// The wish of an answer with these headers, in milliseconds: a number of seconds, or a date, which counts from the answer's
/// own `Date`, since the server's clock may not be ours. None where there is no wish, or none that can be understood.
pub fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let wish = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = wish.parse::<u64>() {
        return seconds.checked_mul(1000);
    }
    let until = httpdate::parse_http_date(wish).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?.trim()).ok()?;
    u64::try_from(until.duration_since(now).unwrap_or_default().as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_a_number_of_seconds_or_a_date_that_counts_from_the_answers_own() {
        let sent = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        for (wish, date, expected) in [
            (" 7 ", None, Some(7000)),
            ("Wed, 21 Oct 2026 07:30:00 GMT", sent, Some(120_000)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", sent, Some(0)),
            ("Wed, 21 Oct 2026 07:30:00 GMT", None, None),
            ("soon", sent, None),
            ("99999999999999999999", sent, None),
        ] {
            let mut headers = HeaderMap::from_iter([(RETRY_AFTER, wish.parse().unwrap())]);
            headers.extend(date.map(|date| (DATE, date.parse().unwrap())));
            assert_eq!(retry_after_ms(&headers), expected, "{wish} of {date:?}");
        }
        assert_eq!(retry_after_ms(&HeaderMap::new()), None);
    }
}
