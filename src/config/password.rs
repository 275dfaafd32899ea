//! The storage password, where somebody left it for a program that cannot be asked.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    base::{secret::Secret, trusted},
    config::{Environment, environment},
};

/// The name of the credential that systemd hands over (`LoadCredential=vultrino-password:…`).
pub const SYSTEMD_CREDENTIAL: &str = "vultrino-password";

/// Longer than any password; a file of this size is another file.
const LONGEST: usize = 64 * 1024;

/// Why there is no usable password.
#[derive(Debug, Error)]
pub enum PasswordError {
    /// It is there, and nothing is in it.
    #[error("the password from {0} is empty")]
    Empty(String),
    /// The file that holds it cannot be read.
    #[error("cannot read the password from {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the file {path} is too long for a password", path = .0.display())]
    TooLong(PathBuf),
}

/// Takes the password from the first source that has one: the variable, the file that a variable names, the credential
/// that systemd hands over. `None`: somebody must be asked.
pub fn storage_password(environment: &mut Environment) -> Result<Option<Secret>, PasswordError> {
    if let Some(password) = environment.password.take() {
        return not_empty(password, environment::PASSWORD).map(Some);
    }
    if let Some(path) = &environment.password_file {
        return from_file(path).map(Some);
    }
    handed_over(environment).map(|it| from_file(&it)).transpose()
}

/// Whether [`storage_password`] has a source.
pub fn is_provided(environment: &Environment) -> bool {
    environment.password.is_some() || environment.password_file.is_some() || handed_over(environment).is_some()
}

fn handed_over(environment: &Environment) -> Option<PathBuf> {
    let path = environment.credentials_directory.as_deref()?.join(SYSTEMD_CREDENTIAL);
    path.exists().then_some(path)
}

/// Takes the administrator's password from its variable.
pub fn admin_password(environment: &mut Environment) -> Result<Option<Secret>, PasswordError> {
    environment.admin_password.take().map(|it| not_empty(it, environment::ADMIN_PASSWORD)).transpose()
}

fn not_empty(password: Secret, source: &str) -> Result<Secret, PasswordError> {
    if password.is_empty() { Err(PasswordError::Empty(source.to_owned())) } else { Ok(password) }
}

fn from_file(path: &Path) -> Result<Secret, PasswordError> {
    let failed = |source| PasswordError::Read { path: path.to_owned(), source };
    let password = read_secret(trusted::open_given(path).map_err(failed)?).map_err(failed)?;
    let password = password.ok_or_else(|| PasswordError::TooLong(path.to_owned()))?;
    not_empty(password, &path.display().to_string())
}

/// Reads to the end and leaves out one line end there, which editors and `echo` add. `None` when it is too long.
pub fn read_secret(from: impl Read) -> io::Result<Option<Secret>> {
    // Room for everything, so that growing leaves no copies behind.
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    from.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Some(Secret::new(std::mem::take(&mut *bytes))))
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use crate::{
        base::secret::Secret,
        config::{
            Environment,
            password::{PasswordError, read_secret, storage_password},
        },
    };

    fn read(text: &str) -> Vec<u8> {
        read_secret(text.as_bytes()).unwrap().unwrap().expose().to_vec()
    }

    #[test]
    fn one_line_end_is_left_out_and_nothing_else() {
        assert_eq!(read("a b\n"), b"a b");
        assert_eq!(read("a\r\n"), b"a");
        assert_eq!(read("a\n\n"), b"a\n");
        assert_eq!(read(" a\r"), b" a\r");
        assert!(read_secret(&vec![b'a'; 65537][..]).unwrap().is_none());
    }

    #[test]
    fn the_variable_comes_before_the_file_and_the_file_before_systemd() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            fs::write(folder.path().join(name), name).unwrap();
            folder.path().join(name)
        };
        let mut environment = Environment {
            password: Some(Secret::new(b"variable".to_vec())),
            password_file: Some(write("file")),
            credentials_directory: write("vultrino-password").parent().map(Path::to_owned),
            ..Environment::default()
        };
        let mut next = || storage_password(&mut environment).unwrap().unwrap().expose().to_vec();
        assert_eq!(next(), b"variable");
        assert_eq!(next(), b"file");
        environment.password_file = None;
        assert_eq!(storage_password(&mut environment).unwrap().unwrap().expose(), b"vultrino-password");
        environment.credentials_directory = None;
        assert!(storage_password(&mut environment).unwrap().is_none());
    }

    #[test]
    fn an_empty_password_is_refused_wherever_it_comes_from() {
        let empty = Environment { password: Some(Secret::new(Vec::new())), ..Environment::default() };
        let file = tempfile::NamedTempFile::new().unwrap();
        let blank = Environment { password_file: Some(file.path().to_owned()), ..Environment::default() };
        for mut environment in [empty, blank] {
            assert!(matches!(storage_password(&mut environment), Err(PasswordError::Empty(_))));
        }
    }
}
