//! What went wrong, as the contract's errors: in the connector's own words where it has some, else by how its process ended.

use asgard_sdk::Error;
use asgard_sdk::processes::{Ending, ProcessStatus};
use asgard_sdk::types::InvalidInput;

use crate::host::Host;
use crate::messages::TraceError;
use crate::process::STANDARD_ERROR;

/// Lines of standard error that are told: a traceback's message and its innermost frames.
const LAST_LINES: usize = 12;

/// Characters of a connector's own words.
const WORDS: usize = 2000;

/// The connector's own words. What is wrong with its configuration is the user's to change, what passes is tried again.
pub fn told(connector: &str, error: &TraceError) -> Error {
    let mut message = format!("connector `{connector}`: {}", error.message.trim());
    if let Some(internal) = error.internal_message.as_deref().map(str::trim)
        && !internal.is_empty()
        && internal != error.message.trim()
    {
        message.push_str(&format!(" ({internal})"));
    }
    let message: String = message.chars().take(WORDS).collect();
    match error.failure_type.as_deref() {
        Some("config_error") => Error::InvalidInput(InvalidInput { field: Some("config".to_owned()), message }),
        Some("transient_error") => Error::unavailable(message),
        _ => Error::internal(message),
    }
}

/// How a process ended that said nothing of it.
pub fn ended(host: &dyn Host, connector: &str, command: &str, key: &str, status: &ProcessStatus) -> Error {
    let last = last_words(host, key);
    let last = if last.is_empty() { String::new() } else { format!(". Its last words:\n{last}") };
    let who = format!("`{command}` of connector `{connector}`");
    match status {
        ProcessStatus::Running => Error::unavailable(format!("{who} still runs")),
        ProcessStatus::Exited(0) => Error::internal(format!("{who} ended without an answer{last}")),
        ProcessStatus::Exited(code) => Error::internal(format!("{who} ended with exit code {code}{last}")),
        ProcessStatus::Ended(Ending::Timeout) => Error::unavailable(format!(
            "{who} did not end in time and was ended: raise `command_timeout_seconds` or `sync_timeout_hours` of the binding{last}"
        )),
        ProcessStatus::Ended(Ending::Stopped) => Error::unavailable(format!("{who} was stopped{last}")),
        ProcessStatus::Ended(Ending::Signal) => Error::unavailable(format!(
            "{who} was ended by a signal: it crashed, or the machine had no memory or no disk left{last}"
        )),
    }
}

/// The end of a process's standard error.
fn last_words(host: &dyn Host, key: &str) -> String {
    for path in STANDARD_ERROR {
        // Not being there means that nothing was written.
        let text = host.read_file(key, path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if !lines.is_empty() {
            let told = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
            return told.join("\n").chars().take(WORDS).collect();
        }
    }
    String::new()
}
