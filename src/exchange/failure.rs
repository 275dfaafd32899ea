//! Why an origin server gave no answer, as the refusal that its caller gets.

use std::{iter::successors, sync::OnceLock};

use crate::{
    base::body::BodyError,
    exchange::{Refusal, time_limit::TimeLimit},
    upstream::{DialError, Failure},
};

/// Whose fault it is that there is no answer; `limit` held for the origin server's silence. The cause is logged, and written to
/// `cause` for an owner who may know it. What the caller reads tells nothing of the network.
pub(crate) fn refuse(failure: &Failure, limit: TimeLimit, cause: Option<&OnceLock<String>>) -> Refusal {
    if let Some(cause) = cause {
        let error: &dyn std::error::Error = failure;
        cause.get_or_init(|| {
            successors(Some(error), |it| it.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
        });
    }
    match failure {
        Failure::Dial(error) => refuse_dial(error),
        Failure::Timeout => Refusal::Timeout(limit),
        Failure::Gone(_) | Failure::Unprocessed(_) | Failure::Answer(_) | Failure::Unexpected(_) => {
            let error: &dyn std::error::Error = failure;
            tracing::debug!(error, "no answer from the origin server");
            Refusal::BadAnswer
        }
        Failure::Full(full) => (*full).into(),
        Failure::Request(BodyError::TooLarge) => Refusal::TooLarge,
        Failure::Request(_) => Refusal::ClientGone,
    }
}

/// The same where there is no connection.
pub(crate) fn refuse_dial(failure: &DialError) -> Refusal {
    let error: &dyn std::error::Error = failure;
    if let DialError::Parent(_) | DialError::ParentRefused(407) = failure {
        tracing::warn!(error, "[upstream] proxy leads nowhere");
    } else {
        tracing::debug!(error, "no connection to the origin server");
    }
    match failure {
        DialError::Blocked => Refusal::Address,
        DialError::Timeout => Refusal::ConnectTimeout,
        DialError::ParentRefused(407) => Refusal::ParentUnauthorized,
        error if error.is_exhaustion() => Refusal::Overloaded,
        _ => Refusal::Unreachable,
    }
}
