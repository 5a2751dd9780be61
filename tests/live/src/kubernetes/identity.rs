//! Who is who in the cluster: a token for each part of it, and the key that signs those of service accounts.

use std::io::Read as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::node;

/// Names of files with their user and group.
const PARTS: [(&str, &str, &str); 5] = [
    (ADMIN, "admin", "system:masters"),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("kubelet", "system:node:", "system:nodes"),
    ("proxy", "system:kube-proxy", ""),
];

const ADMIN: &str = "admin";

/// Tokens that were made.
pub(super) struct Identities {
    tokens: Vec<(&'static str, String)>,
    /// A token, a user and its groups in each line.
    pub(super) file: PathBuf,
    /// What signs the tokens of service accounts.
    pub(super) key: PathBuf,
}

impl Identities {
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let mut tokens = Vec::new();
        let mut lines = String::new();
        for (part, user, group) in PARTS {
            let token = random()?;
            // The kubelet may change what is on its own node.
            let user = if user.ends_with(':') { format!("{user}{}", node::NAME) } else { user.to_owned() };
            lines.push_str(&format!("{token},{user},{part},\"{group}\"\n"));
            tokens.push((part, token));
        }
        let (file, key) = (folder.join("tokens.csv"), folder.join("service-accounts.pem"));
        std::fs::write(&file, lines)?;
        let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output();
        let made = made.context("`openssl` does not start: install it")?;
        ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr).trim());
        Ok(Self { tokens, file, key })
    }

    /// Writes how each part logs in, once the API server has made its certificate; answers with the administrator's.
    pub(super) fn configure(&self, address: Ipv4Addr, folder: &Path) -> Result<PathBuf> {
        let certificate = certificates(folder).join("apiserver.crt");
        let authority =
            std::fs::read(&certificate).with_context(|| format!("{} is not there", certificate.display()))?;
        let authority = STANDARD.encode(authority);
        for (part, token) in &self.tokens {
            let text = format!(
                "apiVersion: v1
kind: Config
current-context: live
clusters: [{{name: live, cluster: {{server: \"https://{address}:6443\", certificate-authority-data: {authority}}}}}]
users: [{{name: {part}, user: {{token: {token}}}}}]
contexts: [{{name: live, context: {{cluster: live, user: {part}}}}}]
"
            );
            std::fs::write(login(folder, part), text)?;
        }
        Ok(kubeconfig(folder))
    }
}

/// Where the API server keeps its certificates.
pub(super) fn certificates(folder: &Path) -> PathBuf {
    folder.join("certificates")
}

/// How a part logs in.
pub(super) fn login(folder: &Path, part: &str) -> PathBuf {
    folder.join(format!("{part}.kubeconfig"))
}

/// How the administrator does.
pub(super) fn kubeconfig(folder: &Path) -> PathBuf {
    login(folder, ADMIN)
}

fn random() -> Result<String> {
    let mut bytes = [0; 24];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
