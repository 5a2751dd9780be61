//! Models as Deployments of a Kubernetes cluster, each behind a Service of its own.
//!
//! Each model is one Deployment, whatever its version. A newer version rolls over the older one: a container of the old one
//! ends only when one of the new one answers, and goes on answering until nobody asks it any more. Which deployment the model
//! belongs to is written on the Deployment itself ([`record`]), in one change with what runs, so that removing an old
//! deployment leaves the newer one's model alone, and a version that does not come up gives its place back.
//!
//! A canary is a second Deployment behind the same Service. It and the model's own share requests by their containers ([`share`]):
//! the model's Deployment remembers how many it has meanwhile, and gets all of them back when the canary ends.
//!
//! All logic stands behind [`Host`](host::Host), so that it runs natively in tests; only `component` knows the sandbox.

pub mod address;
pub mod configuration;
pub mod host;
pub mod manifest;
pub mod record;
pub mod rollout;
pub mod serving;
pub mod share;

#[cfg(target_arch = "wasm32")]
mod component;
