//! Reads a component without compiling it: is it whole, what does it export, what does it import, and does that agree
//! with its manifest.
//!
//! Names decide here; whether the types behind the names fit is found out when the component is linked.

use std::collections::BTreeSet;

use asgard_contract::manifest::{Capability, Interface, Manifest};
use sha2::{Digest, Sha256};
use wasmparser::component_types::{ComponentEntityType, ComponentInstanceTypeId};
use wasmparser::types::TypesRef;
use wasmparser::{Encoding, Parser, Payload, Validator};

use crate::contract::{self, ALWAYS_LENT, CAPABILITIES, INTERFACES};
use crate::refusal::RefusedPlugin;
use crate::wasi;

/// First bytes of everything WebAssembly.
const MAGIC: &[u8; 4] = b"\0asm";

/// What a component is, by its bytes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// `sha256:…` of the bytes.
    pub digest: String,
    /// What it exports.
    pub interfaces: BTreeSet<Interface>,
    /// What it imports, and so must ask for.
    pub capabilities: BTreeSet<Capability>,
}

impl Inspection {
    /// Compares with what the manifest says.
    pub(crate) fn agrees_with(&self, manifest: &Manifest) -> Result<(), RefusedPlugin> {
        let missing: BTreeSet<_> = manifest.exports.difference(&self.interfaces).copied().collect();
        if !missing.is_empty() {
            return Err(RefusedPlugin::MissingExports { missing });
        }
        let undeclared: BTreeSet<_> = self.interfaces.difference(&manifest.exports).copied().collect();
        if !undeclared.is_empty() {
            return Err(RefusedPlugin::UndeclaredExports { undeclared });
        }
        if let Some(capability) = self.capabilities.difference(&manifest.capabilities).next() {
            let all: Vec<String> =
                self.capabilities.union(&manifest.capabilities).map(|each| format!("\"{each}\"")).collect();
            return Err(RefusedPlugin::NotAskedFor { capability: *capability, line: all.join(", ") });
        }
        Ok(())
    }
}

/// Validates the whole component and sorts its names.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Inspection, RefusedPlugin> {
    if !bytes.starts_with(MAGIC) {
        let found = bytes.get(..4).unwrap_or(bytes);
        let found = if found.is_empty() { "nothing".to_owned() } else { format!("`{}`", found.escape_ascii()) };
        return Err(RefusedPlugin::NotWebAssembly { found });
    }
    let damaged = |error: wasmparser::BinaryReaderError| RefusedPlugin::Damaged { reason: error.to_string() };

    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err(RefusedPlugin::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(damaged)?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(damaged)?.name.name);
                }
            }
            _ => {}
        }
    }
    let types = Validator::new().validate_all(bytes).map_err(damaged)?;

    let interfaces = interfaces(&exports)?;
    let capabilities = capabilities(&imports, types.as_ref())?;
    let digest = Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    Ok(Inspection { digest, interfaces, capabilities })
}

/// Exports of other packages are the plugin's own affair.
fn interfaces(exports: &[&str]) -> Result<BTreeSet<Interface>, RefusedPlugin> {
    let mut found = BTreeSet::new();
    for export in exports {
        let (name, version) = contract::split(export);
        if let Some((interface, _)) = INTERFACES.iter().find(|(_, known)| *known == name) {
            check_version(export, version.as_ref())?;
            found.insert(*interface);
        }
    }
    if found.is_empty() {
        return Err(RefusedPlugin::NoInterface);
    }
    Ok(found)
}

fn capabilities(imports: &[&str], types: TypesRef<'_>) -> Result<BTreeSet<Capability>, RefusedPlugin> {
    let mut found = BTreeSet::new();
    let mut unknown = Vec::new();
    for import in imports {
        let (name, version) = contract::split(import);
        if ALWAYS_LENT.contains(&name) {
            check_version(import, version.as_ref())?;
        } else if let Some((capability, _)) = CAPABILITIES.iter().find(|(_, known)| *known == name) {
            check_version(import, version.as_ref())?;
            // `services` uses two types of `processes`: naming a type takes no capability.
            if has_functions(import, types) {
                found.insert(*capability);
            }
        } else if wasi::OFFERED.contains(&name) {
            if !version.is_some_and(|version| version.major == 0 && version.minor == 2) {
                return Err(RefusedPlugin::WrongVersion {
                    wanted: (*import).to_owned(),
                    offered: "WASI 0.2: build for the target `wasm32-wasip2`".to_owned(),
                });
            }
        } else {
            unknown.push(format!("`{import}`"));
        }
    }
    if !unknown.is_empty() {
        return Err(RefusedPlugin::UnknownImports { hint: hint(&unknown), imports: unknown });
    }
    Ok(found)
}

fn hint(unknown: &[String]) -> &'static str {
    if unknown.iter().any(|import| import.contains("wasi:sockets/") || import.contains("wasi:http/")) {
        return ": use `asgard:sockets` and `asgard:http` instead, which the host can grant";
    }
    if unknown.iter().any(|import| import.contains("wasi")) {
        return ": build it for the target `wasm32-wasip2`";
    }
    ""
}

fn check_version(wanted: &str, version: Option<&semver::Version>) -> Result<(), RefusedPlugin> {
    if version.is_some_and(contract::speaks) {
        return Ok(());
    }
    let offered: Vec<String> = contract::VERSIONS.iter().map(ToString::to_string).collect();
    Err(RefusedPlugin::WrongVersion {
        wanted: wanted.to_owned(),
        offered: format!("the contract in version {}", offered.join(", ")),
    })
}

fn has_functions(import: &str, types: TypesRef<'_>) -> bool {
    match types.component_item_for_import(import).map(|item| item.ty) {
        Some(ComponentEntityType::Instance(instance)) => exports_functions(instance, types),
        _ => true,
    }
}

fn exports_functions(instance: ComponentInstanceTypeId, types: TypesRef<'_>) -> bool {
    types[instance].exports.values().any(|item| matches!(item.ty, ComponentEntityType::Func(_)))
}
