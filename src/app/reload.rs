//! The configuration is read anew while the server runs: taken as a whole if it is good, else the old one stays.

use std::{error::Error as _, fmt};

use crate::{
    app::published::Published,
    audit::{Door, Outcome, Recorder},
    config::{Config, ConfigError, Loaded, Seen},
    exchange::Part,
    identity::Principal,
};

/// Reads the configuration from where it was read at the start.
pub type Load<'a> = Box<dyn Fn() -> Result<Loaded, ConfigError> + 'a>;

/// Looks at the files and reads them.
pub struct Reload<'a> {
    load: Load<'a>,
    recorder: Recorder,
    /// As the files were when they were read last.
    seen: Vec<Seen>,
    /// As they were when what is in force was read.
    good: Vec<Seen>,
    /// As they are, if that is news: they are read once nobody writes to them.
    unsettled: Option<Vec<Seen>>,
    /// What was wrong the last time. Then it is tried at every look: what is missing may lie in a file that is not known.
    wrong: Option<String>,
}

impl<'a> Reload<'a> {
    /// `seen` are the files of the configuration in force.
    pub fn new(load: Load<'a>, recorder: Recorder, seen: Vec<Seen>) -> Self {
        Self { load, recorder, good: seen.clone(), seen, unsettled: None, wrong: None }
    }

    /// Reads the files if they have changed since, and no longer do.
    pub fn look(&mut self, published: &Published) {
        let now: Vec<Seen> = self.seen.iter().map(Seen::again).collect();
        let changed = now != self.seen;
        if changed && self.unsettled.as_ref() != Some(&now) {
            self.unsettled = Some(now);
        } else if changed || self.wrong.is_some() {
            self.read(published);
        }
    }

    /// Reads the files.
    pub fn read(&mut self, published: &Published) {
        self.unsettled = None;
        let before: Vec<Seen> = self.seen.iter().map(Seen::again).collect();
        match (self.load)() {
            Ok(loaded) => {
                if let Some(gone) = self.gone(&loaded.seen) {
                    self.refuse(gone, published);
                } else if self.take(loaded.config, published) {
                    self.good.clone_from(&loaded.seen);
                }
                self.seen = loaded.seen;
            }
            Err(error) => {
                self.seen = before;
                self.refuse(told(&error), published);
            }
        }
    }

    /// What went away of the files and folders that are still asked for. At a start it is as if they had never been; a
    /// server that runs would lose its policies by an accident.
    fn gone(&self, now: &[Seen]) -> Option<String> {
        let gone = now
            .iter()
            .find(|it| it.is_missing() && self.good.iter().any(|old| old.path() == it.path() && !old.is_missing()))?;
        Some(format!("{} is gone (put it back, or start anew to do without it)", gone.path().display()))
    }

    /// Whether it was taken: no record, no change.
    fn take(&mut self, config: Config, published: &Published) -> bool {
        let mut entry = match self.recorder.open(Door::Admin, "config_reload") {
            Ok(entry) => entry,
            Err(unavailable) => {
                self.keep(unavailable.to_string(), published);
                return false;
            }
        };
        entry.record.name = Some(Principal::Local.name());
        entry.arm();
        let (config, fixed) = within(&published.config(), config);
        published.configure(config);
        entry.record.generation = published.snapshot().generation();
        let generation = entry.record.generation;
        entry.close(Outcome::Ok);
        self.wrong = None;
        published.parts().health().set(Part::Config, false);
        tracing::info!(generation, "the configuration was read anew and is in force");
        if !fixed.is_empty() {
            let settings = fixed.join(", ");
            tracing::warn!(%settings, "these settings have changed, too, and count from the next start on");
        }
        true
    }

    fn refuse(&mut self, what: String, published: &Published) {
        if self.wrong.as_ref() != Some(&what) {
            match self.recorder.open(Door::Admin, "config_reload") {
                Ok(mut entry) => {
                    entry.record.name = Some(Principal::Local.name());
                    entry.record.reason = Some("invalid_request");
                    entry.record.generation = published.snapshot().generation();
                    entry.close(Outcome::Denied);
                }
                Err(error) => tracing::debug!(%error, "a bad configuration is not on the record"),
            }
        }
        self.keep(what, published);
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
        f.debug_struct("Reload").field("seen", &self.seen).field("wrong", &self.wrong).finish_non_exhaustive()
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
    keep("logging.audit_file", new.logging.audit_file != running.logging.audit_file);
    keep("upstream.allow_private", new.upstream.allow_private != running.upstream.allow_private);
    keep("upstream.ca_file", new.upstream.ca_file != running.upstream.ca_file);
    keep("upstream.connect_timeout", new.upstream.connect_timeout != running.upstream.connect_timeout);
    new.server.bind = running.server.bind;
    new.server.mode = running.server.mode;
    new.server.socket.clone_from(&running.server.socket);
    new.storage = running.storage.clone();
    new.logging = running.logging.clone();
    new.upstream = running.upstream.clone();
    new.data_dir.clone_from(&running.data_dir);
    (new, fixed)
}
