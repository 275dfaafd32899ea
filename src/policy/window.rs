//! Hours of the day and days of the week, by the clock on the wall of a zone.
//!
//! The wall clock alone decides, so nights in which it is set need no rule of their own: a time that it skips does not
//! come, and one that it shows twice counts twice.

use std::fmt;

use jiff::{Timestamp, civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const DAY: u16 = 24 * 60;

/// From `start` up to, but not at, `end`; past midnight where `end` is the earlier of the two.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct TimeWindow {
    start: Minute,
    end: Minute,
    zone: Zone,
    days: Option<Vec<Day>>,
    /// One bit a day, Monday the lowest.
    on: u8,
}

/// Why there is no such window.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum WindowError {
    /// It would be empty to one reader and the whole day to another.
    #[error("`start` and `end` are the same time; the whole day is 00:00 to 24:00")]
    Empty,
    /// 24:00 is no time at which anything begins.
    #[error("`start` cannot be 24:00; write 00:00")]
    Start,
    /// Nothing would ever match.
    #[error("`days` names no day; leave it out for every day")]
    NoDays,
    /// Not hours and minutes.
    #[error("`{0}` is not a time of day; write hours and minutes, such as 09:00")]
    Time(String),
    /// Not known to the system, nor to the copy that is built in.
    #[error("`{0}` is not a time zone; write a name such as Europe/Berlin or UTC")]
    Zone(String),
}

/// As it stands in a file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a window such as { start = \"09:00\", end = \"17:00\" }")]
struct Written {
    start: Minute,
    end: Minute,
    #[serde(default, skip_serializing_if = "Zone::is_of_the_server")]
    tz: Zone,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<Vec<Day>>,
}

/// Minutes since midnight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Minute(u16);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// The zone of the server where none is named.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Zone {
    name: Option<Box<str>>,
    rules: TimeZone,
}

impl TimeWindow {
    /// Whether the wall clock of its zone shows a time inside it.
    pub fn holds(&self, now: Timestamp) -> bool {
        let wall = self.zone.rules.to_datetime(now);
        let minute = Minute(u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs()));
        let today = wall.weekday();
        if self.start < self.end {
            self.start <= minute && minute < self.end && self.is_on(today)
        } else if self.start <= minute {
            self.is_on(today)
        } else {
            // Past midnight it is still the window that began the day before.
            minute < self.end && self.is_on(today.previous())
        }
    }

    fn is_on(&self, day: Weekday) -> bool {
        self.on & (1 << day.to_monday_zero_offset()) != 0
    }
}

impl TryFrom<Written> for TimeWindow {
    type Error = WindowError;

    fn try_from(written: Written) -> Result<Self, WindowError> {
        let Written { start, end, tz: zone, days } = written;
        if start == end {
            return Err(WindowError::Empty);
        }
        if start.0 == DAY {
            return Err(WindowError::Start);
        }
        let on = match &days {
            None => 0x7f,
            Some(days) if days.is_empty() => return Err(WindowError::NoDays),
            Some(days) => days.iter().fold(0, |on, day| on | 1 << *day as u8),
        };
        Ok(Self { start, end, zone, days, on })
    }
}

impl From<TimeWindow> for Written {
    fn from(TimeWindow { start, end, zone, days, .. }: TimeWindow) -> Self {
        Self { start, end, tz: zone, days }
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", String::from(self.start), String::from(self.end))?;
        if let Some(days) = &self.days {
            let days: Vec<String> = days.iter().map(|it| format!("{it:?}")).collect();
            write!(f, " on {}", days.join(", "))?;
        }
        self.zone.name.as_ref().map_or(Ok(()), |name| write!(f, " in {name}"))
    }
}

impl TryFrom<String> for Minute {
    type Error = WindowError;

    fn try_from(text: String) -> Result<Self, WindowError> {
        let digits = |it: &str| it.parse::<u16>().ok().filter(|_| it.len() == 2 && !it.starts_with('+'));
        let time = text.split_once(':').and_then(|(hour, minute)| Some((digits(hour)?, digits(minute)?)));
        match time {
            Some((hour, minute)) if (hour < 24 && minute < 60) || (hour, minute) == (24, 0) => {
                Ok(Self(hour * 60 + minute))
            }
            _ => Err(WindowError::Time(text)),
        }
    }
}

impl From<Minute> for String {
    fn from(Minute(it): Minute) -> Self {
        format!("{:02}:{:02}", it / 60, it % 60)
    }
}

