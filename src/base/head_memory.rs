//! The memory of heads: of requests while they arrive and until they are answered, of answers from their first byte until
//! they have been passed on.

use crate::base::capacity::{Full, Most, Share};

/// Bytes of a head that are not counted.
pub const SHORT: usize = 4 << 10;
/// Bytes of all longer heads, and of those of one client.
const LONG: Most = Most { all: 64 << 20, each: 16 << 20 };

/// Grows a share to this many bytes of one head.
///
/// # Errors
/// As much is in use as there may be.
pub fn hold(share: &mut Share, bytes: usize) -> Result<(), Full> {
    if bytes <= SHORT { Ok(()) } else { share.add(bytes.saturating_sub(share.units()), LONG) }
}
