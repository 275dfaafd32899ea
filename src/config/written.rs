//! A path as a person writes it in the configuration file.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::error::Problem;

/// May begin with `~/`, and relative ones start at the folder of the file that they stand in.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct WrittenPath(PathBuf);

/// What written paths start at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roots<'a> {
    /// For `~`.
    pub(crate) home: Option<&'a Path>,
    /// For relative ones.
    pub(crate) folder: &'a Path,
}

impl WrittenPath {
    pub(crate) fn new(written: PathBuf) -> Self {
        Self(written)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    /// The path that is meant.
    pub(crate) fn resolve(&self, roots: Roots<'_>) -> Result<PathBuf, Problem> {
        let Some(first) = self.0.components().next() else {
            return Err(Problem::new("this path is empty").help("remove the line to get the default"));
        };
        match first.as_os_str().to_str() {
            Some("~") => {
                let home = roots.home.ok_or_else(|| {
                    Problem::new("`~` means nothing here, for HOME is not set").help("write the whole path")
                })?;
                Ok(self.0.strip_prefix("~").map_or_else(|_| home.to_owned(), |rest| home.join(rest)))
            }
            Some(user) if user.starts_with('~') => Err(Problem::new(format!("`{user}` is not expanded"))
                .help("only `~/…`, your own home folder, is; write the whole path")),
            _ => Ok(roots.folder.join(&self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use crate::config::written::{Roots, WrittenPath};

    fn resolve(text: &str, home: Option<&str>) -> Option<PathBuf> {
        let roots = Roots { home: home.map(Path::new), folder: Path::new("/etc/vultrino") };
        WrittenPath(PathBuf::from(text)).resolve(roots).ok()
    }

    #[test]
    fn a_tilde_is_the_home_folder_and_relative_paths_start_at_the_file() {
        let home = Some("/home/ada");
        assert_eq!(resolve("~/a/b", home), Some(PathBuf::from("/home/ada/a/b")));
        assert_eq!(resolve("~", home), Some(PathBuf::from("/home/ada")));
        assert_eq!(resolve("a/~/b", home), Some(PathBuf::from("/etc/vultrino/a/~/b")));
        assert_eq!(resolve("/a", None), Some(PathBuf::from("/a")));
    }

    #[test]
    fn what_cannot_be_expanded_is_refused() {
        assert_eq!(resolve("~/a", None), None);
        assert_eq!(resolve("~bob/a", Some("/home/ada")), None);
        assert_eq!(resolve("", Some("/home/ada")), None);
    }
}
