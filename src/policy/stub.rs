//! stub
use crate::credential::Alias;
use std::{fmt, sync::Arc, time::Duration};
#[derive(Debug)]
pub struct Policy;
#[derive(Debug, Default)]
pub struct PolicySet;
impl PolicySet {
    pub fn matching(&self, _: &Alias) -> Vec<Arc<Policy>> {
        Vec::new()
    }
}
#[derive(Debug, Default)]
pub struct Limiter;
#[derive(Debug, Clone, Copy)]
pub struct LimitKey;
impl LimitKey {
    pub fn new(_: &'static str, _: &[u8]) -> Self {
        Self
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    pub max: u32,
    pub window: Duration,
    pub retry_after: Duration,
}
#[derive(Debug)]
pub struct Room;
impl Limiter {
    pub fn charge(&self, _: LimitKey, _: u32, _: Duration) -> Result<Room, Exhausted> {
        Ok(Room)
    }
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub policy: Arc<str>,
    pub rule: Option<u16>,
}
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.policy)
    }
}
