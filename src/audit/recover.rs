//! What dead processes left in their journals, brought into the log: every line once.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    os::unix::fs::DirEntryExt as _,
    path::{Path, PathBuf},
};

use crate::audit::{
    error::AuditError, journal::EXTENSION, line, log::Mark, record::RequestId, remains::Remains, rotated::folder_of,
    sink::Sink,
};

/// Empties and removes the journals in `folder` whose processes are gone. Nobody else may do so at the same time.
///
/// # Errors
/// What cannot be written stays in its journal.
pub fn recover(folder: &Path, sink: &mut Sink) -> Result<(), AuditError> {
    let failed = |source| AuditError::Folder { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|it| it != EXTENSION) {
            continue;
        }
        let Some(mut remains) = Remains::open(&path)? else { continue };
        let failed = |source| AuditError::Journal { path: path.clone(), source };
        forget_written(&mut remains, sink).map_err(failed)?;
        write(&remains, sink)?;
        match fs::remove_file(&path) {
            // Its process was not dead, but at its end.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            removed => removed.map_err(failed)?,
        }
    }
    Ok(())
}

/// A process may have died after its lines were written and before it said so.
fn forget_written(remains: &mut Remains, sink: &mut Sink) -> io::Result<()> {
    let written = ids_since(remains.mark, sink)?;
    let mut texts = std::mem::take(&mut remains.texts);
    for (place, _) in texts.extract_if(.., |(_, text)| line::id_of(text).is_some_and(|id| written.contains(&id))) {
        remains.clear(place)?;
    }
    remains.texts = texts;
    Ok(())
}

