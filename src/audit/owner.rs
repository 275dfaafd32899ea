//! What root makes in another user's folder becomes that user's, so that `sudo vultrino add` does not lock the server
//! out of its own log.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt as _, fchown},
    path::Path,
};

/// Gives `file`, which lies at `path`, to the owner of the folder that it lies in, if root owns it and another the folder.
pub(crate) fn hand_over(file: &File, path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(folder)?;
    if file.metadata()?.uid() == 0 && owner.uid() != 0 {
        fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}
