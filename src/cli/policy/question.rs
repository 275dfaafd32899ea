//! A request to be judged, as it is put on the command line.

use http::Method;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{
    base::target::Target,
    cli::{context::Context, failure::Failure},
    config::{Config, password},
    credential::{Alias, Credential},
    identity::Principal,
    policy::{Examination, Question, examine},
    store::FileStore,
};

/// A request that nobody makes.
pub(crate) struct Asked {
    alias: Alias,
    target: Target,
    method: Method,
    now: Timestamp,
}

impl Asked {
    /// Reads what was typed.
    pub(crate) fn new(
        alias: &str,
        url: &str,
        method: &Method,
        at: Option<&str>,
        context: &Context,
    ) -> Result<Self, Failure> {
        let alias =
            alias.parse().map_err(|error| Failure::usage(format!("`{alias}`: {error}"), "name a credential"))?;
        let target = Target::parse(url).map_err(|error| {
            Failure::usage(format!("the URL cannot be used: {error}"), "write it as https://host/path")
        })?;
        let now = at.map_or_else(|| Ok(context.clock.now()), time)?;
        Ok(Self { alias, target, method: method.clone(), now })
    }

    /// Asks the policies of the configuration, and the binding of the credential if the store can be read.
    pub(crate) fn examine(&self, config: &Config, context: &mut Context) -> Result<Examination, Failure> {
        let credential = self.credential(config, context)?;
        let question = Question {
            alias: &self.alias,
            credential: credential.as_ref(),
            principal: &Principal::Local,
            target: &self.target,
            method: &self.method,
            now: self.now,
        };
        Ok(examine(&config.policies, &question, None))
    }

    fn credential(&self, config: &Config, context: &mut Context) -> Result<Option<Credential>, Failure> {
        let unchecked = |why: &str| format!("{why}: the hosts that it is bound to were not checked");
        if !FileStore::exists(&config.storage.path) {
            let path = config.storage.path.display();
            context.output.note(unchecked(&format!("there is no credential store at {path}")));
            return Ok(None);
        }
        let Some(password) = password::storage_password(&mut context.environment)? else {
            context.output.note(unchecked("the storage password is not set"));
            return Ok(None);
        };
        let records = FileStore::open_configured(&config.storage.path, &password, config.storage.kdf)?.load()?;
        let found = records.credentials.iter().find(|it| it.facts.alias == self.alias);
        if found.is_none() {
            context.output.note(unchecked(&format!("there is no credential {}", self.alias)));
        }
        Ok(found.map(|it| it.facts.clone()))
    }
}

/// A point in time, or what the wall clock of this machine shows then.
fn time(text: &str) -> Result<Timestamp, Failure> {
    let wrong = || {
        Failure::usage(
            format!("`{text}` is not a time"),
            "write 2026-03-29T02:30:00Z, 2026-03-29T02:30+01:00, or 2026-03-29T02:30 for the zone of this machine",
        )
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let wall: DateTime = text.parse().or(Err(wrong()))?;
    Ok(wall.to_zoned(TimeZone::system()).or(Err(wrong()))?.timestamp())
}
