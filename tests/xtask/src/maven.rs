//! Java programs from Maven's registry, through its ordinary client.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::debian::{self, Program};
use crate::shell::{run, say};

/// Copies artifacts, each `GROUP:NAME:VERSION[:TYPE[:CLASSIFIER]]`, into a folder.
pub(crate) fn copy(artifacts: &[&str], folder: &Path) -> Result<()> {
    let programs =
        [Program { name: "mvn", package: "maven" }, Program { name: "java", package: "default-jre-headless" }];
    debian::install(&programs, "fetching servers of Java")?;
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
