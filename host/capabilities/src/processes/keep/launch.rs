//! The keeper's second stage: becomes the program.
//!
//! The limits must hold before the program's first instruction. Setting them in a process that then replaces itself does
//! that without code between `fork` and `exec`, which would be unsafe.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal};

use crate::processes::folder::Folder;

/// Set in the second stage only; the value is the keeper's process id.
pub(super) const STAGE: &str = "ASGARD_KEEP_LAUNCH";

/// Where there is too little memory for all, the kernel takes programs (0 is the default, 1000 the first victim) before
/// it takes the host.
const OOM_SCORE: &str = "500";

/// Returns only with the reason why the program could not be run.
pub(super) fn become_program(folder: &Folder, keeper: &str) -> String {
    // The program must not outlive a keeper that is killed: nobody would enforce its timeout.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().to_string());
    if parent.as_deref() != Some(keeper) {
        return "the keeper is gone".to_owned();
    }
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let launch = match folder.read_launch() {
        Ok(launch) => launch,
        Err(error) => return format!("{} cannot be read: {error}", folder.path().display()),
    };
    let mut command = Command::new(&launch.program);
    command
        .args(launch.arguments.iter().map(OsStr::new))
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder.work());
    // A dump of the core may be as large as the memory, and hold secrets.
    let _ = rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    if let Some(bytes) = launch.memory_bytes {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        if let Err(error) = rustix::process::setrlimit(Resource::As, limit) {
            return format!("the memory limit of {bytes} bytes cannot be set: {error}");
        }
    }
    let error = command.exec();
    format!("{} cannot be run: {error}", launch.program.display())
}
