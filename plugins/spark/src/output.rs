//! What a driver writes: the program's own lines into the report, all others into the task's log.

use asgard_sdk::context::Level;

use crate::host::Host;
use crate::report::Report;

/// Lines kept of one look, half from its start and half from its end: below the host's limit for one call.
const LINES: usize = 400;

/// Characters kept of a line: a plan or a printed array should not fill the log.
const LINE: usize = 2000;

/// Lines that an error repeats.
const LAST_WORDS: usize = 12;

/// Takes whole lines; answers with how many bytes that was. A line without its end waits for it, unless there is no more to come.
pub fn take(host: &dyn Host, report: &mut Report, data: &[u8], ended: bool) -> usize {
    let whole = match data.iter().rposition(|byte| *byte == b'\n') {
        _ if ended => data.len(),
        Some(end) => end + 1,
        None => 0,
    };
    let text = String::from_utf8_lossy(data.get(..whole).unwrap_or_default());
    log(host, report, text.lines());
    whole
}

/// Takes lines.
pub fn log<'a>(host: &dyn Host, report: &mut Report, lines: impl Iterator<Item = &'a str>) {
    let lines: Vec<&str> = lines.filter(|line| !line.trim().is_empty() && !report.take(line)).map(shown).collect();
    let left_out = lines.len().saturating_sub(LINES);
    for (index, line) in lines.iter().enumerate() {
        if left_out > 0 && index == LINES / 2 {
            host.log(Level::Warn, &format!("… {left_out} lines left out …"));
        }
        if left_out == 0 || index < LINES / 2 || index >= LINES / 2 + left_out {
            host.log(level(line), line);
        }
    }
}

/// The last lines of an output that are not the program's own.
pub fn last_words(text: &str) -> String {
    let mut report = Report::default();
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.trim().is_empty() && !report.take(line)).map(shown).collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}

fn shown(line: &str) -> &str {
    let line = line.trim_end();
    line.char_indices().nth(LINE).map_or(line, |(end, _)| &line[..end])
}

/// As Spark's own log says: `26/11/28 02:50:32 WARN …`.
fn level(line: &str) -> Level {
    match line.split_whitespace().nth(2) {
        Some("ERROR" | "FATAL") => Level::Error,
        Some("WARN") => Level::Warn,
        Some("DEBUG" | "TRACE") => Level::Debug,
        _ => Level::Info,
    }
}
