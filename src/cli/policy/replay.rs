//! `vultrino policy replay`: the policies of today over the requests of an audit log.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use http::Method;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    audit::{
        event::Fields,
        read::{Filter, Reader},
    },
    base::target::Target,
    cli::{context::Context, failure::Failure},
    config::Part,
    credential::Alias,
    policy::{
        Action, Denial,
        replay::{Past, Replay},
    },
};

/// Show which requests of an audit log today's policies would judge differently
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Audit log, with what was rotated away beside it; the one of the configuration if it is left out
    #[arg(value_name = "AUDIT_FILE")]
    file: Option<PathBuf>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Only policies are asked: what was refused for another reason is left out. Rates count by the
times of the log; what a query held is not in the log.

Examples:
  vultrino policy replay
  vultrino --config new.toml policy replay /var/log/vultrino/audit.log.1
  vultrino policy replay --json | jq '.changes[] | select(.now == \"deny\") | .url'";

/// What one line tells.
struct Line<'a> {
    at: Timestamp,
    alias: Alias,
    caller: Option<&'a str>,
    method: Method,
    url: String,
    target: Target,
    was: Action,
}

#[derive(Default, Serialize)]
struct Report {
    judged: u64,
    skipped: u64,
    denied: u64,
    allowed: u64,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    at: Timestamp,
    credential: Alias,
    method: String,
    url: String,
    was: Action,
    now: Action,
    policy: Option<String>,
    rule: Option<u16>,
    condition: Option<&'static str>,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let config = context.load(Part::Whole)?;
    let path = args.file.clone().unwrap_or(config.logging.audit_file);
    let (mut replay, mut report) = (Replay::new(&config.policies), Report::default());
    let mut told = Ok(());
    let source = read(&path, |text| {
        let Some(line) = Line::parse(text) else {
            report.skipped += 1;
            return ControlFlow::Continue(());
        };
        report.judged += 1;
        let Some(change) = changed(line, &mut replay) else { return ControlFlow::Continue(()) };
        match change.now {
            Action::Allow => report.allowed += 1,
            Action::Deny => report.denied += 1,
        }
        if args.json {
            report.changes.push(change);
        } else {
            told = context.output.line(change.told(context));
        }
        if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    told?;
    if report.judged + report.skipped == 0 && !source.is_empty {
        return Err(Failure::Refused {
            what: format!("{} is no audit log: no line of it is a record", path.display()),
            help: None,
        });
    }
    for file in &source.unread {
        context.output.warning(format_args!("compressed, so not read: {}", file.display()));
    }
    if args.json {
        return context.output.json(&report);
    }
    let Report { judged, skipped, denied, allowed, .. } = report;
    context.output.line(format_args!(
        "Judged {judged}: {denied} that were allowed would be denied, {allowed} that were denied would be allowed"
    ))?;
    if source.files.len() > 1 {
        let files: Vec<_> = source.files.iter().map(|it| it.display().to_string()).collect();
        context.output.note(format_args!("Read, oldest first: {}", files.join(", ")));
    }
    if skipped > 0 {
        context.output.note(format_args!(
            "Left out {skipped}: records that are no request, or one that no policy was asked about"
        ));
    }
    Ok(())
}

/// What was read.
struct Source {
    /// Files that belong to the log and are read, if it is more than one.
    files: Vec<PathBuf>,
    unread: Vec<PathBuf>,
    is_empty: bool,
}

/// Shows `see` the records of the log at `path` and of what was rotated away from it, or those of a pipe.
fn read(path: &Path, mut see: impl FnMut(&str) -> ControlFlow<()>) -> Result<Source, Failure> {
    let failed = |source| Failure::File { action: "read", path: path.to_owned(), source };
    let about = path.metadata().map_err(failed)?;
    if about.is_file() {
        let reader = Reader::open(path).map_err(failed)?;
        reader.oldest_first(&Filter::default(), |_| (), |it| see(it.text)).map_err(failed)?;
        let files = reader.files().map(|(path, _)| path.to_owned()).collect();
        return Ok(Source { files, unread: reader.unread().to_vec(), is_empty: reader.length() == 0 });
    }
    let mut is_empty = true;
    for line in BufReader::new(File::open(path).map_err(failed)?).split(b'\n') {
        is_empty = false;
        if let Some(record) = Fields::parse(&line.map_err(failed)?)
            && see(record.text).is_break()
        {
            break;
        }
    }
    Ok(Source { files: Vec::new(), unread: Vec::new(), is_empty })
}

fn changed(line: Line<'_>, replay: &mut Replay<'_>) -> Option<Change> {
    let Line { at, alias, caller, method, url, target, was } = line;
    let verdict = replay.judge(&Past { at, alias: &alias, caller, target: &target, method: &method });
    let now = if verdict.is_ok() { Action::Allow } else { Action::Deny };
    let why = verdict.err().and_then(|denial| match denial {
        Denial::Policy(verdict) | Denial::Rate { verdict, .. } => Some(verdict),
        Denial::Unbound | Denial::HostNotBound | Denial::Plaintext => None,
    });
    (now != was).then(|| Change {
        at,
        credential: alias,
        method: method.to_string(),
        url,
        was,
        now,
        policy: why.as_ref().map(|it| it.policy.as_ref().to_owned()),
        rule: why.as_ref().and_then(|it| it.rule),
        condition: why.as_ref().map(|it| it.condition),
    })
}

impl Change {
    fn told(&self, context: &Context) -> String {
        let Self { at, credential, method, url, .. } = self;
        let (was, now) = (self.was, context.output.verdict(self.now, 0));
        let why = match (&self.policy, self.rule, self.condition) {
            (Some(policy), Some(rule), Some(condition)) => format!(" (policy \"{policy}\", rule {rule}: {condition})"),
            (Some(policy), None, _) => format!(" (policy \"{policy}\": default action)"),
            _ => String::new(),
        };
        format!("{at} {credential} {method} {url}: {was} -> {now}{why}")
    }
}

impl<'a> Line<'a> {
    /// A request that the policies had a say about, or would have.
    fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let at = words.next()?.parse().ok()?;
        let _door = words.next()?;
        words.next().filter(|action| *action == "http_request")?;
        let value = |name: &str| {
            let mut fields = text.split(' ').skip(3);
            fields.find_map(|it| it.strip_prefix(name)?.strip_prefix('=')).filter(|it| *it != "-")
        };
        let by_policy = value("policy").is_some();
        let was = match (value("outcome")?, value("reason")) {
            ("denied", Some("policy_denied")) => Action::Deny,
            ("denied", Some("rate_limited")) if by_policy => Action::Deny,
            ("denied" | "error", _) => return None,
            _ => Action::Allow,
        };
        let url = unescaped(value("url")?)?;
        Some(Self {
            at,
            alias: value("credential")?.parse().ok()?,
            caller: value("key"),
            method: value("method")?.parse().ok()?,
            target: Target::parse(&url).ok()?,
            url,
            was,
        })
    }
}

/// Reads `\x20` as the byte that it stands for. A text that was cut, and then ends in `\...`, is not whole.
fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('\\');
    let mut whole = pieces.next()?.to_owned();
    for piece in pieces {
        let digits = piece.strip_prefix('x')?.get(..2)?;
        whole.push(char::from(u8::from_str_radix(digits, 16).ok()?));
        whole.push_str(&piece[3..]);
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use crate::{
        cli::policy::replay::{Line, unescaped},
        policy::Action,
    };

    const LINE: &str = "2026-11-22T10:30:00.123Z PATH http_request credential=github-api method=GET \
        url=https://api.github.com/user?x= source=127.0.0.1:5 key=vk_a1b2c3d4 name=ci status=200 outcome=ok reason=- \
        up=0 down=1 ms=12 id=0123456789abcdef object=- policy=- gen=1 seq=1 mac=00";

    #[test]
    fn what_a_policy_had_a_say_about_is_told_from_the_rest() {
        let was = |text: &str| Line::parse(text).map(|it| it.was);
        let refused = |reason: &str, policy: &str| {
            was(&LINE
                .replace("outcome=ok reason=-", &format!("outcome=denied reason={reason}"))
                .replace("policy=-", &format!("policy={policy}")))
        };
        assert_eq!(was(LINE), Some(Action::Allow));
        assert_eq!(was(&LINE.replace("outcome=ok", "outcome=upstream_error")), Some(Action::Allow));
        assert_eq!(refused("policy_denied", "a/1"), Some(Action::Deny));
        assert_eq!(refused("rate_limited", "a/1"), Some(Action::Deny));
        assert_eq!(refused("rate_limited", "-"), None);
        assert_eq!(refused("host_not_bound", "-"), None);
        assert_eq!(was(&LINE.replace("http_request", "credential_add")), None);
        assert_eq!(was(&LINE.replace("credential=github-api", "credential=-")), None);
        for end in 0..LINE.len() / 2 {
            assert_eq!(was(&LINE[..end]), None);
        }
        let line = Line::parse(LINE).unwrap();
        assert_eq!((line.url.as_str(), line.caller), ("https://api.github.com/user?x=", Some("vk_a1b2c3d4")));
    }

    #[test]
    fn escapes_are_undone_and_cut_texts_are_not_judged() {
        assert_eq!(unescaped("a\\x22b\\x5cc"), Some("a\"b\\c".to_owned()));
        assert_eq!(unescaped("https://h/\\..."), None);
        assert_eq!(unescaped("\\x2"), None);
    }
}
