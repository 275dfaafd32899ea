//! Who calls: what was shown, who that turns out to be and may do, and the one administrator of the web pages.
//!
//! Not here: whether one call may happen (`policy`), and the storage password, which is no identity but a key (`seal`).

pub mod admin;
pub mod author;
pub mod key;
pub mod presented;
pub mod principal;
pub mod role;

pub use admin::{Admin, AdminError};
pub use author::Author;
pub use key::{ApiKey, KeyHash, PREFIX};
pub use presented::{Presented, PresentedKey};
pub use principal::{Holder, Principal};
pub use role::{Permission, Permissions, Role};
