//! What the log says of requests and changes: those that are refused, and what was changed by whom.

use crate::audit::{Door, Observer, Outcome, Record};

/// Logs from the records of the audit trail, so what shares a line there shares one here.
#[derive(Debug)]
pub struct EventLog;

impl Observer for EventLog {
    fn ended(&self, record: &Record, outcome: Outcome) {
        match outcome {
            Outcome::Ok if record.revision > 0 => log_change(record),
            // A client that goes away was not refused.
            Outcome::Ok | Outcome::ClientAbort | Outcome::Interrupted => {}
            _ => log(record, outcome),
        }
    }
}

/// A change that this process has made. What others make is seen only in the store.
fn log_change(record: &Record) {
    let (principal, credential, action) = (record.name(), record.credential(), record.action());
    let (object, revision) = (record.object.as_deref().unwrap_or("-"), record.revision);
    tracing::info!(%principal, action, %credential, %object, revision, "change made");
}

fn log(record: &Record, outcome: Outcome) {
    let (principal, credential) = (record.name(), record.credential());
    let (host, door, reason) = (record.host(), record.door().as_str(), record.reason.unwrap_or("-"));
    // Of one that is no fold there is nothing to count.
    let count = record.count().max(1);
    match (record.door(), outcome) {
        (Door::Admin, _) => {
            let (action, object) = (record.action(), record.object.as_deref().unwrap_or("-"));
            tracing::info!(%principal, action, %credential, %object, reason, "change refused");
        }
        (_, Outcome::Denied) => tracing::info!(%principal, %host, reason, %credential, door, count, "request refused"),
        _ => tracing::info!(%principal, %host, reason, %credential, door, count, "request failed"),
    }
}
