//! Processes and those that they started.

use std::io;

/// A process and all that come of it, itself first.
///
/// # Errors
/// Where the system does not list its processes.
pub fn family(id: u32) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name, in brackets, may have blanks. After it come the state and the parent.
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (process, parent)));
    }
    let mut found = vec![id];
    let mut looked_at = 0;
    while let Some(&of) = found.get(looked_at) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(process, _)| *process));
        looked_at += 1;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_family_has_children_and_theirs() {
        let mut shell =
            Command::new("sh").args(["-c", "sh -c 'sleep 60 & wait' & wait"]).stdout(Stdio::null()).spawn().unwrap();
        let all = crate::waiting::until("all have started", std::time::Duration::from_secs(20), || {
            Some(family(shell.id()).unwrap()).filter(|found| found.len() == 3)
        });
        assert_eq!(all[0], shell.id());
        assert!(!all.contains(&std::process::id()));
        for process in all.iter().rev() {
            Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
        }
        shell.wait().unwrap();
    }
}
