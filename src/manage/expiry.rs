//! When a key ends: `30d`, `1y`, `2026-12-31`, `never`, or a moment as RFC 3339 writes it.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use thiserror::Error;

/// Why a text says no end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ExpiryError {
    /// It is written in no way that is known.
    #[error("not a time to expire at: write 24h, 30d, 2w, 1y, a day such as 2026-12-31, or never")]
    Form,
    /// The key would never be valid.
    #[error("that time is over already; write one that is still to come, such as 2099-12-31T23:59:59Z")]
    Past,
    /// No calendar goes so far.
    #[error("that is further away than can be counted; write never")]
    TooFar,
}

/// Reads a text. `None` is never.
///
/// `h`, `d` and `w` are hours, days of 24 hours, and weeks; `y` is a year of the calendar. A day lasts until 23:59:59 UTC.
///
/// # Errors
/// See [`ExpiryError`].
pub fn parse(text: &str, now: Timestamp) -> Result<Option<Timestamp>, ExpiryError> {
    let at = match text.trim() {
        "never" => return Ok(None),
        text => of_duration(text, now).unwrap_or_else(|| of_moment(text))?,
    };
    check(Some(at), now)
}

/// Takes an end that is still to come.
///
/// # Errors
/// [`ExpiryError::Past`].
pub fn check(at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ExpiryError> {
    if at.is_some_and(|it| it <= now) { Err(ExpiryError::Past) } else { Ok(at) }
}

/// `None` if it is no duration at all.
fn of_duration(text: &str, now: Timestamp) -> Option<Result<Timestamp, ExpiryError>> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) || !"hdwy".contains(unit) {
        return None;
    }
    let count = count.parse::<i64>().ok();
    let later = |count: i64| {
        let span = match unit {
            "h" => 1_i64.hours().checked_mul(count),
            "d" => 24_i64.hours().checked_mul(count),
            "w" => 168_i64.hours().checked_mul(count),
            _ => 1_i64.years().checked_mul(count),
        };
        let start = Timestamp::from_second(now.as_second()).ok()?.to_zoned(TimeZone::UTC);
        start.checked_add(span.ok()?).ok().map(|it| it.timestamp())
    };
    Some(count.and_then(later).ok_or(ExpiryError::TooFar))
}

fn of_moment(text: &str) -> Result<Timestamp, ExpiryError> {
    // A date alone would also be taken from the begin of a longer text.
    if text.len() == "2026-12-31".len()
        && let Ok(date) = text.parse::<Date>()
    {
        let end = date.at(23, 59, 59, 0).to_zoned(TimeZone::UTC).or(Err(ExpiryError::TooFar))?;
        return Ok(end.timestamp());
    }
    text.parse().or(Err(ExpiryError::Form))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::manage::expiry::{ExpiryError, parse};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn every_way_to_write_an_end_is_read() {
        let now = at("2026-11-22T10:30:00.5Z");
        for (text, end) in [
            ("24h", "2026-11-23T10:30:00Z"),
            ("7d", "2026-11-29T10:30:00Z"),
            ("30d", "2026-12-22T10:30:00Z"),
            ("2w", "2026-12-06T10:30:00Z"),
            ("1y", "2027-11-22T10:30:00Z"),
            (" 1y ", "2027-11-22T10:30:00Z"),
            ("2026-11-22", "2026-11-22T23:59:59Z"),
            ("2026-12-31", "2026-12-31T23:59:59Z"),
            ("2026-12-31T12:00:00Z", "2026-12-31T12:00:00Z"),
            ("2026-12-31T12:00:00+02:00", "2026-12-31T10:00:00Z"),
        ] {
            assert_eq!(parse(text, now), Ok(Some(at(end))), "{text}");
        }
        assert_eq!(parse("never", now), Ok(None));
        assert_eq!(parse("1y", at("2028-02-29T00:00:00Z")), Ok(Some(at("2029-02-28T00:00:00Z"))));
    }

    #[test]
    fn what_is_over_or_cannot_be_read_is_refused() {
        let now = at("2026-11-22T10:30:00Z");
        for text in ["0d", "0h", "2026-11-21", "2024-12-31", "2026-11-22T10:30:00Z", "2026-11-22T10:29:59Z"] {
            assert_eq!(parse(text, now), Err(ExpiryError::Past), "{text}");
        }
        for text in ["", "d", "30", "30 d", "+30d", "-1d", "1.5d", "30D", "1mo", "Never", "2026-13-01", "2026-02-30"] {
            assert_eq!(parse(text, now), Err(ExpiryError::Form), "{text}");
        }
        for text in ["2026-12-31x", "12-31-2026", "tomorrow", "30d1h", "é", "1é", "2026-12-31T12:00:00"] {
            assert_eq!(parse(text, now), Err(ExpiryError::Form), "{text}");
        }
        for text in ["99999999999999999999d", "9999999999999999h", "9999y", "99999999d", "20000w0w"] {
            let refused = parse(text, now).unwrap_err();
            assert!(matches!(refused, ExpiryError::TooFar | ExpiryError::Form), "{text}");
        }
    }
}
