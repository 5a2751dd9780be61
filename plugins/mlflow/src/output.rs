//! What a process writes: into the task's log as it comes, and its last words into an error.

use asgard_sdk::Result;
use asgard_sdk::context::Level;

use crate::host::Host;

/// Read in one step. A script that writes faster than this for long is behind in the log, never ahead of its end.
const CHUNK: u32 = 1 << 20;

/// Lines kept of one chunk, half from its start and half from its end: below the host's limit for one call.
const LINES: usize = 400;

/// Characters kept of a line: a progress bar or a printed array should not fill the log.
const LINE: usize = 2000;

/// How far back from the end last words are looked for.
const TAIL: u32 = 16 << 10;

/// Lines of last words: a traceback's message and its innermost frames.
const TAIL_LINES: usize = 15;

/// What a look at the output found.
pub struct Progress {
    /// Where to read on.
    pub offset: u64,
    /// The last line so far, if there was a new one.
    pub last_line: Option<String>,
    /// Whether there was anything new: if so, look again at once.
    pub grew: bool,
}

/// Puts new lines into the task's log. A line without its end waits for it, unless the process has `ended`.
///
/// # Errors
/// Those of the host.
pub fn follow(host: &dyn Host, key: &str, offset: u64, ended: bool) -> Result<Progress> {
    let chunk = host.output(key, offset, CHUNK)?;
    let whole = match chunk.data.iter().rposition(|byte| *byte == b'\n') {
        // A line as long as a quarter of a chunk has no end worth waiting for.
        _ if ended || chunk.data.len() > CHUNK as usize / 4 => chunk.data.len(),
        Some(end) => end + 1,
        None => 0,
    };
    let text = String::from_utf8_lossy(&chunk.data[..whole]);
    let lines: Vec<&str> = text.lines().map(shown).filter(|line| !line.trim().is_empty()).collect();
    let left_out = lines.len().saturating_sub(LINES);
    for (index, line) in lines.iter().enumerate() {
        if left_out > 0 && index == LINES / 2 {
            host.log(Level::Warn, &format!("… {left_out} lines left out …"));
        }
        if left_out == 0 || index < LINES / 2 || index >= LINES / 2 + left_out {
            host.log(Level::Info, line);
        }
    }
    Ok(Progress {
        offset: chunk.next - (chunk.data.len() - whole) as u64,
        last_line: lines.last().map(|line| (*line).to_owned()),
        grew: whole > 0,
    })
}

/// What remains of a line on a terminal: progress bars write over themselves.
fn shown(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit_once('\r').map_or(line, |(_, last)| last).trim_end();
    line.char_indices().nth(LINE).map_or(line, |(end, _)| &line[..end])
}

/// The last lines before `end`, as an error tells them.
///
/// # Errors
/// Those of the host.
pub fn last_words(host: &dyn Host, key: &str, end: u64) -> Result<String> {
    let mut data = Vec::new();
    let mut offset = end.saturating_sub(u64::from(TAIL));
    // An answer may end early, where the host keeps the output in another file.
    while offset < end {
        let chunk = host.output(key, offset, TAIL)?;
        if chunk.data.is_empty() {
            break;
        }
        data.extend(chunk.data);
        offset = chunk.next;
    }
    let text = String::from_utf8_lossy(&data);
    let lines: Vec<&str> = text.lines().map(shown).filter(|line| !line.is_empty()).collect();
    // What came before the last traceback is in the log.
    let traceback = lines.iter().rposition(|line| line.starts_with("Traceback ")).unwrap_or(0);
    Ok(lines[traceback.max(lines.len().saturating_sub(TAIL_LINES))..].join("\n"))
}
