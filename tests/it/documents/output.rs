//! Whether what was printed is what a page shows, in which `…` stands for what nobody can know.

/// Whether each line is as shown, with `…` for any text in it; a line that is `…` alone stands for any lines. How wide
/// blanks are does not matter: columns move with what stands in them.
pub(crate) fn matches(shown: &str, printed: &str) -> bool {
    let narrow = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = |text: &str| text.trim().lines().map(narrow).collect::<Vec<_>>();
    all(&lines(shown), &lines(printed))
}

fn all(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "…" => (0..=printed.len()).any(|skip| all(rest, &printed[skip..])),
        Some((first, rest)) => printed.split_first().is_some_and(|(line, after)| one(first, line) && all(rest, after)),
    }
}

fn one(shown: &str, line: &str) -> bool {
    let Some((begin, rest)) = shown.split_once('…') else { return shown == line };
    let Some(mut line) = line.strip_prefix(begin) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = line.find(part) else { return false };
        line = &line[at + part.len()..];
    }
    line.ends_with(end)
}

#[test]
fn an_ellipsis_stands_for_what_nobody_can_know() {
    for (shown, printed) in [
        ("a b\nc\n", " a   b\nc"),
        ("a…d", "abcd"),
        ("…b…d…", "abcde"),
        ("a\n…\nd\n", "a\nb\nc\nd\n"),
        ("…\nd\n", "d\n"),
        ("a…", "a "),
    ] {
        assert!(matches(shown, printed), "{shown:?} {printed:?}");
    }
    for (shown, printed) in
        [("a", "b"), ("a", "a\nb"), ("a\nb", "a"), ("a…d", "abc"), ("…b…b", "ab"), ("…\nd", "d\ne"), ("ab…b", "ab")]
    {
        assert!(!matches(shown, printed), "{shown:?} {printed:?}");
    }
}
