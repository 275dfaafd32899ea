//! A configuration file as a tree that knows where each key stands, so that whatever is wrong can be underlined.

use std::{ops::Range, path::Path};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer},
};

use crate::config::{
    duplicate,
    error::{ConfigError, Problem},
    excerpt::Excerpt,
    later,
};

/// One parsed file.
pub(crate) struct Document<'t> {
    root: Spanned<DeTable<'t>>,
    map: Map<'t>,
}

/// Where the keys of a file stand; outlives the tree.
pub(crate) struct Map<'t> {
    file: &'t Path,
    text: &'t str,
    keys: Vec<Key>,
}

/// Keys whose values hold passwords: they are never shown, whatever is wrong.
const SECRET: [&str; 1] = ["upstream.proxy"];

pub(crate) struct Key {
    /// With dots: `storage.file.path`.
    pub(crate) path: String,
    pub(crate) name: Range<usize>,
    value: Range<usize>,
    is_text: bool,
}

impl<'t> Document<'t> {
    /// Reads the syntax.
    pub(crate) fn parse(file: &'t Path, text: &'t str) -> Result<Self, ConfigError> {
        let mut map = Map { file, text, keys: Vec::new() };
        let root = DeTable::parse(text).map_err(|error| {
            let at = visible(text, error.span().unwrap_or_default());
            let twice = if error.message() == duplicate::MESSAGE { duplicate::problem(text, &at) } else { None };
            let problem = twice.unwrap_or_else(|| Problem::new(format!("this is not TOML: {}", error.message())));
            problem.placed(map.source(without_secrets(text)), at)
        })?;
        walk(root.get_ref(), "", &mut map.keys);
        Ok(Self { root, map })
    }

    /// Takes a key out of the tree; it can still be underlined.
    pub(crate) fn take(&mut self, path: &str) -> Option<DeValue<'t>> {
        let mut table = self.root.get_mut();
        let mut names = path.split('.').peekable();
        loop {
            let name = names.next()?;
            if names.peek().is_none() {
                return table.remove(name).map(Spanned::into_inner);
            }
            table = match table.get_mut(name)?.get_mut() {
                DeValue::Table(inner) => inner,
                _ => return None,
            };
        }
    }

    /// Reads what is left in the tree.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<(T, Map<'t>), ConfigError> {
        match T::deserialize(Deserializer::from(self.root)) {
            Ok(it) => Ok((it, self.map)),
            Err(error) => Err(self.map.explain(&error)),
        }
    }

    pub(crate) fn map(&self) -> &Map<'t> {
        &self.map
    }
}

impl Map<'_> {
    /// The file itself.
    pub(crate) fn file(&self) -> &Path {
        self.file
    }

    /// Underlines the value of a key, or tells the problem without a place where the key is not in the file.
    pub(crate) fn at_value(&self, path: &str, problem: Problem) -> ConfigError {
        match self.keys.iter().find(|it| it.path == path) {
            Some(key) => problem.placed(self.source(self.text.to_owned()), key.value.clone()),
            None => problem.anywhere(),
        }
    }

    /// The same, for the value under this path of the element with this place in a list of tables, if each has one.
    pub(crate) fn at_nth_value(&self, path: &str, nth: usize, problem: Problem) -> ConfigError {
        match self.keys.iter().filter(|it| it.path == path).nth(nth) {
            Some(key) => problem.placed(self.source(self.text.to_owned()), key.value.clone()),
            None => problem.anywhere(),
        }
    }

    /// Underlines a key that means nothing (yet). Its value may be anything, a password too: it is not shown.
    pub(crate) fn at_key(&self, path: &str, problem: Problem) -> ConfigError {
        let Some(key) = self.keys.iter().find(|it| it.path == path) else {
            return problem.anywhere();
        };
        let mut text = self.text.to_owned();
        if key.is_text {
            star(&mut text, key.value.clone());
        }
        problem.placed(self.source(text), key.name.clone())
    }

    /// From now on the value of this key comes from elsewhere.
    pub(crate) fn forget(&mut self, path: &str) {
        self.keys.retain(|it| it.path != path);
    }

    fn source(&self, mut text: String) -> Excerpt {
        for key in self.keys.iter().filter(|it| SECRET.contains(&it.path.as_str())) {
            star(&mut text, key.value.clone());
        }
        Excerpt { name: self.file.display().to_string(), text }
    }

    fn explain(&self, error: &toml::de::Error) -> ConfigError {
        let at = error.span().unwrap_or_default();
        let key = self.keys.iter().find(|it| it.name == at);
        if let (Some(key), Some(known)) = (key, error.message().strip_prefix("unknown field ")) {
            return self.at_key(&key.path, unknown_key(&key.path, known));
        }
        let path = self.keys.iter().filter(|it| it.value.start <= at.start && at.end <= it.value.end);
        let path = path.min_by_key(|it| it.value.len()).map_or("this".to_owned(), |it| shortened(&it.path));
        let path = path.as_str();
        let problem = match error.message().strip_prefix("unknown variant ") {
            Some(known) => unknown_value(path, known),
            None => Problem::new(format!("`{path}` is not valid: {}", in_words(error.message()))),
        };
        problem.placed(self.source(self.text.to_owned()), at)
    }
}

