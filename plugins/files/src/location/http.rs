//! Files of web servers.
//!
//! A server that gives ranges is read in parts, each on the condition that the file is still the one that was begun. One that does
//! not gives the whole file at once, which has to fit in an answer.

use asgard_sdk::http::{Credential, Response};
use asgard_sdk::{Error, Result};
use bytes::Bytes;

use super::request::{header, modified, said, send, shown, size_of_range};
use super::{Entry, Source, changed};
use crate::configuration::Http;

pub(super) fn find(http: &Http, files: &[String]) -> Result<Vec<Entry>> {
    files.iter().map(|file| described(http, &url_of(http, file)?)).collect()
}

fn url_of(http: &Http, file: &str) -> Result<String> {
    if file.starts_with("http://") || file.starts_with("https://") {
        return Ok(file.to_owned());
    }
    match &http.base_url {
        Some(base) if !file.starts_with('/') => Ok(format!("{}/{file}", base.trim_end_matches('/'))),
        Some(_) => {
            Err(Error::invalid("config.streams", format!("`{file}` begins with `/`: it goes on after `base_url`")))
        }
        None => Err(Error::invalid(
            "config.streams",
            format!("`{file}` is no URL: expected `https://…`, or a `base_url` in the location"),
        )),
    }
}

fn credential(http: &Http) -> Option<Credential> {
    match (&http.bearer_token, &http.username, &http.password) {
        (Some(token), ..) => Some(Credential::Bearer(token.clone())),
        (None, Some(user), Some(password)) => Some(Credential::Basic((user.clone(), password.clone()))),
        _ => None,
    }
}

/// The one who is asked must answer so with success.
fn expect(response: Response, url: &str) -> Result<Response> {
    let url = shown(url);
    match response.status {
        200 | 206 => Ok(response),
        401 => Err(Error::Unauthenticated(format!(
            "`{url}` wants other credentials (401){}: check `bearer_token`, or `username` and `password`",
            said(&response)
        ))),
        403 => Err(Error::Forbidden(format!("`{url}` may not be read (403){}", said(&response)))),
        404 | 410 => Err(Error::invalid("config.streams", format!("`{url}` is not there ({})", response.status))),
        status => {
            Err(Error::invalid("config.streams", format!("`{url}` is answered with {status}{}", said(&response))))
        }
    }
}

fn described(http: &Http, url: &str) -> Result<Entry> {
    let credential = credential(http);
    let head = send("HEAD", url, &[], credential.as_ref())?;
    let told = |response: &Response| header(response, "content-length").and_then(|text| text.trim().parse().ok());
    let (response, size) = match (head.status, told(&head)) {
        (200, Some(size)) => (head, size),
        // Some servers do not know HEAD, and some do not tell sizes there.
        _ => {
            let answer = send("GET", url, &[("Range", "bytes=0-0".to_owned())], credential.as_ref())?;
            if answer.status == 416 {
                // Of an empty file no byte can be had.
                (answer, 0)
            } else {
                let answer = expect(answer, url)?;
                let size = match answer.status {
                    206 => size_of_range(&answer).ok_or_else(|| odd(url, "a range without `Content-Range`"))?,
                    _ => answer.body.len() as u64,
                };
                (answer, size)
            }
        }
    };
    let tag = header(&response, "etag").map(str::to_owned);
    let version = tag.or_else(|| header(&response, "last-modified").map(str::to_owned));
    Ok(Entry {
        path: shown(url).to_owned(),
        address: url.to_owned(),
        size,
        version: version.map(|version| format!("{size} {version}")),
        modified: modified(&response),
    })
}

fn odd(url: &str, what: &str) -> Error {
    Error::unavailable(format!("`{}` answers with {what}", shown(url)))
}

/// A file of a web server.
pub(super) struct Page {
    http: Http,
    entry: Entry,
    /// What the server names the file's state by: a strong tag, or the time of its last change.
    state: Option<String>,
    /// From a server that gives no ranges.
    whole: Option<Bytes>,
}

impl Page {
    /// Asks for a range; a server that gives the whole file instead is not asked again.
    pub(super) fn open(http: &Http, entry: &Entry) -> Result<Self> {
        let mut page = Self { http: http.clone(), entry: entry.clone(), state: None, whole: None };
        if entry.size == 0 {
            page.whole = Some(Bytes::new());
            return Ok(page);
        }
        let range = [("Range", "bytes=0-0".to_owned())];
        let response = send("GET", &entry.address, &range, credential(http).as_ref()).map_err(|error| match error {
            Error::InvalidInput(wrong) => Error::invalid(
                "files",
                format!("`{}` is given as a whole only, and that is too much: {}", entry.path, wrong.message),
            ),
            other => other,
        })?;
        let response = expect(response, &entry.address)?;
        page.refuse_other(&response)?;
        match response.status {
            206 => {
                let tag = header(&response, "etag").filter(|tag| !tag.starts_with("W/"));
                page.state = tag.or_else(|| header(&response, "last-modified")).map(str::to_owned);
            }
            _ => {
                if response.body.len() as u64 != entry.size {
                    return Err(changed(&entry.path));
                }
                page.whole = Some(response.body.into());
            }
        }
        Ok(page)
    }

    /// An answer about another state of the file.
    fn refuse_other(&self, response: &Response) -> Result<()> {
        let known =
            self.entry.version.as_deref().and_then(|version| version.split_once(' ')).map(|(_, version)| version);
        let told = header(response, "etag").or_else(|| header(response, "last-modified"));
        let size = size_of_range(response);
        let other_size = size.is_some_and(|size| size != self.entry.size);
        if other_size || matches!((known, told), (Some(known), Some(told)) if known != told) {
            return Err(changed(&self.entry.path));
        }
        Ok(())
    }
}

impl Source for Page {
    fn size(&self) -> u64 {
        self.entry.size
    }

    fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let end = offset.saturating_add(length as u64).min(self.entry.size);
        if offset >= end {
            return Ok(Bytes::new());
        }
        if let Some(whole) = &self.whole {
            let range = usize::try_from(offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
            return Ok(whole.slice(range));
        }
        let mut headers = vec![("Range", format!("bytes={offset}-{}", end - 1))];
        headers.extend(self.state.iter().map(|state| ("If-Range", state.clone())));
        let response = send("GET", &self.entry.address, &headers, credential(&self.http).as_ref())?;
        let response = match response.status {
            // The range is beyond the end now.
            412 | 416 => return Err(changed(&self.entry.path)),
            _ => expect(response, &self.entry.address)?,
        };
        self.refuse_other(&response)?;
        // The whole file: it is another one, as `If-Range` has it.
        if response.status == 200 || response.body.len() as u64 != end - offset {
            return Err(changed(&self.entry.path));
        }
        Ok(response.body.into())
    }

    fn prove_unchanged(&self) -> Result<()> {
        // Each part was compared, and so was the whole.
        Ok(())
    }
}
