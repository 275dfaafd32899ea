//! What is known about a credential: its alias, kind, metadata and bindings, and its opened fields while they are used.
//!
//! Not here: where the sealed bytes lie (`store`), how they enter a request (`inject`), who may use them (`policy`).

pub mod alias;
pub mod facts;
pub mod kind;
pub mod material;
pub mod metadata;

pub use alias::{Alias, AliasError};
pub use facts::Credential;
pub use kind::{Kind, KindError};
pub use material::{Material, MaterialError};
pub use metadata::{Metadata, MetadataError};
