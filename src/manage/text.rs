//! Texts for people, bounded so that they fit on a screen and cannot disguise what stands beside them.

use crate::manage::ManageError;

const LONGEST_DESCRIPTION: usize = 1000;
const LONGEST_NAME: usize = 64;

/// What becomes of a text that may be missing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Description {
    /// It stays.
    #[default]
    Keep,
    /// There is none from now on.
    Clear,
    /// This one takes its place.
    Set(String),
}

impl Description {
    /// Does it to `text`.
    pub fn apply(&self, text: &mut Option<String>) {
        match self {
            Self::Keep => (),
            Self::Clear => *text = None,
            Self::Set(new) => *text = Some(new.clone()),
        }
    }
}

/// Takes a description.
pub(crate) fn check_description(text: Option<&str>) -> Result<(), ManageError> {
    let bad = |text: &str| text.chars().count() > LONGEST_DESCRIPTION || text.chars().any(char::is_control);
    if text.is_some_and(bad) { Err(ManageError::Description) } else { Ok(()) }
}

/// Takes the name of a key.
pub(crate) fn check_key_name(name: &str) -> Result<(), ManageError> {
    let fits = !name.is_empty() && name.chars().count() <= LONGEST_NAME;
    if fits && name.trim() == name && name.chars().all(is_seen) { Ok(()) } else { Err(ManageError::KeyName) }
}

/// Not so for what ends a line, has no width, or turns the direction of writing.
pub fn is_seen(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use crate::manage::text::{check_description, check_key_name};

    #[test]
    fn names_of_keys_can_be_seen() {
        let longest = "é".repeat(64);
        for name in ["a", "my app", "Größe – 2", "claude-agent", "日本", longest.as_str()] {
            assert!(check_key_name(name).is_ok(), "{name}");
        }
        let too_long = "a".repeat(65);
        for name in ["", " ", " a", "a ", "a\n", "a\tb", "a\0", "a\u{202e}b", "\u{200b}", "\u{1b}[1m", &too_long] {
            assert!(check_key_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn descriptions_are_one_line() {
        assert!(check_description(Some(&"x".repeat(1000))).is_ok() && check_description(None).is_ok());
        assert!(check_description(Some(&"x".repeat(1001))).is_err() && check_description(Some("a\nb")).is_err());
    }
}
