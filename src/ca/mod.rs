//! The certificate authority of one installation: a TLS server configuration for any host that a client tunnels to.
//!
//! Not here: where the root's key lies (the store seals it), the handshake itself and the refusal of a wrong server
//! name (proxy), and trust in upstreams (upstream). Main type: [`Ca`].

pub mod authority;
pub mod cache;
pub mod error;
pub mod key;
pub mod leaf;
pub mod root;
pub mod sni;

pub use authority::Ca;
pub use cache::Used;
pub use error::CaError;
pub use root::{NewRoot, Root, to_pem};
pub use sni::is_for;
