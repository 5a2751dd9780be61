//! What the host lends to plugins. One module a capability: what it lends, the policy that decides (pure, parsed
//! once), the implementation.
//!
//! Nothing is lent by default. A capability is lent when the plugin's manifest asks for it AND the binding's grant
//! allows it; what is not lent is `None` in [`Lent`], and the runtime answers `forbidden` in its place.

mod blocking;
mod holder;
mod paths;
mod placeholders;
mod policies;
mod resolve;

pub mod addresses;
pub mod credentials;
pub mod files;
pub mod http;
pub mod key_value;
pub mod kubernetes;
pub mod lakehouse;
pub mod lender;
pub mod objects;
pub mod processes;
pub mod secrets;
pub mod services;
pub mod sockets;

pub use lender::{Caller, Lender};
pub use resolve::{Resolver, SystemResolver};

/// All that one call of a plugin may reach, on one screen. Cheap to clone.
#[derive(Clone, Default)]
pub struct Lent {
    pub http: Option<http::Client>,
    pub sockets: Option<sockets::Dialer>,
    pub credentials: Option<credentials::Passwords>,
    pub processes: Option<processes::Processes>,
    pub services: Option<services::Services>,
    pub objects: Option<objects::Objects>,
    pub files: Option<files::Folders>,
    pub key_value: Option<key_value::KeyValue>,
    pub lakehouse: Option<lakehouse::Lakehouse>,
    pub kubernetes: Option<kubernetes::Resources>,
    /// The secrets that were looked up for the call.
    pub used_secrets: secrets::Used,
}
