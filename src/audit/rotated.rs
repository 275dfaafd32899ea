//! The files that logrotate and its like made of the log: which there are, and which came first.

use std::{
    cmp::Reverse,
    fs, io,
    path::{Path, PathBuf},
};

/// What compressed files are called; nothing here reads them.
const COMPRESSED: [&str; 6] = ["gz", "xz", "zst", "bz2", "lz4", "Z"];

/// The log and what was the log before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Files {
    /// Oldest first; the log itself, if there is one, is the last.
    pub readable: Vec<PathBuf>,
    /// Oldest first.
    pub compressed: Vec<PathBuf>,
}

impl Files {
    /// Finds `audit.log`, `audit.log.1`, `audit.log.2` … and `audit.log-20261122` … by their names alone.
    pub fn of(log: &Path) -> io::Result<Self> {
        let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found: Vec<(Age, PathBuf)> = Vec::new();
        let mut files = Self::default();
        for entry in fs::read_dir(folder_of(log))? {
            let path = entry?.path();
            let other = path.file_name().unwrap_or_default().to_string_lossy();
            if let Some(age) = other.strip_prefix(&name).and_then(age)
                && path.is_file()
            {
                found.push((age, path));
            }
        }
        found.sort();
        for (age, path) in found {
            if age.compressed { files.compressed.push(path) } else { files.readable.push(path) }
        }
        if log.is_file() {
            files.readable.push(log.to_owned());
        }
        Ok(files)
    }

    /// Newest first: those that may hold what the log held a moment ago.
    pub(crate) fn before<'a>(&'a self, log: &'a Path) -> impl Iterator<Item = &'a Path> {
        self.readable.iter().rev().map(PathBuf::as_path).filter(move |it| *it != log)
    }
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Orders from old to new: numbers, of which the greatest is the oldest, then dates.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Age {
    number: Reverse<Option<u64>>,
    date: Option<String>,
    compressed: bool,
}

fn age(suffix: &str) -> Option<Age> {
    let stripped = COMPRESSED.iter().find_map(|it| suffix.strip_suffix(it)?.strip_suffix('.'));
    let (plain, compressed) = (stripped.unwrap_or(suffix), stripped.is_some());
    if let Some(number) = plain.strip_prefix('.').and_then(|it| it.parse().ok()) {
        return Some(Age { number: Reverse(Some(number)), date: None, compressed });
    }
    let date = plain.strip_prefix(['-', '.'])?;
    let is_date = date.len() >= 8 && date.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_' | b'T'));
    is_date.then(|| Age { number: Reverse(None), date: Some(date.to_owned()), compressed })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::audit::rotated::Files;

    #[test]
    fn they_are_found_by_name_and_ordered_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let all = [
            "audit.log.10",
            "audit.log.2",
            "audit.log.1",
            "audit.log-20261120",
            "audit.log-20261121",
            "audit.log",
            "audit.log.3.gz",
            "audit.log.1.tmp",
            "audit.log.bak",
            "audit.log-old",
            "other.log.1",
        ];
        for name in all {
            fs::write(path(name), "").unwrap();
        }
        fs::create_dir(path("audit.log.4")).unwrap();
        let files = Files::of(&path("audit.log")).unwrap();
        assert_eq!(files.readable, all[..6].iter().map(|it| path(it)).collect::<Vec<_>>());
        assert_eq!(files.compressed, [path("audit.log.3.gz")]);
        assert_eq!(files.before(&path("audit.log")).next(), Some(&*path("audit.log-20261121")));
        fs::remove_file(path("audit.log")).unwrap();
        assert_eq!(Files::of(&path("audit.log")).unwrap().readable.len(), 5);
    }
}
