//! Kubernetes for the live tests: its programs, built from Go's modules or of Debian's packages, and the images that its pods run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use asgard_journey::host::Built;
use asgard_live::spark::VERSION as SPARK;

use crate::build;
use crate::cached;
use crate::debian::{self, Program};
use crate::go::{Linking, Source};
use crate::images::{Base, Image};
use crate::shell::run;

/// Control plane, kubelet, proxy, kubectl and etcd in one program.
const KUBERNETES: Source = Source {
    folder: "kubernetes",
    module: "k8s.io/kubernetes",
    package: ".",
    linking: Linking::Usual,
    takes: "seven minutes",
};
const COREDNS: Source = Source {
    folder: "coredns",
    module: "github.com/coredns/coredns",
    package: ".",
    linking: Linking::Usual,
    takes: "a minute",
};
const SPARK_OPERATOR: Source = Source {
    folder: "spark-operator",
    module: "github.com/kubeflow/spark-operator/v2",
    package: "github.com/kubeflow/spark-operator/v2/cmd/operator",
    linking: Linking::Static,
    takes: "three minutes",
};
const KANIKO: Source = Source {
    folder: "kaniko",
    module: "github.com/GoogleContainerTools/kaniko",
    package: "github.com/GoogleContainerTools/kaniko/cmd/executor",
    linking: Linking::Static,
    takes: "two minutes",
};

const HELM: Source = Source {
    folder: "helm",
    module: "helm.sh/helm/v3",
    package: "helm.sh/helm/v3/cmd/helm",
    linking: Linking::Static,
    takes: "two minutes",
};

/// What a node is made of beside Kubernetes.
const PROGRAMS: [Program; 11] = [
    Program { name: "containerd", package: "containerd" },
    Program { name: "runc", package: "runc" },
    Program { name: "/usr/lib/cni/bridge", package: "containernetworking-plugins" },
    Program { name: "iptables", package: "iptables" },
    Program { name: "conntrack", package: "conntrack" },
    Program { name: "ip", package: "iproute2" },
    Program { name: "nsenter", package: "util-linux" },
    Program { name: "openssl", package: "openssl" },
    Program { name: "docker-registry", package: "docker-registry" },
    Program { name: "skopeo", package: "skopeo" },
    Program { name: "busybox", package: "busybox-static" },
];

/// The node and its registry, with a shell for pods.
pub(super) fn node() -> Result<Vec<(&'static str, PathBuf)>> {
    debian::install(&PROGRAMS, "Kubernetes")?;
    let version = KUBERNETES.version()?;
    // What it says of itself: without it, clients take it for version 0.
    let settings = [
        format!("k8s.io/component-base/version.gitVersion=v{version}"),
        format!("k8s.io/client-go/pkg/version.gitVersion=v{version}"),
        format!("k8s.io/component-base/version.gitMajor={}", part(&version, 0)),
        format!("k8s.io/component-base/version.gitMinor={}", part(&version, 1)),
    ];
    let kubernetes = KUBERNETES.built(&settings.each_ref().map(String::as_str), nothing)?;
    let dns = COREDNS.built(&[], nothing)?;
    Ok(vec![
        ("ASGARD_LIVE_KUBERNETES", kubernetes.join(KUBERNETES.folder)),
        ("ASGARD_LIVE_COREDNS", dns.join(COREDNS.folder)),
        ("ASGARD_LIVE_IMAGE_BUSYBOX", busybox()?),
    ])
}

/// The Spark operator with its resources' definitions, and the image of drivers and executors.
pub(super) fn spark(jars: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let operator = SPARK_OPERATOR.built(&[], |folder| {
        let definitions = SPARK_OPERATOR.module_folder()?.join("config/crd/bases");
        // The module's own files are read-only.
        run(Command::new("cp").arg("-rT").arg("--no-preserve=mode").arg(definitions).arg(folder.join("definitions")))
    })?;
    let version = format!("SPARK_VERSION={SPARK}");
    let image = Image {
        name: "spark",
        version: SPARK,
        folder: "deploy/images/spark",
        base: Base::Debian,
        arguments: &[&version],
    };
    // The folder's name has the version.
    let layout = image.built(&[&jars.to_string_lossy()], |context| copy_jars(jars, &context.join("jars")))?;
    Ok(vec![("ASGARD_LIVE_SPARK_OPERATOR", operator), ("ASGARD_LIVE_IMAGE_SPARK", layout)])
}