fn write(remains: &Remains, sink: &mut Sink) -> Result<(), AuditError> {
    let mut lines: Vec<&[u8]> = Vec::new();
    for (_, text) in &remains.texts {
        // Only a machine that lost power can leave anything else.
        if text.ends_with(b"\n") && line::id_of(text).is_some() && line::is_begin(text) {
            lines.push(text);
        } else {
            tracing::warn!(bytes = text.len(), "an audit record was damaged and is lost");
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    // They begin with their time.
    lines.sort_unstable();
    let lines_within = lines.iter().flat_map(|it| it.split_inclusive(|b| *b == b'\n'));
    let written = sink.append(lines_within, |mark| remains.note(mark)).result.and_then(|()| sink.sync());
    tracing::info!(records = lines.len(), "brought the audit records of a process that ended early into the log");
    written.map_err(|source| AuditError::Log { path: sink.path().to_owned(), source })
}

/// The lines that stand after `mark`, in the log or in what was the log before it was rotated.
fn ids_since(mark: Mark, sink: &mut Sink) -> io::Result<BTreeSet<RequestId>> {
    let mut ids = BTreeSet::new();
    let Some(path) = find(mark, sink.path())? else { return Ok(ids) };
    if path != sink.path()
        && let Err(error) = sink.mend(&path)
    {
        tracing::debug!(%error, file = %path.display(), "a rotated audit log may end in half a line");
    }
    let mut file = File::open(path)?;
    // A log that was copied away and emptied is shorter now.
    let start = if file.metadata()?.len() < mark.offset { 0 } else { mark.offset };
    file.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    while reader.read_until(b'\n', &mut text)? > 0 {
        ids.extend(line::id_of(&text).filter(|_| text.ends_with(b"\n")));
        text.clear();
    }
    Ok(ids)
}

fn find(mark: Mark, log: &Path) -> io::Result<Option<PathBuf>> {
    if mark.is_in(&fs::metadata(log)?) {
        return Ok(Some(log.to_owned()));
    }
    for entry in fs::read_dir(folder_of(log))? {
        let entry = entry?;
        if entry.ino() == mark.inode && mark.is_in(&entry.metadata()?) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
        time::Instant,
    };

    use tempfile::TempDir;

    use crate::audit::{
        anchor::Anchor,
        chain::ChainKey,
        head::Head,
        journal::{Journal, Kind},
        line::Line,
        record::{Door, Outcome, Record, RequestId},
        recover,
        sink::Sink,
        stamp::Stamps,
    };

    /// A log, and the journal of a process that died with three lines in it, 1 to 3, after it had noted its mark and
    /// written lines 0 and 1.
    fn died() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        let mut sink = sink(&folder, &log);
        let (journal, mut shares) = Journal::create(folder.path(), 1, 8).unwrap();
        for (slot, n) in shares[0].take_all().iter_mut().zip(1..4) {
            shares[0].put(slot, Kind::Closed, |space, _| {
                let text = line(n);
                space[..text.len()].copy_from_slice(&text);
                text.len()
            });
        }
        sink.append([&*line(0)].into_iter(), |mark| journal.note(mark)).result.unwrap();
        fs::copy(folder.path().join("chain"), folder.path().join("chain.before")).unwrap();
        sink.append([&*line(1)].into_iter(), |mark| journal.note(mark)).result.unwrap();
        (folder, log)
    }

    fn sink(folder: &TempDir, log: &Path) -> Sink {
        let key = ChainKey::new(&[1; 32]);
        Sink::open(log.to_owned(), Head::new(folder.path(), key.clone()), key, Anchor::BEGIN, 0).unwrap()
    }

    fn line(n: u64) -> Vec<u8> {
        let now = Instant::now();
        let at = Stamps::new().at(now, || jiff::Timestamp::UNIX_EPOCH);
        let record = Record::new(RequestId(n), (at, now), Door::Path, "http_request");
        let mut text = vec![0; 500];
        let key = ChainKey::new(&[1; 32]);
        let fit = Line { record: &record, outcome: Outcome::Ok, millis: None, key: &key }.write(&mut text, b"");
        text.truncate(fit.length);
        text
    }

    /// As the first records of a chain, then only those from the one with this number on.
    fn lines(of: impl IntoIterator<Item = u64>, from: usize) -> String {
        let (mut last, mut text) = (Anchor::BEGIN, Vec::new());
        for n in of {
            ChainKey::new(&[1; 32]).append(&mut last, &line(n), &mut text);
        }
        let text = String::from_utf8(text).unwrap();
        text.split_inclusive('\n').skip(from).collect()
    }

    fn recover(folder: &TempDir, log: &Path) {
        recover::recover(folder.path(), &mut sink(folder, log)).unwrap();
        let left = fs::read_dir(folder.path()).unwrap().filter_map(Result::ok);
        assert_eq!(left.filter(|it| it.path().extension().is_some_and(|it| it == "journal")).count(), 0);
    }

    #[test]
    fn lines_that_were_written_already_are_not_written_again() {
        let (folder, log) = died();
        recover(&folder, &log);
        assert_eq!(fs::read_to_string(&log).unwrap(), lines(0..4, 0));
    }

    #[test]
    fn lines_that_were_rotated_away_are_not_written_again() {
        let (folder, log) = died();
        let rotated = log.with_extension("log.1");
        let torn = &line(2)[..100];
        fs::write(&log, [fs::read(&log).unwrap(), torn.to_vec()].concat()).unwrap();
        fs::rename(&log, &rotated).unwrap();
        recover(&folder, &log);
        assert_eq!(fs::read_to_string(&rotated).unwrap(), lines(0..2, 0));
        assert_eq!(fs::read_to_string(&log).unwrap(), lines(0..4, 2));
    }

    #[test]
    fn a_log_that_was_removed_is_no_reason_to_lose_a_line() {
        let (folder, log) = died();
        fs::remove_file(&log).unwrap();
        recover(&folder, &log);
        assert_eq!(fs::read_to_string(&log).unwrap(), lines([0, 1, 1, 2, 3], 2));
    }

    /// As if the process had died between the write of its last batch and that of the head.
    fn put_the_head_back(folder: &TempDir) {
        fs::rename(folder.path().join("chain.before"), folder.path().join("chain")).unwrap();
    }

    #[test]
    fn a_record_behind_the_head_is_taken_up() {
        for rotated in [false, true] {
            let (folder, log) = died();
            put_the_head_back(&folder);
            if rotated {
                fs::rename(&log, log.with_extension("log.1")).unwrap();
            }
            recover(&folder, &log);
            let from = if rotated { 2 } else { 0 };
            assert_eq!(fs::read_to_string(&log).unwrap(), lines(0..4, from));
        }
    }

    #[test]
    fn a_chain_without_its_head_goes_on_after_its_last_record() {
        for copied in [false, true] {
            let (folder, log) = died();
            fs::remove_file(folder.path().join("chain")).unwrap();
            if copied {
                fs::copy(&log, log.with_extension("log.1")).unwrap();
                fs::write(&log, "").unwrap();
                fs::remove_file(folder.path().join("chain.before")).unwrap();
            }
            recover(&folder, &log);
            let text = fs::read_to_string(&log).unwrap();
            let new: Vec<&str> = text.lines().skip(if copied { 0 } else { 2 }).collect();
            assert!(new.iter().zip(3..).all(|(line, n)| line.contains(&format!(" seq={n} "))), "{text}");
        }
    }

    #[test]
    fn a_line_that_was_half_written_is_written_whole() {
        let (folder, log) = died();
        put_the_head_back(&folder);
        let torn = fs::read(&log).unwrap();
        fs::write(&log, &torn[..torn.len() - 1]).unwrap();
        recover(&folder, &log);
        assert_eq!(fs::read_to_string(&log).unwrap(), lines(0..4, 0));
    }

    #[test]
    fn a_recovery_that_was_itself_cut_off_is_continued() {
        let (folder, log) = died();
        // Under its second name the journal is still there after the first round, as if removing it had come too late.
        let journal = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path());
        let journal = { journal }.find(|it| it.extension().is_some_and(|it| it == "journal")).unwrap();
        fs::hard_link(&journal, journal.with_file_name("again.journal")).unwrap();
        // Rotated, so that the mark which the dead process had noted leads elsewhere.
        fs::rename(&log, log.with_extension("log.1")).unwrap();
        recover(&folder, &log);
        assert_eq!(fs::read_to_string(&log).unwrap(), lines(0..4, 2));
    }
}
