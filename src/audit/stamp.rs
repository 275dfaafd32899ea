//! The time at the begin of a line: the wall clock is asked, and the text put together, once a second instead of once a
//! request.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// `2026-11-22T10:30:00.123Z`
#[derive(Clone, Copy, Debug)]
pub struct Stamp([u8; 24]);

impl Stamp {
    /// As it stands in the line.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Remembers the second that was asked for last.
#[derive(Debug)]
pub struct Stamps {
    text: Stamp,
    /// When the second began.
    begin: Option<Instant>,
}

impl Stamps {
    /// One that remembers nothing.
    pub fn new() -> Self {
        Self { text: Stamp(*b"1970-01-01T00:00:00.000Z"), begin: None }
    }

    /// The text for `now`, to the millisecond. `wall` is what the wall clock shows.
    pub fn at(&mut self, now: Instant, wall: impl FnOnce() -> Timestamp) -> Stamp {
        let within = |begin: Instant| now.checked_duration_since(begin).filter(|it| *it < Duration::from_secs(1));
        let millis = match self.begin.and_then(within) {
            Some(passed) => passed.subsec_millis(),
            None => self.begin_second(now, wall()),
        };
        let mut text = self.text;
        let mut rest = millis;
        for digit in text.0[20..23].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text
    }

    /// Returns the milliseconds that have passed of the second.
    fn begin_second(&mut self, now: Instant, wall: Timestamp) -> u32 {
        // A clock before 1970 shows no part of a second, one outside the years 0 to 9999 keeps its text.
        let passed = Duration::from_nanos(wall.subsec_nanosecond().try_into().unwrap_or_default());
        self.begin = now.checked_sub(passed);
        if let Ok(second) = Timestamp::from_second(wall.as_second())
            && let Some(text) = second.to_string().as_bytes().first_chunk::<19>()
        {
            self.text.0[..19].copy_from_slice(text);
        }
        passed.subsec_millis()
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::Timestamp;

    use crate::audit::stamp::Stamps;

    #[test]
    fn times_read_as_rfc_3339_with_milliseconds() {
        let now = Instant::now();
        for text in ["2026-11-22T10:30:00.123Z", "2024-02-29T23:59:59.007Z", "1970-01-01T00:00:00.000Z"] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(Stamps::new().at(now, || time).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn the_wall_clock_is_asked_again_when_its_second_is_over() {
        let (now, mut stamps) = (Instant::now(), Stamps::new());
        let mut at = |millis, wall: &str| {
            let stamp = stamps.at(now + Duration::from_millis(millis), || wall.parse().unwrap());
            String::from_utf8(stamp.as_bytes().to_vec()).unwrap()
        };
        assert_eq!(at(5000, "2026-11-22T10:30:00.400Z"), "2026-11-22T10:30:00.400Z");
        assert_eq!(at(5599, "no"), "2026-11-22T10:30:00.999Z");
        assert_eq!(at(5600, "2026-11-22T10:30:01.001Z"), "2026-11-22T10:30:01.001Z");
        assert_eq!(at(5602, "no"), "2026-11-22T10:30:01.003Z");
        assert_eq!(at(5600, "no"), "2026-11-22T10:30:01.001Z", "another thread's time, a little earlier");
        assert_eq!(at(9000, "2026-11-22T10:29:00.000Z"), "2026-11-22T10:29:00.000Z", "the clock was set back");
    }
}