/// The image that gold models run in, with these requirements.
pub(super) fn dbt_trino([core, adapter]: [&str; 2]) -> Result<(&'static str, PathBuf)> {
    let requirements = [format!("CORE={core}"), format!("ADAPTER={adapter}")];
    let image = Image {
        name: "dbt-trino",
        version: "1.11",
        folder: "deploy/images/dbt-trino",
        base: Base::Debian,
        arguments: &requirements.each_ref().map(String::as_str),
    };
    Ok(("ASGARD_LIVE_IMAGE_DBT_TRINO", image.built(&[], nothing)?))
}

/// What builds images in a cluster, and the image that model servers are built on.
pub(super) fn model_images() -> Result<Vec<(&'static str, PathBuf)>> {
    let kaniko = KANIKO.built(&[], nothing)?;
    let version = KANIKO.version()?;
    let image = Image {
        name: "kaniko",
        version: &version,
        folder: "tests/live/backends/kaniko",
        base: Base::Nothing,
        arguments: &[],
    };
    let executor = image.built(&[&kaniko.to_string_lossy()], |context| {
        std::fs::copy(kaniko.join(KANIKO.folder), context.join("executor"))?;
        let authorities = "/etc/ssl/certs/ca-certificates.crt";
        std::fs::copy(authorities, context.join("ca-certificates.crt"))
            .with_context(|| format!("{authorities} is not there"))?;
        Ok(())
    })?;
    let server = Image {
        name: "model-server",
        version: "3.11",
        folder: "deploy/images/model-server",
        base: Base::Debian,
        arguments: &[],
    };
    Ok(vec![("ASGARD_LIVE_IMAGE_KANIKO", executor), ("ASGARD_LIVE_IMAGE_MODEL_SERVER", server.built(&[], nothing)?)])
}

/// What installs charts.
pub(super) fn helm() -> Result<Vec<(&'static str, PathBuf)>> {
    Ok(vec![("ASGARD_LIVE_HELM", HELM.built(&[], nothing)?.join(HELM.folder))])
}

/// The image of the host, of what was just built. There is one of a target folder: each is of hundreds of megabytes.
pub(super) fn host_image(built: &Built) -> Result<(&'static str, PathBuf)> {
    let image = Image {
        name: "asgard",
        version: env!("CARGO_PKG_VERSION"),
        folder: "deploy/images/asgard",
        base: Base::Debian,
        arguments: &[],
    };
    let binary = std::fs::metadata(&built.asgard)?;
    let age = binary.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    let plugins = cached::fingerprint(&[&built.plugins], &[])?;
    let folder = build::target()?.join("images");
    let layout = image.built_in(&folder, &[&age.to_string(), &binary.len().to_string(), &plugins], |context| {
        run(Command::new("strip").arg("-o").arg(context.join("asgard")).arg(&built.asgard))?;
        run(Command::new("cp").arg("-r").arg(&built.plugins).arg(context.join("plugins")))
    })?;
    let own = layout.parent().map(Path::to_owned);
    for entry in std::fs::read_dir(&folder)?.flatten() {
        if entry.path().is_dir() && Some(entry.path()) != own {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(("ASGARD_LIVE_IMAGE_ASGARD", layout))
}

fn busybox() -> Result<PathBuf> {
    let image = Image {
        name: "busybox",
        version: "1",
        folder: "tests/live/backends/busybox",
        base: Base::Nothing,
        arguments: &[],
    };
    image.built(&[], |context| {
        let program = debian::find("busybox").context("`busybox` is needed: install busybox-static")?;
        std::fs::copy(program, context.join("busybox"))?;
        Ok(())
    })
}

fn nothing(_: &Path) -> Result<()> {
    Ok(())
}

fn copy_jars(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        if let (Some("jar"), Some(name)) = (path.extension().and_then(|extension| extension.to_str()), path.file_name())
        {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// The first or second number of a version.
fn part(version: &str, index: usize) -> &str {
    version.split('.').nth(index).unwrap_or("0")
}
