//! Programs of Debian's packages that chores call: those of containers and of networks are in no other registry.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result};

use crate::shell::{run, say};

/// What is called, and the package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// A name that is searched on the path, or an absolute path.
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

/// One after the other: the second `apt-get` at a time refuses.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs the packages of those programs that this machine lacks.
pub(crate) fn install(programs: &[Program], what: &str) -> Result<()> {
    let _turn = INSTALLING.lock();
    let missing: Vec<&str> =
        programs.iter().filter(|program| find(program.name).is_none()).map(|program| program.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    say(&format!("installing {list}, for {what}"));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        // Other chores install too.
        command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(command.stdout(std::io::stderr()))
    };
    let installed = apt(&["update"]).and_then(|()| {
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(&missing);
        apt(&arguments)
    });
    installed
        .with_context(|| format!("{what} needs Debian's packages {list}, which could not be installed: install them"))
}

/// Where a program is, if anywhere. Those of administrators are often not on the path.
pub(crate) fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    // Joined to an absolute path, a folder gives way to it.
    folders.map(|folder| folder.join(Path::new(name))).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path_and_by_their_own() {
        assert!(find("sh").is_some());
        assert_eq!(find("/bin/sh").unwrap(), Path::new("/bin/sh"));
        assert!(find("no-such-program").is_none());
        assert!(find("/no/such/program").is_none());
    }
}
