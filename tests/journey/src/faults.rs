//! A network between a client and an HTTP server of this machine, which fails for the requests that are named beforehand.
//!
//! One request a connection: it is known which request a failure meets, and a client never takes up a connection that ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::Utc;

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends before the server hears of the request.
    LostRequest,
    /// The server does what was asked; the connection ends instead of its answer.
    LostAnswer,
    /// The server does what was asked; its answer comes so much later.
    Delay(Duration),
    /// The server does what was asked; the connection ends in the middle of its answer's body.
    HalfBody,
    /// The server does not hear of the request; the answer has this status.
    Status(u16),
    /// As [`Fault::Status`], with a `Retry-After` of so many seconds.
    RetryAfter(u16, u64),
    /// As [`Fault::RetryAfter`], told as a date.
    RetryAt(u16, u64),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// With its query.
    pub path: String,
    /// When it was read.
    pub at: Instant,
    /// What befell it.
    pub fault: Option<Fault>,
}

/// Passes requests on, but for those that are to fail.
pub struct Faults {
    url: String,
    line: Arc<Mutex<Line>>,
}

#[derive(Default)]
struct Line {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
}

struct Rule {
    /// A request with this in its head or its body has to come first, or fit itself.
    after: Option<String>,
    method: &'static str,
    path: String,
    /// Which of the requests that fit, counted from 0 since the rule was made, or since what it waited for.
    which: Range<usize>,
    met: usize,
    fault: Fault,
}

impl Faults {
    /// Stands before the server at `http://HOST:PORT`.
    ///
    /// # Errors
    /// For another form of address, and when no port is free.
    pub fn before(server: &str) -> Result<Self> {
        let server = server.strip_prefix("http://").context("a server at `http://HOST:PORT`")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let line = Arc::new(Mutex::new(Line::default()));
        let shared = Arc::clone(&line);
        // Ends with the process: nobody connects to it after its test.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, line) = (server.clone(), Arc::clone(&shared));
                std::thread::spawn(move || {
                    // Clients go away as they like.
                    let _ = pass(&client, &server, &line);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self { url, line })
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of the requests from now on of this method whose path contains `path`, those with these numbers (the first is 0) fail so.
    pub fn fail(&self, method: &'static str, path: &str, which: Range<usize>, fault: Fault) {
        self.push(None, method, path, which, fault);
    }

    /// As [`Faults::fail`], counted from the first request on that has `text` in its head or its body: for servers that have one
    /// address for all that they are asked.
    pub fn fail_after(&self, text: &str, method: &'static str, path: &str, which: Range<usize>, fault: Fault) {
        self.push(Some(text.to_owned()), method, path, which, fault);
    }

    fn push(&self, after: Option<String>, method: &'static str, path: &str, which: Range<usize>, fault: Fault) {
        lock(&self.line).rules.push(Rule { after, method, path: path.to_owned(), which, met: 0, fault });
    }

    /// Nothing fails any more. Answers with what was seen since the last time.
    pub fn mend(&self) -> Vec<Seen> {
        let mut line = lock(&self.line);
        line.rules.clear();
        std::mem::take(&mut line.seen)
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Notes a request; answers with what is to befall it.
    fn see(&mut self, request: &Request) -> Option<Fault> {
        let (method, path) = (request.method.as_str(), request.path.as_str());
        for rule in &mut self.rules {
            rule.after.take_if(|text| request.has(text));
        }
        let fits = |rule: &&mut Rule| rule.after.is_none() && rule.method == method && path.contains(&rule.path);
        let mut fault = None;
        for rule in self.rules.iter_mut().filter(fits) {
            if rule.which.contains(&rule.met) {
                fault = fault.or(Some(rule.fault));
            }
            rule.met += 1;
        }
        self.seen.push(Seen { method: method.to_owned(), path: path.to_owned(), at: Instant::now(), fault });
        fault
    }
}

/// One request of a connection.
fn pass(mut client: &TcpStream, server: &str, line: &Mutex<Line>) -> Result<()> {
    let request = Request::read(&mut BufReader::new(client))?;
    let fault = lock(line).see(&request);
    match fault {
        Some(Fault::LostRequest) => return Ok(()),
        Some(Fault::Status(status)) => return refuse(client, status, ""),
        Some(Fault::RetryAfter(status, seconds)) => {
            return refuse(client, status, &format!("Retry-After: {seconds}\r\n"));
        }
        Some(Fault::RetryAt(status, seconds)) => {
            let date = |seconds| (Utc::now() + Duration::from_secs(seconds)).format("%a, %d %b %Y %H:%M:%S GMT");
            return refuse(client, status, &format!("Date: {}\r\nRetry-After: {}\r\n", date(0), date(seconds)));
        }
        Some(Fault::LostAnswer | Fault::Delay(_) | Fault::HalfBody) | None => {}
    }
    let mut server = TcpStream::connect(server)?;
    server.write_all(&request.whole)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    match fault {
        Some(Fault::LostAnswer) => return Ok(()),
        Some(Fault::Delay(time)) => std::thread::sleep(time),
        Some(Fault::HalfBody) => {
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
            answer.truncate(head + (answer.len() - head) / 2);
        }
        _ => {}
    }
    Ok(client.write_all(&answer)?)
}

fn refuse(mut client: &TcpStream, status: u16, headers: &str) -> Result<()> {
    let head = format!("HTTP/1.1 {status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
    Ok(client.write_all(head.as_bytes())?)
}

struct Request {
    method: String,
    path: String,
    /// As it goes on to the server, whose answer ends with the connection.
    whole: Vec<u8>,
}

impl Request {
    fn has(&self, text: &str) -> bool {
        self.whole.windows(text.len()).any(|part| part == text.as_bytes())
    }

    fn read(reader: &mut impl BufRead) -> Result<Self> {
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut words = first.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().context("a request has a path")?.to_owned();
        let mut whole = first.clone().into_bytes();
        let (mut length, mut chunked) = (0, false);
        loop {
            let mut header = String::new();
            anyhow::ensure!(reader.read_line(&mut header)? > 0, "the client is gone");
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "connection" => continue,
                "content-length" => length = value.trim().parse()?,
                "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
                _ => {}
            }
            whole.extend(header.as_bytes());
        }
        whole.extend(b"Connection: close\r\n\r\n");
        if chunked {
            while read_chunk(reader, &mut whole)? {}
        } else {
            reader.take(length).read_to_end(&mut whole)?;
        }
        Ok(Self { method, path, whole })
    }
}

/// Copies a chunk as it is written; false after the last one. Trailers are not looked for: no client here has any.
fn read_chunk(reader: &mut impl BufRead, whole: &mut Vec<u8>) -> Result<bool> {
    let mut size = String::new();
    reader.read_line(&mut size)?;
    let length = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
    whole.extend(size.as_bytes());
    // With the end of its line.
    reader.take(length + 2).read_to_end(whole)?;
    Ok(length > 0)
}
