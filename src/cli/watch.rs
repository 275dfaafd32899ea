//! What a person sees of a running server: one line for each request and each change, on the terminal of `serve`.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    audit::{Observer, Outcome, Record},
    base::clock::Clock,
    cli::output::Output,
};

/// Lines that wait for the terminal. Those beyond are dropped and counted, since no request waits for a terminal.
const MOST: usize = 1024;
/// Columns of a line.
const COLUMNS: usize = 80;
/// Columns of the credential or reason, and of the caller.
const LONGEST_NAME: usize = 16;

/// Hands what has ended to the thread that shows it.
#[derive(Debug)]
struct Watch {
    lines: SyncSender<Seen>,
    dropped: Arc<AtomicU64>,
}

/// One request or change that has ended.
#[derive(Debug)]
struct Seen {
    at: Timestamp,
    method: String,
    place: String,
    status: u16,
    /// The credential, or why it did not go well.
    about: String,
    caller: String,
    took: Duration,
    count: u64,
    is_bad: bool,
}

/// Shows what happens on a thread of its own.
///
/// # Errors
/// The thread cannot be started.
pub(crate) fn start(output: Output) -> io::Result<Arc<dyn Observer>> {
    let (lines, inbox) = sync_channel(MOST);
    let dropped = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&dropped);
    drop(thread::Builder::new().name("requests".into()).spawn(move || show(&inbox, &counted, &output))?);
    Ok(Arc::new(Watch { lines, dropped }))
}

fn show(inbox: &Receiver<Seen>, dropped: &AtomicU64, output: &Output) {
    for seen in inbox {
        output.note(seen.line(output.colour_on_stderr()));
        let dropped = dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            output.note(format_args!("{dropped} lines were dropped: the terminal is slower than the requests"));
        }
    }
}

impl Observer for Watch {
    fn ended(&self, record: &Record, outcome: Outcome) {
        if self.lines.try_send(Seen::of(record, outcome)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Seen {
    fn of(record: &Record, outcome: Outcome) -> Self {
        let is_request = record.method() != "-";
        let (method, place) = if is_request {
            (record.method(), record.place())
        } else {
            (record.action(), record.object.as_deref().unwrap_or_default())
        };
        let is_bad = outcome != Outcome::Ok;
        let reason = record.reason.unwrap_or(if outcome == Outcome::Denied { "denied" } else { "broken_off" });
        Self {
            at: Clock.now(),
            method: method.to_owned(),
            place: place.to_owned(),
            status: record.status,
            about: if is_bad { reason } else { record.credential() }.to_owned(),
            caller: record.name().to_owned(),
            took: record.age(),
            count: record.count(),
            is_bad,
        }
    }

    /// In [`COLUMNS`] columns, whatever a caller sent.
    fn line(&self, coloured: bool) -> String {
        let status = if self.status == 0 { "-".to_owned() } else { self.status.to_string() };
        let left = format!("{} {:<7}", self.at.strftime("%H:%M:%S"), cut(&self.method, 20));
        let (about, caller) = (cut(&self.about, LONGEST_NAME), cut(&self.caller, LONGEST_NAME));
        let took = if self.count > 0 { format!("x{}", self.count) } else { short(self.took) };
        let right = format!("{about} {caller} {took:>6}");
        let used = left.chars().count() + status.len() + right.chars().count() + 3;
        let room = COLUMNS.saturating_sub(used);
        let place = cut(&self.place, room);
        let place = format!("{place:<room$}");
        let (begin, end) = if coloured { (self.colour(), "\x1b[0m") } else { ("", "") };
        format!("{left} {begin}{status}{end} {place} {begin}{about}{end}{}", &right[about.len()..])
    }

    fn colour(&self) -> &'static str {
        match self.status {
            _ if self.is_bad => "\x1b[31m",
            500.. => "\x1b[31m",
            400.. => "\x1b[33m",
            300.. => "\x1b[36m",
            _ => "\x1b[32m",
        }
    }
}

/// At most `room` characters, without the middle of what is longer.
fn cut(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_owned();
    }
    let kept = room.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    if room == 0 { String::new() } else { format!("{start}…{end}") }
}

fn short(took: Duration) -> String {
    match took.as_millis() {
        millis @ ..10_000 => format!("{millis}ms"),
        millis @ ..10_000_000 => format!("{}s", millis / 1000),
        millis => format!("{}h", millis / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use crate::cli::watch::Seen;

    fn seen(place: &str, about: &str, millis: u64) -> Seen {
        let (method, caller) = ("GET".to_owned(), "build-agent".to_owned());
        let (at, took) = (Timestamp::UNIX_EPOCH, Duration::from_millis(millis));
        let (place, about) = (place.to_owned(), about.to_owned());
        Seen { at, method, place, status: 200, about, caller, took, count: 0, is_bad: false }
    }

    #[test]
    fn a_line_has_eighty_columns_and_both_ends_of_a_long_path() {
        let line = seen("api.github.com/user", "github-api", 123).line(false);
        assert_eq!(line, format!("00:00:00 GET     200 {:<29} github-api build-agent  123ms", "api.github.com/user"));
        let long = format!("api.github.com/{}/issues/7", "x".repeat(2000));
        for about in ["github-api", "a-very-long-alias-of-a-credential", "ü"] {
            let line = seen(&long, about, 86_400_000).line(false);
            assert_eq!(line.chars().count(), 80, "{line}");
            assert!(line.contains(" api.github") && line.contains('…') && line.contains("issues/7 "), "{line}");
        }
    }

    #[test]
    fn colours_take_no_columns() {
        let seen = seen("api.github.com/user", "github-api", 1);
        let bare = seen.line(true).replace("\x1b[32m", "").replace("\x1b[0m", "");
        assert_eq!(bare, seen.line(false));
    }
}
