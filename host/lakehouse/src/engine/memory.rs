//! How much memory the host has: the machine's, or what a container or a service manager leaves it of that.

use std::fs::read_to_string;
use std::path::Path;

/// Where nothing tells (no Linux): a laptop's.
const ASSUMED_BYTES: u64 = 8 << 30;

pub(super) fn of_host() -> u64 {
    told(Path::new("/")).unwrap_or(ASSUMED_BYTES)
}

fn told(root: &Path) -> Option<u64> {
    let machine = read_to_string(root.join("proc/meminfo")).ok()?;
    let total = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(limits(root).fold(kibibytes.saturating_mul(1 << 10), u64::min))
}

/// Those of the process's control group and of the groups around it.
fn limits(root: &Path) -> impl Iterator<Item = u64> {
    let folder = root.join("sys/fs/cgroup");
    let groups = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    // Version 2 has one hierarchy, the one without a number; version 1 one for memory, which a container sees from its own group on.
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let around: Vec<_> = Path::new(own).ancestors().map(|group| folder.join(group).join("memory.max")).collect();
    let files = around.into_iter().chain([folder.join("memory/memory.limit_in_bytes")]);
    // `max` is no number: no limit.
    files.filter_map(|file| read_to_string(file).ok()?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_the_machine_and_the_groups_around_the_process_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        assert_eq!(told(root.path()), None);
        write("proc/meminfo", "MemTotal:       16384 kB\nMemFree:         1024 kB\n");
        assert_eq!(told(root.path()), Some(16 << 20));
        write("proc/self/cgroup", "0::/system.slice/asgard.service\n");
        write("sys/fs/cgroup/system.slice/asgard.service/memory.max", "max\n");
        assert_eq!(told(root.path()), Some(16 << 20));
        write("sys/fs/cgroup/system.slice/memory.max", "8388608\n");
        assert_eq!(told(root.path()), Some(8 << 20));
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4194304\n");
        assert_eq!(told(root.path()), Some(4 << 20));
    }
}
