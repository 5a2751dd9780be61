//! A command of a connector as a process of the host.

use asgard_sdk::connector::Source;
use asgard_sdk::processes::{Content, File, Spec};

use crate::configuration::Connector;

/// Where a process's standard error is, the newer part and the older one; see [`STREAM`].
pub const STANDARD_ERROR: [&str; 2] = [".asgard/stderr", ".asgard/stderr.before"];

/// Tells the host that standard output is data: it is kept until it was read, the process waits where nobody reads, and standard
/// error goes to [`STANDARD_ERROR`] instead of between its lines.
const STREAM: (&str, &str) = ("ASGARD_OUTPUT", "stream");

/// Becomes the script, which is where the interpreter's own folder is searched first.
const BECOME: &str = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])";

const CONFIGURATION: &str = "config.json";
const CATALOG: &str = "catalog.json";
const STATE: &str = "state.json";

/// A command of the protocol.
#[derive(Debug, Clone)]
pub enum Command {
    Spec,
    Check,
    Discover,
    /// With the configured catalog, and the state to go on from.
    Read {
        catalog: Vec<u8>,
        state: Option<Vec<u8>>,
    },
}

impl Command {
    /// The protocol's word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Check => "check",
            Self::Discover => "discover",
            Self::Read { .. } => "read",
        }
    }
}

/// How to run a command. Only `spec` needs no source. References to secrets in its configuration are replaced by the host, in the
/// file, where the grant says so.
pub fn spec(connector: &Connector, command: &Command, source: Option<&Source>) -> Spec {
    let definition = &connector.definition;
    let mut arguments = Vec::new();
    if let Some(script) = &definition.script {
        arguments.extend(["-c".to_owned(), BECOME.to_owned(), script.clone()]);
    }
    arguments.extend(definition.arguments.iter().cloned());
    arguments.push(command.word().to_owned());
    let mut files: Vec<File> =
        definition.files.iter().map(|(path, text)| file(path, text.clone().into_bytes())).collect();
    let mut add = |option: &str, path: &str, content: Vec<u8>| {
        arguments.extend([option.to_owned(), path.to_owned()]);
        files.push(file(path, content));
    };
    if let Some(source) = source {
        add("--config", CONFIGURATION, source.configuration.clone().into_bytes());
    }
    if let Command::Read { catalog, state } = command {
        add("--catalog", CATALOG, catalog.clone());
        if let Some(state) = state {
            add("--state", STATE, state.clone());
        }
    }
    arguments.extend(definition.options.iter().cloned());
    let mut environment = vec![(STREAM.0.to_owned(), STREAM.1.to_owned())];
    environment.extend(definition.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    Spec {
        program: definition.program.clone(),
        arguments,
        environment,
        files,
        timeout_ms: if matches!(command, Command::Read { .. }) { connector.sync_ms } else { connector.command_ms },
        memory_bytes: definition.memory_mb.map(|mib| mib << 20),
    }
}

fn file(path: &str, content: Vec<u8>) -> File {
    File { path: path.to_owned(), content: Content::Inline(content) }
}