/// The text of a file in which no keys can be told: what stands on a line behind a name of [`SECRET`] is not shown.
fn without_secrets(text: &str) -> String {
    let mut shown = text.to_owned();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let names = SECRET.iter().filter_map(|it| it.rsplit('.').next());
        let begins = names.filter_map(|it| line.find(it)).min();
        if let Some(at) = begins.and_then(|at| Some(at + line[at..].find('=')? + 1)) {
            star(&mut shown, start + at..start + line.trim_end().len());
        }
        start += line.len();
    }
    shown
}

/// With as many bytes as before, so that every other place stays where it is.
fn star(text: &mut String, at: Range<usize>) {
    let stars: String = text[at.clone()].bytes().map(|it| if it == b'\n' { '\n' } else { '*' }).collect();
    text.replace_range(at, &stars);
}

/// Without the middle of what stands deep inside others.
fn shortened(path: &str) -> String {
    let names: Vec<&str> = path.split('.').collect();
    match names.as_slice() {
        [first, second, third, _, _, .., last] if names.len() > 6 => format!("{first}.{second}.{third}.….{last}"),
        _ => path.to_owned(),
    }
}

/// Something to underline where the place is the end of a line or of the file: what stands last before it.
fn visible(text: &str, at: Range<usize>) -> Range<usize> {
    let before = text.get(..at.start).unwrap_or_default().trim_end();
    match before.chars().next_back() {
        Some(last) if at.is_empty() => before.len() - last.len_utf8()..before.len(),
        _ => at,
    }
}

/// All keys of a table and of those in it; `prefix` is the path of the table.
pub(crate) fn walk(table: &DeTable<'_>, prefix: &str, keys: &mut Vec<Key>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{key}") };
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, &path, keys),
            DeValue::Array(items) => walk_list(items, &path, keys),
            _ => (),
        }
        keys.push(Key { path, name: key.span(), value: value.span(), is_text: value.get_ref().is_str() });
    }
}

/// Tables in a list are told apart by their places in the file alone.
fn walk_list(items: &DeArray<'_>, path: &str, keys: &mut Vec<Key>) {
    for item in items {
        match item.get_ref() {
            DeValue::Table(inner) => walk(inner, path, keys),
            DeValue::Array(inner) => walk_list(inner, path, keys),
            _ => (),
        }
    }
}

/// `known` is the rest of serde's message: `` `bnd`, expected one of `bind`, `mode` ``.
fn unknown_key(path: &str, known: &str) -> Problem {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    let names = quoted(known).skip(1).chain(later::keys_of(section));
    Problem::new(format!("unknown key `{path}`")).label("not a key of Vultrino").help(suggestion(name, names))
}

fn unknown_value(path: &str, known: &str) -> Problem {
    let mut words = quoted(known);
    let value = words.next().unwrap_or_default();
    Problem::new(format!("`{path}` cannot be `{value}`")).help(suggestion(value, words))
}

/// serde puts every name between backquotes; a name never holds one.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// serde names Rust's types.
fn in_words(message: &str) -> String {
    let number =
        |type_name: &str, most: u64| (format!("expected {type_name}"), format!("expected a whole number up to {most}"));
    [number("u16", u16::MAX.into()), number("u32", u32::MAX.into()), number("u64", i64::MAX.cast_unsigned())]
        .into_iter()
        .fold(message.to_owned(), |text, (from, to)| text.replace(&from, &to))
}

fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().map(|it| (strsim::jaro_winkler(given, it), it)).max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, name)) if likeness > 0.8 => format!("did you mean `{name}`?"),
        _ if known.is_empty() => "no keys are allowed here; remove it".to_owned(),
        _ => format!("known here: {}", known.join(", ")),
    }
}
