//! Requests: sent by the host, with the credential that the configuration refers to; repeated where that may help.

use std::time::Duration;

use asgard_sdk::http::{self, Credential, Request, Response};
use asgard_sdk::types::Unavailable;
use asgard_sdk::{Error, Result};

/// A part of four MiB comes in this time over any line that is of use.
const TIMEOUT_MS: u32 = 60_000;

/// Before a request is repeated. What lasts longer is for the host to wait for.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Sends a request without a body.
///
/// # Errors
/// Those of the host; `unavailable` where the server says so three times. Other statuses are answers.
pub(super) fn send(
    method: &str,
    url: &str,
    headers: &[(&str, String)],
    credential: Option<&Credential>,
) -> Result<Response> {
    let mut headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    // Sizes and ranges are those of the file, not of a compressed form of it.
    headers.push(("Accept-Encoding".to_owned(), "identity".to_owned()));
    let request =
        Request { method: method.to_owned(), url: url.to_owned(), headers, body: None, timeout_ms: TIMEOUT_MS };
    let mut pauses = PAUSES.iter();
    loop {
        let answer = match credential {
            Some(credential) => http::send_as(&request, credential),
            None => http::send(&request),
        };
        let failure = match answer {
            Ok(response) if response.status == 429 || response.status >= 500 => Error::Unavailable(Unavailable {
                message: format!("`{}` answers with {}{}", shown(url), response.status, said(&response)),
                retry_after_ms: response.retry_after_ms(),
            }),
            Ok(response) => return Ok(response),
            Err(failure @ Error::Unavailable(_)) => failure,
            Err(error) => return Err(error),
        };
        // A server that wants more than a short pause is left alone for as long, by the host.
        let wish = match &failure {
            Error::Unavailable(Unavailable { retry_after_ms, .. }) => retry_after_ms.map(Duration::from_millis),
            _ => None,
        };
        match pauses.next() {
            Some(pause) if wish.is_none_or(|wish| wish <= *pause) => std::thread::sleep(*pause),
            _ => return Err(failure),
        }
    }
}

/// The value of a header; names are in lower case in answers.
pub(super) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// A URL without its query, which may hold what does not belong into tables and logs.
pub(super) fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// The beginning of what a server says about an error.
pub(super) fn said(response: &Response) -> String {
    let text: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// `bytes 0-99/1234`: the size of the whole.
pub(super) fn size_of_range(response: &Response) -> Option<u64> {
    header(response, "content-range")?.rsplit_once('/')?.1.trim().parse().ok()
}

/// Milliseconds since 1970 of `Wed, 21 Oct 2015 07:28:00 GMT`.
pub(super) fn modified(response: &Response) -> Option<i64> {
    let text = header(response, "last-modified")?;
    Some(chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis())
}
