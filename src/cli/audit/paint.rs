//! A line of the log in colours: what matters stands out, and what is unknown fades.

use std::fmt::Write as _;

const DIM: &str = "2";
const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// The same words with the codes of a terminal around them.
pub(crate) fn painted(line: &str) -> String {
    let mut text = String::with_capacity(line.len() * 2);
    for (at, word) in line.split(' ').enumerate() {
        if at > 0 {
            text.push(' ');
        }
        match colour(at, word) {
            // Writing into a string cannot fail.
            Some(code) => write!(text, "\x1b[{code}m{word}\x1b[0m").unwrap_or_default(),
            None => text.push_str(word),
        }
    }
    text
}

fn colour(at: usize, word: &str) -> Option<&'static str> {
    let Some((name, value)) = word.split_once('=') else { return Some(if at == 0 { DIM } else { BOLD }) };
    match (name, value) {
        (_, "-") | ("mac" | "seq" | "id" | "gen" | "rev", _) => Some(DIM),
        ("credential", _) => Some(CYAN),
        ("outcome", _) => Some(of_outcome(value)),
        ("reason" | "policy", _) => Some(RED),
        _ => None,
    }
}

/// Good, bad, or neither.
fn of_outcome(outcome: &str) -> &'static str {
    match outcome {
        "ok" => GREEN,
        "denied" | "error" | "revoked_midstream" => RED,
        _ => YELLOW,
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::audit::paint::painted;

    #[test]
    fn colours_change_no_word() {
        let line = "2026-11-22T10:30:00.123Z PATH http_request credential=a method=- outcome=denied reason=unbound";
        let mut plain = painted(line);
        assert!(plain.contains("\x1b[31moutcome=denied\x1b[0m") && plain.contains("\x1b[36mcredential=a\x1b[0m"));
        for code in ["0", "1", "2", "31", "36"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, line);
    }
}
