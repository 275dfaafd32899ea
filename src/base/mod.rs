//! The ground floor: types that know nothing of the product.
//!
//! Not here: anything that names a credential, a policy or a file, or opens a socket.

pub mod body;
pub mod capacity;
pub mod clock;
pub mod count;
pub mod fields;
pub mod glob;
pub mod head;
pub mod head_memory;
pub mod histogram;
pub mod host;
pub mod id;
pub mod idle;
pub mod json;
pub mod peer;
pub mod pipe;
pub mod reuse;
pub mod secret;
pub mod service;
pub mod silence;
pub mod splice;
pub mod target;
pub mod task;
pub mod trusted;
pub mod uniform;
