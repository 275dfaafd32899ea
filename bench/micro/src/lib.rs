//! The pieces of Vultrino that requests go through, each on made-up input such as it sees every day.
//!
//! Not here: what a whole request costs (`bench/load`).

#![expect(clippy::unwrap_used, reason = "the input is ours; where it is refused there is nothing to time")]

mod audit;
mod classify;
mod decide;
mod head;
mod inject;
mod leaf;
mod messages;
mod seal;

pub use audit::audit;
pub use classify::classify;
pub use decide::decide;
pub use head::head;
pub use inject::inject;
pub use leaf::leaf;
pub use seal::seal;
