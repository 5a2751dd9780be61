//! What the caller is told when a guest does not come back with an answer.
//!
//! Whatever ended the instance is a defect of the plugin, hence `internal`: the host does not repeat the call. Only what is
//! the host's own shortage can pass, and is `unavailable`.

use asgard_contract::Error;
use wasmtime::{PoolConcurrencyLimitError, Trap};
use wasmtime_wasi::I32Exit;

use crate::limits::Broken;

/// `who` is the plugin with the function that ran, `last_words` what it wrote to its standard error last.
pub(crate) fn explain(failure: &wasmtime::Error, who: &str, environment: &str, last_words: Option<String>) -> Error {
    if let Some(broken) = failure.downcast_ref::<Broken>() {
        return broken.into_error(who, environment);
    }
    if failure.is::<PoolConcurrencyLimitError>() {
        return Error::unavailable(format!("there is no room for another instance of {who} now: {failure}"));
    }
    // WASI 0.2 hands on no more of an exit code than whether it was zero.
    if failure.is::<I32Exit>() {
        return Error::internal(format!("{who} ended its process instead of answering"));
    }
    let said = last_words.map_or_else(String::new, |words| format!(": {words}"));
    match failure.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Error::internal(format!("{who} panicked{said}")),
        Some(Trap::StackOverflow) => {
            Error::internal(format!("{who} ran out of stack, as by a recursion without an end{said}"))
        }
        // Rust's guests keep their own stack at the bottom of their memory.
        Some(Trap::MemoryOutOfBounds) => Error::internal(format!(
            "{who} reached outside of its memory, as by a recursion without an end or a wrong pointer{said}"
        )),
        Some(trap) => Error::internal(format!("{who} trapped: {trap}{said}")),
        None => Error::internal(format!("{who} broke the contract: {}{said}", failure.root_cause())),
    }
}
