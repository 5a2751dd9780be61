//! What a process writes: into the task's log as it comes, and its last words into an error.

use asgard_sdk::Result;
use asgard_workloads::logs;

use crate::host::Host;

/// Read in one step. A script that writes faster than this for long is behind in the log, never ahead of its end.
const CHUNK: u32 = 1 << 20;

/// How far back from the end last words are looked for.
const TAIL: u32 = 16 << 10;

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
    let last_line = logs::report(&text, &mut |level, line| host.log(level, line));
    Ok(Progress { offset: chunk.next - (chunk.data.len() - whole) as u64, last_line, grew: whole > 0 })
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
    Ok(logs::last_words(&String::from_utf8_lossy(&data)))
}
