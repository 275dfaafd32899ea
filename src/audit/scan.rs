//! The lines of a file, from its beginning or from its end, in little memory however long it is.

use std::{fs::File, io, ops::ControlFlow, os::unix::fs::FileExt as _};

use memchr::{memchr, memrchr};

/// What is longer is no record: nothing stands for it.
const LONGEST: usize = 64 * 1024;

/// Read at once.
const BLOCK: usize = 256 * 1024;

/// Shows `see` each line that is ended, without its newline, from the byte `start` on, and the byte after its newline.
/// Goes on as long as the file grows, and ends where it ends or `see` does.
pub(crate) fn forward<B>(
    file: &File,
    start: u64,
    mut see: impl FnMut(&[u8], u64) -> ControlFlow<B>,
) -> io::Result<ControlFlow<B>> {
    let mut buffer = vec![0; BLOCK];
    let (mut at, mut kept, mut overlong) = (start, 0, false);
    loop {
        let more = read(file, &mut buffer[kept..], at)?;
        if more == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        at += more as u64;
        let end = kept + more;
        let mut begin = 0;
        while let Some(length) = memchr(b'\n', &buffer[begin..end]) {
            let line = if std::mem::take(&mut overlong) { &[][..] } else { &buffer[begin..begin + length] };
            begin += length + 1;
            if let ControlFlow::Break(it) = see(line, at - (end - begin) as u64) {
                return Ok(ControlFlow::Break(it));
            }
        }
        kept = end - begin;
        overlong |= kept > LONGEST;
        if overlong {
            kept = 0;
        }
        buffer.copy_within(begin..begin + kept, 0);
    }
}

/// The same from the byte `end` backwards.
pub(crate) fn backward<B>(
    file: &File,
    end: u64,
    mut see: impl FnMut(&[u8]) -> ControlFlow<B>,
) -> io::Result<ControlFlow<B>> {
    // Text that begins at `start` and whose line begins before it; `ended` if a newline follows it.
    let (mut start, mut text, mut ended, mut overlong) = (end, Vec::new(), false, false);
    loop {
        let block = usize::try_from(start).map_or(BLOCK, |it| it.min(BLOCK));
        start -= block as u64;
        let mut buffer = vec![0; block];
        let read = read(file, &mut buffer, start)?;
        if read < block {
            // Emptied meanwhile.
            return Ok(ControlFlow::Continue(()));
        }
        buffer.extend_from_slice(&text);
        let mut stop = buffer.len();
        while let Some(at) = memrchr(b'\n', &buffer[..stop]) {
            let line = if overlong { &[][..] } else { &buffer[at + 1..stop] };
            if ended && let ControlFlow::Break(it) = see(line) {
                return Ok(ControlFlow::Break(it));
            }
            (stop, ended, overlong) = (at, true, false);
        }
        if start == 0 {
            let line = if overlong { &[][..] } else { &buffer[..stop] };
            return Ok(if ended { see(line) } else { ControlFlow::Continue(()) });
        }
        buffer.truncate(stop);
        overlong |= buffer.len() > LONGEST;
        if overlong {
            buffer.clear();
        }
        text = buffer;
    }
}

/// Fills `buffer` with what there is at the byte `at`; returns how much that was.
pub(crate) fn read(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _, ops::ControlFlow};

    use crate::audit::scan::{BLOCK, LONGEST, backward, forward};

    fn both(text: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let (mut there, mut back) = (Vec::new(), Vec::new());
        let keep = |lines: &mut Vec<Vec<u8>>, line: &[u8]| {
            lines.push(line.to_vec());
            ControlFlow::<()>::Continue(())
        };
        assert!(forward(&file, 0, |it, _| keep(&mut there, it)).unwrap().is_continue());
        assert!(backward(&file, text.len() as u64, |it| keep(&mut back, it)).unwrap().is_continue());
        back.reverse();
        (there, back)
    }

    #[test]
    fn both_ways_give_the_same_lines() {
        let many: Vec<u8> = (0..60_000).flat_map(|n| format!("{n} {}\n", "x".repeat(n % 37)).into_bytes()).collect();
        assert!(many.len() > 4 * BLOCK);
        for text in [&b""[..], b"\n", b"half", b"one\n", b"one\n\ntwo\n", b"one\ntwo\nhalf", &many] {
            let (there, back) = both(text);
            let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            let expected: Vec<Vec<u8>> =
                text[..whole].split_inclusive(|b| *b == b'\n').map(|it| it[..it.len() - 1].to_vec()).collect();
            assert!(there == expected && back == expected);
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_hides_no_other() {
        for length in [LONGEST, LONGEST + 1, BLOCK, 3 * BLOCK + 5] {
            let text = [b"one\n", &*vec![b'x'; length], b"\ntwo\n"].concat();
            let (there, back) = both(&text);
            assert!(there.iter().chain(&back).all(|it| it.len() <= BLOCK));
            for lines in [there, back] {
                assert_eq!((&*lines[0], lines.last().unwrap().as_slice()), (&b"one"[..], &b"two"[..]));
            }
        }
    }

    #[test]
    fn it_stops_where_it_is_told_to() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\nthree\n").unwrap();
        let stop = |it: &[u8]| if it == b"two" { ControlFlow::Break(2) } else { ControlFlow::Continue(()) };
        let mut ends = Vec::new();
        let found = forward(&file, 0, |it, end| {
            ends.push(end);
            stop(it)
        });
        assert_eq!((found.unwrap(), ends), (ControlFlow::Break(2), vec![4, 8]));
        assert_eq!(forward(&file, 8, |it, _| stop(it)).unwrap(), ControlFlow::Continue(()));
        assert_eq!(backward(&file, 14, stop).unwrap(), ControlFlow::Break(2));
        assert_eq!(backward(&file, 3, stop).unwrap(), ControlFlow::Continue(()));
        let _file: &File = &file;
    }
}
