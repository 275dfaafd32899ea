//! Files that decide what Vultrino does: refused where another user could put or change them.
//!
//! Not here: what is in them. A folder on the way to a file may be a link; the administrator makes those.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::Path,
};

use rustix::{fs::OFlags, io::Errno, process::geteuid};
use thiserror::Error;

/// A pipe in the place of a file would keep us waiting.
const FLAGS: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
const OTHERS_WRITE: u32 = 0o022;

/// Why a file is not used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Untrusted {
    /// Its name is a symbolic link.
    #[error(
        "it is a symbolic link, which could be made to lead elsewhere; move the file there, or configure its own path"
    )]
    Link,
    /// Another user owns it.
    #[error(
        "it belongs to user id {owner}, and Vultrino runs as {user}; `chown {user}` it, or run Vultrino as its owner"
    )]
    Owner {
        /// User id of the file.
        owner: u32,
        /// User id of this process.
        user: u32,
    },
    /// The mode lets its group or everybody write.
    #[error("other users may write to it, as its mode is {mode:04o}; `chmod go-w` it")]
    Writable {
        /// Permission bits.
        mode: u32,
    },
}

/// Opens a file or folder of our own: no link, owned by this user, writable by no other. As root, also what belongs to
/// the owner of its folder: [`hand_over`] gives such files away.
///
/// # Errors
/// [`Untrusted`], as the source of an [`io::ErrorKind::PermissionDenied`], beside what the system refuses.
pub fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options.custom_flags(FLAGS).open(path);
    let file = opened.map_err(|error| if is_link(&error) { Untrusted::Link.into() } else { error })?;
    let found = file.metadata()?;
    let user = geteuid().as_raw();
    let is_own = found.uid() == user || (user == 0 && found.uid() == fs::metadata(folder_of(path))?.uid());
    expect(is_own, &found)?;
    Ok(file)
}

/// Opens a file that an administrator provides, to be read: it may be a link, and belong to root. A pipe or a device is
/// taken as it is.
///
/// # Errors
/// As [`open_own`].
pub fn open_given(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    if found.is_file() {
        expect([0, geteuid().as_raw()].contains(&found.uid()), &found)?;
    }
    Ok(file)
}

/// Reads a text file that an administrator provides.
///
/// # Errors
/// As [`open_given`]; the text is not UTF-8.
pub fn read_given(path: &Path) -> io::Result<String> {
    io::read_to_string(open_given(path)?)
}

/// Gives `file`, which lies at `path`, to the owner of the folder that it lies in, if root owns it and another the
/// folder, so that `sudo vultrino add` does not lock the server out of its own files.
///
/// # Errors
/// What the system refuses.
pub fn hand_over(file: &File, path: &Path) -> io::Result<()> {
    let owner = fs::metadata(folder_of(path))?;
    if file.metadata()?.uid() == 0 && owner.uid() != 0 {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

fn expect(is_own: bool, found: &Metadata) -> io::Result<()> {
    if !is_own {
        return Err(Untrusted::Owner { owner: found.uid(), user: geteuid().as_raw() }.into());
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(Untrusted::Writable { mode: found.mode() & 0o7777 }.into());
    }
    Ok(())
}

fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl From<Untrusted> for io::Error {
    fn from(why: Untrusted) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, why)
    }
}
