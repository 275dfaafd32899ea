//! Who calls: what was shown, who that turns out to be, and the one administrator of the web pages.
//!
//! Not here: what a caller may do (`policy`), and the storage password, which is no identity but a key (`seal`).

pub mod admin;
pub mod presented;
pub mod principal;

pub use admin::{Admin, AdminError};
pub use presented::Presented;
pub use principal::{Principal, authenticate};
