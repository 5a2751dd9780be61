//! Container images, built once and kept in the cache: those of `deploy/images` and those that only tests have.
//!
//! Registries of images are not among those that a machine of tests can be sure to reach, so what `debian:bookworm-slim` is, the base
//! that the container files name, is made of Debian's packages too. The authorities that this machine trusts come along:
//! where its traffic is inspected, a build inside would fetch nothing otherwise.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cached;
use crate::debian::{self, Program};
use crate::shell::{root, run};

const PROGRAMS: [Program; 5] = [
    Program { name: "buildah", package: "buildah" },
    Program { name: "skopeo", package: "skopeo" },
    Program { name: "mmdebstrap", package: "mmdebstrap" },
    Program { name: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" },
    Program { name: "unshare", package: "util-linux" },
];

/// Where Debian's machines have authorities of their own.
const AUTHORITIES: &str = "/usr/local/share/ca-certificates";

/// An image that a container file describes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// The folder of its `Containerfile`, below the repository's root.
    pub(crate) folder: &'a str,
    pub(crate) base: Base,
    /// What its `ARG`s are set to, each `NAME=VALUE`.
    pub(crate) arguments: &'a [&'a str],
}

/// What an image stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    Debian,
    Nothing,
}

impl Image<'_> {
    /// Its OCI layout. `add` puts into the build's context what is not in the repository; what that depends on is in `words`.
    pub(crate) fn built(&self, words: &[&str], add: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        self.built_in(Path::new("images"), words, add)
    }

    /// As [`Image::built`], in another folder than the cache's own for images.
    pub(crate) fn built_in(
        &self,
        folder: &Path,
        words: &[&str],
        add: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let source = root().join(self.folder);
        let base = match self.base {
            Base::Debian => Some(debian_slim()?),
            Base::Nothing => None,
        };
        let hash = cached::fingerprint(&[&source], &[self.arguments, words].concat())?;
        let path = folder.join(format!("{}-{}-{hash}", self.name, self.version));
        layout(&path.to_string_lossy(), &format!("the image {}:{} (minutes)", self.name, self.version), |workshop| {
            let context = workshop.folder.join("context");
            run(Command::new("cp").arg("-r").arg(&source).arg(&context))?;
            add(&context)?;
            let mut build = workshop.buildah();
            build.args(["bud", "--isolation", "chroot", "--format", "oci", "--tag", workshop.tag]);
            if let Some(base) = base {
                build.args(["--pull-never", "--build-arg", &format!("BASE={}", workshop.load(&base)?)]);
            }
            for argument in self.arguments {
                build.args(["--build-arg", argument]);
            }
            build.arg("--file").arg(context.join("Containerfile")).arg(&context);
            run(build.stdout(std::io::stderr()))
        })
    }
}

/// What `debian:bookworm-slim` is.
fn debian_slim() -> Result<PathBuf> {
    let authorities = Path::new(AUTHORITIES);
    let own: &[&Path] = if authorities.is_dir() { &[authorities] } else { &[] };
    let hash = cached::fingerprint(own, &[])?;
    layout(&format!("images/debian-bookworm-{hash}"), "a base image of Debian's packages", |workshop| {
        let archive = workshop.folder.join("base.tar");
        let mut debian = Command::new("mmdebstrap");
        // One package that did not come would end all.
        debian.args(["--variant=minbase", "--include=ca-certificates", "--aptopt=Acquire::Retries \"5\""]);
        // As slim images do.
        debian.args(["man", "doc", "locale"].map(|part| format!("--dpkgopt=path-exclude=/usr/share/{part}/*")));
        if !own.is_empty() {
            debian.arg(format!("--customize-hook=copy-in {AUTHORITIES} /usr/local/share"));
            debian.arg("--customize-hook=chroot \"$1\" update-ca-certificates");
        }
        run(debian.arg("bookworm").arg(&archive).stdout(std::io::stderr()))?;
        let file = workshop.folder.join("Containerfile");
        std::fs::write(&file, "FROM scratch\nADD base.tar /\nCMD [\"bash\"]\n")?;
        let mut build = workshop.buildah();
        build.args(["bud", "--isolation", "chroot", "--format", "oci", "--tag", workshop.tag, "--file"]);
        run(build.arg(&file).arg(&workshop.folder).stdout(std::io::stderr()))
    })
}

/// Where one image is built.
struct Workshop {
    folder: PathBuf,
    tag: &'static str,
}

impl Workshop {
    /// In mounts of its own, which end with it: it leaves some otherwise, and its storage cannot be removed.
    fn buildah(&self) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "buildah", "--storage-driver", "overlay", "--root"]);
        command.arg(self.folder.join("storage")).arg("--runroot").arg(self.folder.join("run"));
        command
    }

    /// Takes an image from its layout, as `localhost/base:latest`.
    ///
    /// buildah would name it by the layout's path, which may be no name of an image.
    fn load(&self, layout: &Path) -> Result<&'static str> {
        let name = "localhost/base:latest";
        let (storage, run_folder) = (self.folder.join("storage"), self.folder.join("run"));
        let mut copy = Command::new("unshare");
        copy.args(["--mount", "skopeo", "copy", "--quiet", &format!("oci:{}:latest", layout.display())]);
        copy.arg(format!("containers-storage:[overlay@{}+{}]{name}", storage.display(), run_folder.display()));
        run(copy.stdout(std::io::stderr()))?;
        Ok(name)
    }
}

/// A folder of the cache with an image as an OCI layout, under the name `latest`.
fn layout(path: &str, what: &str, build: impl FnOnce(&Workshop) -> Result<()>) -> Result<PathBuf> {
    let folder = cached::folder(path, what, |folder| {
        debian::install(&PROGRAMS, "building images")?;
        // What an earlier try left.
        let layout = folder.join("layout");
        let workshop = Workshop { folder: folder.join("workshop"), tag: "localhost/built:latest" };
        for left in [&layout, &workshop.folder] {
            remove(left)?;
        }
        std::fs::create_dir_all(&workshop.folder)?;
        build(&workshop)?;
        let mut push = workshop.buildah();
        push.args(["push", "--quiet", workshop.tag]).arg(format!("oci:{}:latest", layout.display()));
        run(push.stdout(std::io::stderr()))?;
        remove(&workshop.folder)
    })?;
    Ok(folder.join("layout"))
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}
