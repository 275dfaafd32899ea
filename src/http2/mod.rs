//! What HTTP/2 (RFC 9113) has in common on both sides: its heads as ours and back, its bodies in and out. Frames, flow
//! control and header compression are the `h2` crate's.
//!
//! Not here: listening, dialling, and any decision about what a message means. Main types: [`Batched`], [`Incoming`],
//! [`Pump`].

pub mod batched;
pub mod heads;
pub mod huffman;
pub mod incoming;
pub mod pump;
pub mod watch;

pub use batched::Batched;
pub use incoming::Incoming;
pub use pump::Pump;
