//! Short ways to read and name what backends have.

use crate::http::Response;
use crate::kubernetes::Reference;

impl Response {
    /// The server's own wish for a pause (`Retry-After`, in seconds; a date is left to the host's own pause).
    pub fn retry_after_ms(&self) -> Option<u64> {
        let (_, seconds) = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
        seconds.trim().parse::<u64>().ok()?.checked_mul(1000)
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
        assert_eq!(wish("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(wish("99999999999999999999"), None);
    }
}
