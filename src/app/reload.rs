//! The configuration is read anew while the server runs: taken as a whole if it is good, else the old one stays.

use std::{error::Error as _, fmt};

use crate::{
    app::{difference, published::Published},
    audit::{Door, Outcome, Recorder},
    config::{Config, ConfigError, Loaded, Origin, Seen},
    exchange::Part,
    identity::Principal,
};

/// Reads the configuration from where it was read at the start.
pub type Load<'a> = Box<dyn Fn() -> Result<Loaded, ConfigError> + 'a>;

/// Looks at the files and reads them.
pub struct Reload<'a> {
    load: Load<'a>,
    recorder: Recorder,
    /// Of what is in force.
    origin: Origin,
    /// The files that were read last, with success or not, as they were at the last look.
    looked: Vec<Seen>,
    /// Whether they are to be read, once nobody writes to them.
    due: bool,
    /// What was wrong the last time. Then it is tried at every look: what is missing may lie in a file that is not known.
    wrong: Option<String>,
}

impl<'a> Reload<'a> {
    /// `origin` is that of the configuration in force.
    pub fn new(load: Load<'a>, recorder: Recorder, origin: Origin) -> Self {
        Self { load, recorder, looked: origin.seen.clone(), origin, due: false, wrong: None }
    }

    /// Reads the files if they have changed since, and no longer do.
    pub fn look(&mut self, published: &Published) {
        let now = again(&self.looked);
        if now != self.looked {
            self.looked = now;
            self.due = true;
        } else if self.due || self.wrong.is_some() {
            self.read(published);
        }
    }

    /// Reads the files although they have not changed; if they have, as soon as nobody writes to them any more.
    pub fn read_anew(&mut self, published: &Published) {
        let is_quiet = !self.due && again(&self.looked) == self.looked;
        self.due = true;
        if is_quiet {
            self.read(published);
        }
    }

    fn read(&mut self, published: &Published) {
        self.due = false;
        // Reading it would find nothing, or wait for ever.
        if let Some(path) = self.looked.iter().find_map(Seen::stream) {
            return self.refuse(&format!("{} is a pipe, which can be read but once", path.display()), published);
        }
        let Loaded { config, origin } = match (self.load)() {
            Ok(loaded) => loaded,
            Err(error) => return self.refuse(&told(&error), published),
        };
        let is_settled = origin.seen.iter().all(|it| self.looked.contains(it)) && again(&origin.seen) == origin.seen;
        self.looked.clone_from(&origin.seen);
        if !is_settled {
            // A file that was not known, or that has changed just now, may be in the middle of being written.
            self.due = true;
            return;
        }
        match self.origin.check_successor(&origin) {
            Ok(()) => self.take(config, origin, published),
            Err(error) => self.refuse(&told(&error), published),
        }
    }

    /// No record, no change.
    fn take(&mut self, config: Config, origin: Origin, published: &Published) {
        let mut entry = match self.recorder.open(Door::Admin, "config_reload") {
            Ok(entry) => entry,
            Err(unavailable) => return self.keep(unavailable.to_string(), published),
        };
        entry.record.set_name(Principal::Local.name());
        entry.arm();
        let before = published.config();
        let (config, fixed) = within(&before, config);
        let changed = difference::of_configs(&before, &config);
        published.configure(config);
        entry.record.generation = published.snapshot().generation();
        let generation = entry.record.generation;
        entry.close(Outcome::Ok);
        self.wrong = None;
        warn_of_unmatched(&origin);
        self.origin = origin;
        published.parts().health().set(Part::Config, false);
        tracing::info!(generation, %changed, "the configuration was read anew and is in force");
        if !fixed.is_empty() {
            let settings = fixed.join(", ");
            tracing::warn!(%settings, "these settings have changed, too, and count from the next start on");
        }
    }

    fn refuse(&mut self, what: &str, published: &Published) {
        if self.wrong.as_deref() != Some(what) {
            match self.recorder.open(Door::Admin, "config_reload") {
                Ok(mut entry) => {
                    entry.record.set_name(Principal::Local.name());
                    entry.record.reason = Some("invalid_request");
                    entry.record.generation = published.snapshot().generation();
                    entry.close(Outcome::Denied);
                }
                Err(error) => tracing::debug!(%error, "a bad configuration is not on the record"),
            }
        }
        self.keep(what.to_owned(), published);
    }

    fn keep(&mut self, what: String, published: &Published) {
        published.parts().health().set(Part::Config, true);
        if self.wrong.as_ref() != Some(&what) {
            tracing::error!("the configuration cannot be taken, the last one stays in force: {what}");
            self.wrong = Some(what);
        }
    }
}

impl fmt::Debug for Reload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("looked", &self.looked).field("wrong", &self.wrong).finish_non_exhaustive()
    }
}

fn again(seen: &[Seen]) -> Vec<Seen> {
    seen.iter().map(Seen::again).collect()
}

/// A folder without policies may be meant, or be the wrong one.
pub(crate) fn warn_of_unmatched(origin: &Origin) {
    for pattern in origin.unmatched() {
        tracing::warn!(pattern = %pattern.display(), "no file fits this pattern of [policy] include, so it brings no policies");
    }
}

/// The place, the trouble, what lies behind it, what to do.
fn told(error: &ConfigError) -> String {
    let place = error.place().map(|it| format!("{it}: ")).unwrap_or_default();
    let mut text = format!("{place}{error}");
    let mut cause = error.source();
    while let Some(it) = cause {
        text = format!("{text}: {it}");
        cause = it.source();
    }
    text + &error.help().map(|it| format!(" ({it})")).unwrap_or_default()
}

/// The new configuration as far as it can be in force without a start, and the keys of what cannot.
fn within(running: &Config, mut new: Config) -> (Config, Vec<&'static str>) {
    let mut fixed = Vec::new();
    let mut keep = |key, differs| {
        if differs {
            fixed.push(key);
        }
    };
    keep("server.bind", new.server.bind != running.server.bind);
    keep("server.mode", new.server.mode != running.server.mode);
    keep("server.socket", new.server.socket != running.server.socket);
    keep("storage.file.path", new.storage.path != running.storage.path);
    keep("logging.level", new.logging.level != running.logging.level);
    keep("logging.format", new.logging.format != running.logging.format);
    keep("logging.audit_file", new.logging.audit_file != running.logging.audit_file);
    keep("upstream.allow_private", new.upstream.allow_private != running.upstream.allow_private);
    keep("upstream.ca_file", new.upstream.ca_file != running.upstream.ca_file);
    keep("upstream.connect_timeout", new.upstream.connect_timeout != running.upstream.connect_timeout);
    keep("upstream.proxy", new.upstream.proxy != running.upstream.proxy);
    keep("upstream.no_proxy", new.upstream.no_proxy != running.upstream.no_proxy);
    keep("upstream.reuse", new.upstream.reuse != running.upstream.reuse);
    keep("mcp.enabled", new.mcp.enabled != running.mcp.enabled);
    keep("mcp.transport", new.mcp.transport != running.mcp.transport);
    new.server.bind = running.server.bind;
    new.server.mode = running.server.mode;
    new.server.socket.clone_from(&running.server.socket);
    new.storage = running.storage.clone();
    new.logging = running.logging.clone();
    new.upstream = running.upstream.clone();
    new.mcp = running.mcp.clone();
    new.data_dir.clone_from(&running.data_dir);
    (new, fixed)
}
