//! Why a plugin is not taken, in words that say what to change.

use std::collections::BTreeSet;

use asgard_contract::Error;
use asgard_contract::manifest::{Capability, Interface};

/// Why a plugin was refused at registration. Nothing of it has run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPlugin {
    /// Not even the first bytes fit.
    #[error("the file is no WebAssembly component: it starts with {found}, expected `\\0asm`")]
    NotWebAssembly { found: String },
    /// A module of the core language, which has no interfaces.
    #[error(
        "the file is a core WebAssembly module, not a component: build it for the target `wasm32-wasip2`, or wrap it \
         with `wasm-tools component new`"
    )]
    CoreModule,
    /// The header is right and the rest is not.
    #[error("the component is truncated or damaged: {reason}")]
    Damaged { reason: String },
    /// It uses a part of the language that the engine lacks, or needs more tables, memories or instances than a call may
    /// have.
    #[error("the component cannot be compiled for this host: {reason}")]
    Uncompilable { reason: String },
    /// Nothing the host could call.
    #[error("the component exports no interface of the contract: expected at least one of {}", known_interfaces())]
    NoInterface,
    /// The manifest promises what the component lacks.
    #[error("plugin.toml says that the plugin exports {}, and the component does not: add the export, or take it out of `exports`", names(.missing))]
    MissingExports { missing: BTreeSet<Interface> },
    /// The component has what the manifest hides.
    #[error("the component exports {}, and plugin.toml does not say so: add it to `exports`", names(.undeclared))]
    UndeclaredExports { undeclared: BTreeSet<Interface> },
    /// No capability offers these.
    #[error("the component imports {}, which no capability of this host offers{hint}", .imports.join(", "))]
    UnknownImports { imports: Vec<String>, hint: &'static str },
    /// Deny by default: what is used must be asked for.
    #[error(
        "the component imports the capability `{capability}`, and plugin.toml does not ask for it: write \
         `capabilities = [{line}]`"
    )]
    NotAskedFor { capability: Capability, line: String },
    /// Built against a version of the contract that this host does not speak.
    #[error("the component wants `{wanted}`, and this host offers {offered}")]
    WrongVersion { wanted: String, offered: String },
    /// The right names with the wrong types.
    #[error("the component does not fit the contract: {reason}")]
    Incompatible { reason: String },
    /// `plugin.toml` is wrong.
    #[error("plugin.toml: {message}")]
    Manifest { field: Option<String>, message: String },
    /// The schema in `plugin.toml` is none.
    #[error("plugin.toml: `configuration` is no usable JSON Schema: {reason}")]
    ConfigurationSchema { reason: String },
}

impl From<RefusedPlugin> for Error {
    fn from(refused: RefusedPlugin) -> Self {
        let field = match &refused {
            RefusedPlugin::Manifest { field: Some(field), .. } => format!("manifest.{field}"),
            RefusedPlugin::Manifest { .. } => "manifest".to_owned(),
            RefusedPlugin::ConfigurationSchema { .. } => "manifest.configuration".to_owned(),
            RefusedPlugin::MissingExports { .. } | RefusedPlugin::UndeclaredExports { .. } => {
                "manifest.exports".to_owned()
            }
            RefusedPlugin::NotAskedFor { .. } => "manifest.capabilities".to_owned(),
            _ => "component".to_owned(),
        };
        Self::invalid(field, refused.to_string())
    }
}

/// Why the runtime itself could not start.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// This machine cannot run WebAssembly code.
    #[error("the plugin engine cannot start: {reason}")]
    Engine { reason: String },
    /// The thread that interrupts long calls.
    #[error("the thread that measures the time of plugin calls cannot start")]
    Ticker(#[source] std::io::Error),
    /// The threads of guests.
    #[error("the threads that plugins run on cannot start")]
    Threads(#[source] std::io::Error),
}

fn names(interfaces: &BTreeSet<Interface>) -> String {
    let names: Vec<String> = interfaces.iter().map(|interface| format!("`{interface}`")).collect();
    names.join(", ")
}

fn known_interfaces() -> String {
    names(&crate::contract::INTERFACES.iter().map(|(interface, _)| *interface).collect())
}
