//! How long an origin server may be silent before an exchange ends.

use std::time::Duration;

use crate::base::{
    fields::{Fields, Known},
    head::Framing,
};

/// Never limits of a whole exchange: each sign of life begins anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// From the last byte of the request to the head of its answer, and in a body of a length that the head says.
    pub usual: Duration,
    /// In an answer that streams.
    pub streaming: Duration,
}

impl Silence {
    /// What an answer with this framing may take between two pieces of its body.
    pub fn of(&self, framing: Framing) -> Duration {
        if streams(framing) { self.streaming } else { self.usual }
    }
}

/// Whether an answer streams: its head does not say how long it is, so nobody knows when the next piece is due.
pub fn streams(framing: Framing) -> bool {
    matches!(framing, Framing::Chunked | Framing::UntilClose)
}

/// Whether a request is a call of gRPC: either side may be silent before the head of the answer, too, and calls have deadlines
/// of their own (`grpc-timeout`).
pub fn is_grpc(fields: &Fields) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let kind = fields.first(Known::ContentType).unwrap_or_default();
    kind.get(..GRPC.len()).is_some_and(|it| it.eq_ignore_ascii_case(GRPC))
        && kind.get(GRPC.len()).is_none_or(|it| matches!(it, b'+' | b';' | b' '))
}

#[cfg(test)]
mod tests {
    use crate::base::{fields::Fields, silence::is_grpc};

    #[test]
    fn calls_of_grpc_are_known_by_their_content() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; x=y", true),
            ("application/grpc-web+proto", false),
            ("application/json", false),
            ("", false),
        ] {
            let mut fields = Fields::default();
            fields.append("Content-Type", kind.as_bytes());
            assert_eq!(is_grpc(&fields), expected, "{kind}");
        }
        assert!(!is_grpc(&Fields::default()));
    }
}
