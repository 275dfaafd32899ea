//! Writing a configuration file: whole or not at all, for its owner's eyes, and never over the only copy of an older one.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tempfile::NamedTempFile;

/// Puts `text` where the configuration belongs. An older one is kept beside it, as private; its new path is returned.
pub fn save(file: &Path, text: &str, now: Timestamp) -> io::Result<Option<PathBuf>> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private_folders().create(folder)?;
    // It has mode 0600 from the start.
    let mut temporary = NamedTempFile::new_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    let kept = file.exists().then(|| backup_name(file, now));
    if let Some(kept) = &kept {
        fs::copy(file, kept)?;
        make_private(kept)?;
    }
    temporary.persist(file)?;
    Ok(kept)
}

/// `NAME.bak-20261122T103000Z`, or with a number behind it where that is taken.
pub fn backup_name(file: &Path, now: Timestamp) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(now.strftime(".bak-%Y%m%dT%H%M%SZ").to_string());
    let first = file.with_file_name(&name);
    let numbered = (2..).map(|n: u32| {
        let mut name = name.clone();
        name.push(format!("-{n}"));
        file.with_file_name(name)
    });
    std::iter::once(first.clone()).chain(numbered).find(|it| !it.exists()).unwrap_or(first)
}

fn make_private(file: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use jiff::Timestamp;

    use crate::config::save::{backup_name, save};

    #[test]
    fn an_older_file_is_kept_under_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/config.toml");
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(save(&file, "one", now).unwrap(), None);
        let first = save(&file, "two", now).unwrap().unwrap();
        let second = save(&file, "three", now).unwrap().unwrap();
        assert!(first.ends_with("config.toml.bak-19700101T000000Z"));
        assert_ne!(first, second);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!([read(&first), read(&second), read(&file)], ["one", "two", "three"]);
        assert!(backup_name(&file, now).to_str().unwrap().ends_with("Z-3"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            let kept = save(&file, "four", now).unwrap().unwrap();
            assert_eq!(fs::metadata(kept).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
