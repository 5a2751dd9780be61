//! Java programs from Maven's registry, through its ordinary client.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::shell::{run, say};

/// Copies artifacts, each `GROUP:NAME:VERSION[:TYPE[:CLASSIFIER]]`, into a folder.
pub(crate) fn copy(artifacts: &[&str], folder: &Path) -> Result<()> {
    available()?;
    for artifact in artifacts {
        say(&format!("fetching {artifact}"));
        run(Command::new("mvn")
            .args([
                "-q",
                "-B",
                "-ntp",
                "-Dstyle.color=never",
                "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy",
            ])
            .arg(format!("-Dartifact={artifact}"))
            .arg(format!("-DoutputDirectory={}", folder.display()))
            // Another project's file in the way would be read.
            .current_dir(folder)
            .stdout(std::io::stderr()))?;
    }
    Ok(())
}

/// Finds `mvn`, or installs it where Debian's packages can be.
fn available() -> Result<()> {
    let found = Command::new("mvn").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let install = || {
        run(Command::new("apt-get").args(["update", "-q"]).stdout(std::io::stderr()))?;
        run(Command::new("apt-get")
            .args(["install", "-q", "-y", "--no-install-recommends", "maven", "default-jre-headless"])
            .stdout(std::io::stderr()))
    };
    say("installing Maven, which fetches the servers");
    install().context("`mvn` is needed and could not be installed: install Maven")
}
