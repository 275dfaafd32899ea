//! Which records a person asks for.

use std::path::Path;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::{
    audit::read,
    base::{clock::Clock, glob::Glob},
    cli::failure::Failure,
};

const DOORS: [&str; 8] = ["path", "forward", "connect", "tunnel", "api", "mcp", "cli", "admin"];

const OUTCOMES: [&str; 8] =
    ["ok", "denied", "client_abort", "upstream_error", "upstream_abort", "error", "revoked_midstream", "interrupted"];

/// Narrows the records; all that is given must fit.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub(crate) struct Filter {
    /// Alias of the credential; * and {a,b} as in scopes
    #[arg(long, value_name = "ALIAS")]
    credential: Option<Glob>,

    #[arg(long, value_name = "PREFIX", help = "How the caller's key begins, as in vk_a1b2")]
    key: Option<String>,

    /// Name of the caller
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Where it came in: path, forward, connect, tunnel, api, mcp, cli, admin
    #[arg(long, value_name = "DOOR", value_parser = DOORS, ignore_case = true, hide_possible_values = true)]
    door: Option<String>,

    #[arg(long, value_name = "ACTION", help = "What was done, as in http_request or credential_add")]
    action: Option<String>,

    #[arg(
        long,
        value_name = "OUTCOME",
        value_parser = OUTCOMES,
        hide_possible_values = true,
        help = "How it ended: ok, denied, client_abort, upstream_error, …"
    )]
    outcome: Option<String>,

    #[arg(long, value_name = "REASON", help = "Why it was refused, as in host_not_bound or policy_denied")]
    reason: Option<String>,

    /// Begun then or later: 30m, 24h, 7d, 2026-11-22, 2026-11-22T10:30:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    since: Option<When>,

    /// Begun before then
    #[arg(long, value_name = "TIME", value_parser = parse_when)]
    until: Option<When>,

    /// Stands anywhere in the line
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
}

impl Filter {
    /// # Errors
    /// No record can fit.
    pub(crate) fn at(&self, clock: Clock) -> Result<read::Filter, Failure> {
        let now = clock.now();
        let (since, until) = (self.since.map(|it| it.at(now)), self.until.map(|it| it.at(now)));
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            let what = format!("--since is {since}, and --until is {until}: nothing lies between them");
            return Err(Failure::usage(what, "--since is the earlier one"));
        }
        Ok(read::Filter {
            credential: self.credential.clone(),
            key: self.key.clone(),
            name: self.name.clone(),
            door: self.door.clone(),
            action: self.action.clone(),
            outcome: self.outcome.clone(),
            reason: self.reason.clone(),
            since,
            until,
            text: self.text.clone(),
        })
    }
}

/// A time, or how long ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum When {
    At(Timestamp),
    Ago(SignedDuration),
}

impl When {
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Times without a zone are UTC, as those in the log.
pub(crate) fn parse_when(text: &str) -> Result<When, String> {
    if let Some(duration) = ago(text) {
        return Ok(When::Ago(duration));
    }
    let civil = || text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp());
    let time = text.parse().ok().or_else(civil);
    time.map(When::At).ok_or_else(|| "write it as 30m, 24h, 7d, 2w, 2026-11-22 or 2026-11-22T10:30:00Z".to_owned())
}

fn ago(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return None,
    };
    let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(number) * seconds))
}

/// That the log cannot be read.
pub(crate) fn unreadable(log: &Path) -> impl FnOnce(std::io::Error) -> Failure + '_ {
    |source| Failure::File { action: "read", path: log.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::cli::audit::filter::parse_when;

    #[test]
    fn times_are_told_in_several_ways() {
        let now: Timestamp = "2026-11-22T10:30:00Z".parse().unwrap();
        for (text, expected) in [
            ("30m", "2026-11-22T10:00:00Z"),
            ("24h", "2026-11-21T10:30:00Z"),
            ("7d", "2026-11-15T10:30:00Z"),
            ("2w", "2026-11-08T10:30:00Z"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-11-22T09:00", "2026-11-22T09:00:00Z"),
            ("2026-11-22 09:00:01", "2026-11-22T09:00:01Z"),
            ("2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00Z"),
        ] {
            assert_eq!(parse_when(text).unwrap().at(now), expected.parse().unwrap(), "{text}");
        }
        for text in ["", "d", "-1d", "7", "7x", "yesterday", "2026-13-01"] {
            assert!(parse_when(text).is_err(), "{text}");
        }
    }
}
