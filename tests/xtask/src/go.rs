//! Programs that are built from Go's modules, since no registry has them built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cached;
use crate::debian::{self, Program};
use crate::shell::{root, run, say};

/// The first that fetches a newer one by itself, as a module, where a program asks for it.
const OLDEST: u32 = 21;

/// What is fetched where there is none or an older one.
const FETCHED: &str = "1.25.4";

/// A program whose module is a folder in `tests/live/backends`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// The folder.
    pub(crate) folder: &'static str,
    /// The module among those it requires that gives the program its version.
    pub(crate) module: &'static str,
    /// The package to build, such as `.`.
    pub(crate) package: &'static str,
    pub(crate) linking: Linking,
    /// Roughly, on two cores.
    pub(crate) takes: &'static str,
}

/// What a program needs of the machine that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Linking {
    /// The machine's C library, where there is a compiler for it.
    Usual,
    /// Nothing: it runs in an image of its own, or is built as if it did.
    Static,
}

impl Source {
    /// The folder in the repository.
    pub(crate) fn path(&self) -> PathBuf {
        root().join("tests/live/backends").join(self.folder)
    }

    /// The version that `go.mod` names, without its `v`.
    pub(crate) fn version(&self) -> Result<String> {
        let file = self.path().join("go.mod");
        let text = std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let version = version(&text, self.module);
        Ok(version.with_context(|| format!("{} does not require {}", file.display(), self.module))?.to_owned())
    }

    /// The folder in the cache that holds the program, under the folder's name. `settings` are set in it as it is linked,
    /// each `VARIABLE=VALUE`; `more` adds what belongs to it.
    pub(crate) fn built(&self, settings: &[&str], more: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let source = self.path();
        let hash = cached::fingerprint(&[&source], settings)?;
        let path = format!("servers/{}-{}-{hash}", self.folder, self.version()?);
        cached::folder(&path, &format!("{} from Go's modules ({})", self.folder, self.takes), |folder| {
            let mut flags = String::from("-s -w");
            for setting in settings {
                flags.push_str(&format!(" -X {setting}"));
            }
            let mut build = go()?;
            build.args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &flags, "-o"]);
            build.arg(folder.join(self.folder)).arg(self.package).current_dir(&source);
            if self.linking == Linking::Static {
                build.env("CGO_ENABLED", "0");
            }
            run(&mut build)?;
            more(folder)
        })
    }

    /// Where the sources of its module are.
    pub(crate) fn module_folder(&self) -> Result<PathBuf> {
        let output = go()?.args(["list", "-m", "-f", "{{.Dir}}", self.module]).current_dir(self.path()).output()?;
        ensure!(output.status.success(), "go list: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
    }
}

/// `go`, free to fetch the version that a module asks for.
fn go() -> Result<Command> {
    let program = match installed() {
        Some(program) => program,
        None => fetched()?,
    };
    let mut command = Command::new(program);
    command.env("GOTOOLCHAIN", "auto").env("GOFLAGS", "").env_remove("GOROOT");
    Ok(command)
}

fn installed() -> Option<PathBuf> {
    ["go", "/usr/local/go/bin/go"].into_iter().filter_map(debian::find).find(|program| {
        let output = Command::new(program).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output();
        output.is_ok_and(|output| minor(&String::from_utf8_lossy(&output.stdout)).is_some_and(|minor| minor >= OLDEST))
    })
}

/// Go is a module of Go's registry too, so an old one fetches a new one.
fn fetched() -> Result<PathBuf> {
    let folder = cached::folder(&format!("servers/go-{FETCHED}"), &format!("Go {FETCHED} (70 MB)"), |folder| {
        debian::install(&[Program { name: "go", package: "golang-go" }], "fetching a newer Go")?;
        let machine = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let module = format!("golang.org/toolchain@v0.0.1-go{FETCHED}.linux-{machine}");
        say(&format!("fetching {module}"));
        let output = Command::new(debian::find("go").context("`go` is needed: install Go")?)
            .args(["mod", "download", "-json", &module])
            .current_dir(folder)
            .env("GOFLAGS", "-modcacherw")
            .output()?;
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let error = String::from_utf8_lossy(&output.stderr);
        let path = answer["Dir"].as_str();
        let path = path.with_context(|| format!("{module} cannot be had: {} {}", answer["Error"], error.trim()))?;
        run(Command::new("cp").arg("-r").arg(format!("{path}/.")).arg(folder))?;
        // Archives of modules keep no modes.
        run(Command::new("chmod").args(["-R", "u+rwX"]).arg(folder))?;
        run(Command::new("chmod").args(["-R", "a+x"]).arg(folder.join("bin")).arg(folder.join("pkg/tool")))
    })?;
    Ok(folder.join("bin/go"))
}

/// The 24 of `go1.24.10`.
fn minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("go1.")?.split(['.', 'r', 'b', ' ']).next()?.parse().ok()
}

/// The version of a module that a `go.mod` requires, without its `v`.
fn version<'a>(text: &'a str, module: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        words.find(|word| *word == module).and_then(|_| words.next())?.strip_prefix('v')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_go_writes_them() {
        for (said, expected) in
            [("go1.24.10\n", Some(24)), ("go1.19", Some(19)), ("go1.25rc1", Some(25)), ("devel", None)]
        {
            assert_eq!(minor(said), expected, "{said}");
        }
        let text = "module kube\n\ngo 1.24.0\n\nrequire a.b/c/v2 v2.5.2\n\nrequire (\n\tk8s.io/kubernetes v1.34.4\n\tk8s.io/api v0.34.4 // indirect\n)\n";
        assert_eq!(version(text, "k8s.io/kubernetes"), Some("1.34.4"));
        assert_eq!(version(text, "a.b/c/v2"), Some("2.5.2"));
        assert_eq!(version(text, "a.b/c"), None);
    }
}
