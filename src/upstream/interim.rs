//! How many interim answers one exchange may get before its final one.

use std::time::Duration;

use tokio::time::Instant;

use crate::{base::head::AnswerHead, upstream::send::Failure};

/// Interim answers at once.
const BURST: u64 = 100;
/// How many more each second.
const EACH_SECOND: u64 = 10;
/// Bytes of the heads of all of them.
const MOST_BYTES: usize = 1 << 20;

/// Those that have come so far.
#[derive(Debug, Default)]
pub struct Interims {
    since: Option<Instant>,
    count: u64,
    bytes: usize,
}

impl Interims {
    /// Whether one has come: what was answered, even if not finally, is not asked again.
    pub fn have_begun(&self) -> bool {
        self.since.is_some()
    }

    /// Counts one that comes `now`; the final one may come `longest` after the first.
    ///
    /// # Errors
    /// It is one too many, too large, or too late.
    pub fn add(&mut self, head: &AnswerHead, now: Instant, longest: Duration) -> Result<(), Failure> {
        let passed = now.saturating_duration_since(*self.since.get_or_insert(now));
        if passed > longest {
            return Err(Failure::Timeout);
        }
        self.count += 1;
        self.bytes += head.fields.held();
        if self.count > BURST + EACH_SECOND * passed.as_secs() || self.bytes > MOST_BYTES {
            return Err(Failure::Unexpected("it sends too many interim answers"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use crate::{
        base::head::AnswerHead,
        upstream::{
            interim::{BURST, Interims, MOST_BYTES},
            send::Failure,
        },
    };

    const LONGEST: Duration = Duration::from_hours(1);

    /// How many are taken, one after each pause, and why no more are.
    fn taken(head: &AnswerHead, pause: Duration) -> (u64, Failure) {
        let (mut interims, mut now) = (Interims::default(), Instant::now());
        for count in 0.. {
            if let Err(failure) = interims.add(head, now, LONGEST) {
                return (count, failure);
            }
            now += pause;
        }
        unreachable!()
    }

    #[test]
    fn slow_ones_are_taken_for_an_hour_and_fast_ones_up_to_a_number() {
        let head = AnswerHead::new(102);
        let (count, failure) = taken(&head, Duration::from_secs(15));
        assert!(count == LONGEST.as_secs() / 15 + 1 && matches!(failure, Failure::Timeout), "{count} {failure}");
        let (count, failure) = taken(&head, Duration::from_millis(200));
        assert!(count == LONGEST.as_secs() * 5 + 1 && matches!(failure, Failure::Timeout), "{count} {failure}");
        let (count, failure) = taken(&head, Duration::ZERO);
        assert!(count == BURST && matches!(failure, Failure::Unexpected(_)), "{count} {failure}");
        let (count, failure) = taken(&head, Duration::from_millis(10));
        assert!((BURST..BURST + 20).contains(&count) && matches!(failure, Failure::Unexpected(_)), "{count} {failure}");
    }

    #[test]
    fn their_bytes_are_bounded() {
        let mut head = AnswerHead::new(103);
        head.fields.append("Link", &vec![b'x'; 100_000]);
        let (count, failure) = taken(&head, Duration::from_secs(1));
        assert!(count <= (MOST_BYTES / 100_000) as u64 && count > 1, "{count}");
        assert!(matches!(failure, Failure::Unexpected(_)), "{failure}");
    }
}
