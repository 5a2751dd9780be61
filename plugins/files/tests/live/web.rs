//! A web server with one file, as good or as bad as a test wants it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How it behaves.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    pub(crate) ranges: bool,
    pub(crate) head: bool,
    pub(crate) tags: bool,
    /// What `Authorization` must be.
    pub(crate) wants: Option<&'static str>,
    /// The file as requests for ranges from this offset on see it.
    pub(crate) changes_from: Option<(usize, Vec<u8>)>,
}

pub(crate) struct Web {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Web {
    pub(crate) fn start(file: impl Into<Vec<u8>>, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let (file, kept) = (file.into(), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (file, manners, seen) = (file.clone(), manners.clone(), Arc::clone(&kept));
                std::thread::spawn(move || while answer(&stream, &file, &manners, &seen).is_some() {});
            }
        });
        Self { port, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The heads of the requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(stream: &TcpStream, file: &[u8], manners: &Manners, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line.to_lowercase());
    }
    seen.lock().unwrap().push(head.clone());
    let field = |name: &str| {
        head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(|value| value.trim().to_owned()))
    };
    let range = field("range").and_then(|text| {
        let (from, to) = text.strip_prefix("bytes=")?.split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?))
    });
    let file = match (&manners.changes_from, range) {
        (Some((offset, changed)), Some((from, _))) if from >= *offset => changed,
        _ => file,
    };
    let tag = format!("\"{}-{}\"", file.len(), file.first().copied().unwrap_or_default());
    let is_head = head.starts_with("head ");
    let (mut status, mut body, mut headers) = ("200 OK", file, String::new());
    if manners.tags {
        headers.push_str(&format!("ETag: {tag}\r\n"));
    }
    let refused = manners.wants.is_some_and(|wants| field("authorization").as_deref() != Some(&wants.to_lowercase()));
    if refused {
        (status, body) = ("401 Unauthorized", b"who are you?");
    } else if head.contains("/missing") {
        (status, body) = ("404 Not Found", b"");
    } else if is_head && !manners.head {
        (status, body) = ("405 Method Not Allowed", b"");
    } else if let (true, Some((from, to))) = (manners.ranges && !is_head, range)
        && field("if-range").is_none_or(|wanted| wanted == tag)
    {
        if from >= file.len() {
            (status, body) = ("416 Range Not Satisfiable", b"");
        } else {
            let to = to.min(file.len() - 1);
            headers.push_str(&format!("Content-Range: bytes {from}-{to}/{}\r\n", file.len()));
            (status, body) = ("206 Partial Content", &file[from..=to]);
        }
    }
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).ok()?;
    if !is_head {
        stream.write_all(body).ok()?;
    }
    Some(())
}
