//! `keep FOLDER`: the keeper alone, as `asgard keep` runs it. The tests of this crate start their processes with it.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(2) {
        Some(folder) => asgard_capabilities::processes::keep::run(Path::new(&folder)),
        None => {
            eprintln!("usage: keep keep FOLDER");
            ExitCode::FAILURE
        }
    }
}
