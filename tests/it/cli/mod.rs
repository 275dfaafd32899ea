//! The command line as a person or a script meets it: the binary itself, in a home of its own.

mod audit;
mod bench;
mod certificate;
mod completions;
mod config;
mod credentials;
pub(crate) mod home;
mod init;
mod json;
mod mcp_install;
mod passwords;
mod policies;
mod policy;
mod records;
mod roles_and_keys;
mod secrets;
mod terminal;
mod trusted;
mod watching;
