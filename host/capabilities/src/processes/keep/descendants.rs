//! Everything that a program started, and what that started, to the last.

use std::collections::{HashMap, HashSet};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::processes::proc;

/// Looks at the table of processes this often for new ones before the known ones are killed anyway. A program that forks
/// faster than this many looks is caught by the caller, who repeats until no child is left.
const LOOKS: usize = 20;

/// Kills the group of `program` and every descendant of this process, wherever they moved: as their subreaper, this
/// process is an ancestor of all of them.
///
/// They are stopped first: a process that is stopped forks no more, so the set that is then killed is complete.
pub(super) fn kill_all(program: Pid) {
    // A signal to a group reaches all its members at once, forking or not.
    let _ = kill_process_group(program, Signal::KILL);
    let mut stopped = HashSet::new();
    for _ in 0..LOOKS {
        let mut grown = false;
        for pid in of(rustix::process::getpid()) {
            if stopped.insert(pid) {
                grown = true;
                let _ = kill_process(pid, Signal::STOP);
            }
        }
        if !grown {
            break;
        }
    }
    for pid in stopped {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn of(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for pid in proc::all() {
        if let Some(parent) = proc::stat(pid).and_then(|stat| stat.parent) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.push(child);
            next.push(child);
        }
    }
    found
}
