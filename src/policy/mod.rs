//! May this call happen? Pure: no sockets, no files, no clock. Zones by name are looked up when a policy is read.
//!
//! A [`PolicySet`] is read by `config`; `pattern`, `window` and `rate` are the conditions, `judge` puts the rules of one
//! policy together, `decide` all policies, `limit` counts. `explain` tells how a verdict came about, `lint` what in a
//! policy is hardly meant, `reach` which methods may pass at all.
//!
//! Not here: finding the credential, opening a secret. Main function: [`decide()`].

pub mod decide;
pub mod explain;
mod judge;
pub mod limit;
pub mod lint;
pub mod pattern;
pub mod rate;
mod reach;
mod read;
#[cfg(test)]
mod reference;
pub mod replay;
pub mod rule;
pub mod set;
#[cfg(test)]
mod tests;
mod wildcard;
pub mod window;

pub use decide::{Denial, Facts, Permit, Reveal, Verdict, decide, reveal};
pub use explain::{Examination, Question, examine};
pub use limit::{Exhausted, LimitKey, Limiter, Room};
pub use lint::{Concern, lint};
pub use pattern::UrlPattern;
pub use rate::{Rate, RateLimit};
pub use reach::methods_that_may_pass;
pub use rule::{Action, Condition, Rule};
pub use set::{Duplicate, Policy, PolicySet};
