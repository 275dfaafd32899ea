//! Settings whose behaviour is not built yet. They are refused: a setting that is accepted and ignored deceives.

use toml::de::DeValue;

use crate::config::{
    document::Document,
    error::{ConfigError, Problem},
};

/// What may already be written for such a key: only what is true anyway.
enum Accepted {
    Nothing,
    Text(&'static str),
}

use Accepted::{Nothing, Text};

const LATER: [(&str, Accepted); 5] = [
    ("web", Nothing),
    ("ca", Nothing),
    ("storage.backend", Text("file")),
    ("storage.keychain", Nothing),
    ("storage.vault", Nothing),
];

/// Takes these keys out of the document, or underlines the first that asks for more than there is.
pub(crate) fn refuse(document: &mut Document<'_>) -> Result<(), ConfigError> {
    for (path, accepted) in &LATER {
        match document.take(path) {
            Some(value) if !accepted.is(&value) => return Err(document.map().at_key(path, problem(path, accepted))),
            Some(_) | None => (),
        }
    }
    Ok(())
}

/// The names of these keys in one section, for suggestions.
pub(crate) fn keys_of(section: &str) -> impl Iterator<Item = &str> {
    LATER.iter().filter_map(move |(path, _)| {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        (parent == section).then_some(name)
    })
}

impl Accepted {
    fn is(&self, value: &DeValue<'_>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Text(text) => value.as_str() == Some(text),
        }
    }

    fn written(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(format!("\"{text}\"")),
        }
    }
}

fn problem(path: &str, accepted: &Accepted) -> Problem {
    let problem = match accepted.written() {
        None => Problem::new(format!("`{path}` is not built yet"))
            .help("remove it: Vultrino does not start with a setting that it would ignore"),
        Some(value) => Problem::new(format!("`{path}` is not built yet for any value but {value}"))
            .help(format!("write {value}, or remove the line")),
    };
    let problem = problem.label("not built yet");
    if path.starts_with("storage.") { problem.about_storage() } else { problem }
}
