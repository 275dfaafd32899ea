//! The binary: takes what the process was given, prepares what must come before everything else, and hands over.

use std::process::ExitCode;

use rustls::crypto::aws_lc_rs;
use vultrino::{cli, config::Environment};

/// It serves what is written in C as well: libc would keep what the cryptography had at its peak.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Freed pages go back to the system after a second; a thread of the allocator does it, not the request.
#[expect(unsafe_code, reason = "jemalloc reads its options from a symbol of this name before main runs")]
#[unsafe(export_name = "malloc_conf")]
pub static ALLOCATOR_OPTIONS: &[u8] = b"narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true\0";

fn main() -> ExitCode {
    // First of all: it blanks the secrets that other programs could read of this process.
    let environment = Environment::take();
    // Fails only where a provider is installed already, and nothing runs before this line.
    aws_lc_rs::default_provider().install_default().unwrap_or(());
    cli::run(environment)
}
