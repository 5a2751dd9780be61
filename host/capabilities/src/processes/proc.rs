//! The kernel's table of processes.

use std::path::Path;

use rustix::process::Pid;

/// What `/proc/PID/stat` says.
pub(super) struct Stat {
    pub(super) parent: Option<Pid>,
    /// In clock ticks since the machine started. With the process id it names a process for good: ids are used again.
    pub(super) start_time: u64,
}

/// Of all processes that can be seen.
pub(super) fn all() -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)).collect()
}

/// None when there is no such process.
pub(super) fn stat(pid: Pid) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The second field is the program's name in parentheses, and may hold spaces and parentheses itself.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok().and_then(Pid::from_raw),
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// See [`Stat::start_time`].
pub(super) fn start_time(pid: Pid) -> Option<u64> {
    stat(pid).map(|stat| stat.start_time)
}

/// The processes whose home is `folder`. A kept process has a home of its own and hands it on to all that it starts, so
/// this finds what is left of it after its keeper was killed.
pub(super) fn at_home_in(folder: &Path) -> Vec<Pid> {
    let wanted = [b"HOME=", folder.as_os_str().as_encoded_bytes()].concat();
    let lives_there = |pid: &Pid| {
        std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()))
            .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|variable| variable == wanted))
    };
    all().into_iter().filter(lives_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_by_its_id_and_its_start() {
        let own = rustix::process::getpid();
        let stat = stat(own).unwrap();
        assert_eq!(stat.parent, rustix::process::getppid());
        assert!(stat.start_time > 0);
        assert_eq!(start_time(own), Some(stat.start_time));
        assert!(all().contains(&own));
    }
}