impl Zone {
    fn is_of_the_server(&self) -> bool {
        self.name.is_none()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: None, rules: TimeZone::system() }
    }
}

impl TryFrom<String> for Zone {
    type Error = WindowError;

    fn try_from(name: String) -> Result<Self, WindowError> {
        match TimeZone::get(&name) {
            Ok(rules) => Ok(Self { name: Some(name.into()), rules }),
            // What it says is where it looked.
            Err(_) => Err(WindowError::Zone(name)),
        }
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name.map_or_else(Self::new, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::policy::window::TimeWindow;

    fn window(text: &str) -> TimeWindow {
        toml::from_str(text).unwrap()
    }

    fn holds(window: &TimeWindow, at: &str) -> bool {
        window.holds(at.parse::<Timestamp>().unwrap())
    }

    #[test]
    fn the_first_minute_is_in_and_the_last_is_not() {
        let day = window("start = \"09:00\"\nend = \"17:00\"\ntz = \"UTC\"");
        for (at, expected) in [("08:59:59.999", false), ("09:00:00", true), ("16:59:59.999", true), ("17:00:00", false)]
        {
            assert_eq!(holds(&day, &format!("2026-06-01T{at}Z")), expected, "{at}");
        }
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_on_which_it_begins() {
        // 2026-06-05 is a Friday.
        let night = window("start = \"23:00\"\nend = \"07:00\"\ntz = \"UTC\"\ndays = [\"fri\"]");
        for (at, expected) in [
            ("05T06:59:59", false),
            ("05T22:59:59", false),
            ("05T23:00:00", true),
            ("06T06:59:59", true),
            ("06T07:00:00", false),
            ("06T23:00:00", false),
        ] {
            assert_eq!(holds(&night, &format!("2026-06-{at}Z")), expected, "{at}");
        }
    }

    #[test]
    fn midnight_may_be_the_end() {
        for end in ["24:00", "00:00"] {
            let evening = window(&format!("start = \"18:00\"\nend = \"{end}\"\ntz = \"UTC\"\ndays = [\"mon\"]"));
            assert!(holds(&evening, "2026-06-01T23:59:59Z"), "{end}");
            assert!(!holds(&evening, "2026-06-02T00:00:00Z"), "{end}");
        }
    }

    /// 2026-03-29: 02:00 to 03:00 does not exist in Berlin. 2026-10-25: it comes twice.
    #[test]
    fn on_nights_when_the_clock_is_set_the_wall_clock_decides() {
        let berlin = |start, end| window(&format!("start = \"{start}\"\nend = \"{end}\"\ntz = \"Europe/Berlin\""));
        let skipped = berlin("02:00", "03:00");
        for minute in 0..24 * 60 {
            let at = "2026-03-28T23:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute);
            assert!(!skipped.holds(at), "{at}");
        }
        let over = berlin("02:30", "03:30");
        for (at, expected) in [("00:59:59", false), ("01:00:00", true), ("01:29:59", true), ("01:30:00", false)] {
            assert_eq!(holds(&over, &format!("2026-03-29T{at}Z")), expected, "{at}");
        }
        let twice = berlin("02:30", "02:45");
        for (at, expected) in [("00:29:59", false), ("00:30:00", true), ("00:45:00", false), ("01:30:00", true)] {
            assert_eq!(holds(&twice, &format!("2026-10-25T{at}Z")), expected, "{at}");
        }
    }

    #[test]
    fn what_can_be_read_two_ways_is_refused() {
        for text in [
            "start = \"09:00\"\nend = \"09:00\"",
            "start = \"24:00\"\nend = \"09:00\"",
            "start = \"9:00\"\nend = \"17:00\"",
            "start = \"09:60\"\nend = \"17:00\"",
            "start = \"09:00\"\nend = \"24:01\"",
            "start = \"09:00\"\nend = \"+1:00\"",
            "start = \"09:00\"",
            "start = \"09:00\"\nend = \"17:00\"\ntz = \"Mars/Olympus\"",
            "start = \"09:00\"\nend = \"17:00\"\ntz = \"\"",
            "start = \"09:00\"\nend = \"17:00\"\ndays = []",
            "start = \"09:00\"\nend = \"17:00\"\ndays = [\"Monday\"]",
            "start = \"09:00\"\nend = \"17:00\"\nzone = \"UTC\"",
        ] {
            assert!(toml::from_str::<TimeWindow>(text).is_err(), "{text}");
        }
    }
}
