//! Short ways to read and name what backends have.

use crate::http::Response;
use crate::kubernetes::Reference;

impl Response {
    /// The server's own wish for a pause: `Retry-After` in seconds, or as a date, which counts from the answer's own `Date`.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let wish = self.header("retry-after")?.trim();
        if let Ok(seconds) = wish.parse::<u64>() {
            return seconds.checked_mul(1000);
        }
        let until = httpdate::parse_http_date(wish).ok()?;
        let now = httpdate::parse_http_date(self.header("date")?.trim()).ok()?;
        let pause = until.duration_since(now).unwrap_or_default();
        u64::try_from(pause.as_millis()).ok()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl Reference {
    /// Names one resource of a cluster: `batch/v1`, `Job`, its namespace and its name.
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn a_wish_in_seconds_is_understood() {
        let wish = |value: &str| {
            let headers = vec![("Retry-After".to_owned(), value.to_owned())];
            Response { status: 503, headers, body: Vec::new() }.retry_after_ms()
        };
        assert_eq!(wish(" 7 "), Some(7000));
        assert_eq!(wish("Wed, 21 Oct 2026 07:28:00 GMT"), None, "there is no date that it counts from");
        assert_eq!(wish("soon"), None);
        assert_eq!(wish("99999999999999999999"), None);
    }

    #[test]
    fn a_wish_as_a_date_counts_from_the_answers_own() {
        let of = |date: &str| {
            let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let headers = vec![header("date", "Wed, 21 Oct 2026 07:28:00 GMT"), header("retry-after", date)];
            Response { status: 503, headers, body: Vec::new() }.retry_after_ms()
        };
        assert_eq!(of("Wed, 21 Oct 2026 07:30:00 GMT"), Some(120_000));
        assert_eq!(of("Wed, 21 Oct 2026 07:00:00 GMT"), Some(0));
    }
}
