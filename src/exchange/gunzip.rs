//! Bodies in gzip for readers who did not ask for it: some servers compress whatever the request says.

use std::io::{self, Read as _};

use flate2::read::MultiGzDecoder;

use crate::{base::fields::Fields, exchange::collected::Part};

/// Whether a body under these fields is gzip, and nothing else beside it.
pub fn is_needed(answer: &Fields) -> bool {
    let mut codings = answer.iter().filter(|it| it.name.eq_ignore_ascii_case(b"content-encoding"));
    let first = codings
        .next()
        .is_some_and(|it| [&b"gzip"[..], b"x-gzip"].iter().any(|gzip| it.value.eq_ignore_ascii_case(gzip)));
    first && codings.next().is_none()
}

/// Whether a request with these fields asked for a coding: then its sender undoes it.
pub fn is_asked_for(request: &Fields) -> bool {
    request.iter().any(|it| it.name.eq_ignore_ascii_case(b"accept-encoding"))
}

/// Takes the fields away that are not true of what was in gzip.
pub fn forget(answer: &mut Fields) {
    answer.retain(|it| {
        ![&b"content-encoding"[..], b"content-length"].iter().any(|name| it.name.eq_ignore_ascii_case(name))
    });
}

/// The wanted part of what these bytes stand for, and whether more follows. `truncated` says whether bytes are missing at the
/// end. Never more than the part is kept.
///
/// # Errors
/// They are no gzip (RFC 1952).
pub fn part_of(bytes: &[u8], part: Part, truncated: bool) -> io::Result<(Vec<u8>, bool)> {
    let mut decoder = MultiGzDecoder::new(bytes);
    let cut = |error: &io::Error| truncated && error.kind() == io::ErrorKind::UnexpectedEof;
    match io::copy(&mut decoder.by_ref().take(part.offset), &mut io::sink()) {
        Err(error) if !cut(&error) => return Err(error),
        _ => {}
    }
    let mut wanted = Vec::new();
    match decoder.by_ref().take(part.length as u64).read_to_end(&mut wanted) {
        Err(error) if !cut(&error) => return Err(error),
        _ => {}
    }
    let more = truncated || decoder.read(&mut [0])? > 0;
    Ok((wanted, more))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use crate::exchange::{collected::Part, gunzip::part_of};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_wanted_part_is_given_and_no_more() {
        let of = |bytes: &[u8], offset, length| part_of(bytes, Part { offset, length }, false).unwrap();
        let packed = [gzip(b"hello, "), gzip(b"world")].concat();
        assert_eq!(of(&packed, 0, 100), (b"hello, world".to_vec(), false));
        assert_eq!(of(&packed, 0, 12), (b"hello, world".to_vec(), false));
        assert_eq!(of(&packed, 4, 5), (b"o, wo".to_vec(), true));
        assert_eq!(of(&packed, 50, 5), (Vec::new(), false));
        // A thousand times as long as it is.
        let bomb = gzip(&vec![0; 100 << 20]);
        assert_eq!(of(&bomb, 0, 10), (vec![0; 10], true));
    }

    #[test]
    fn what_is_no_gzip_or_is_cut_is_an_error_unless_it_was_cut_here() {
        let packed = gzip(&(0..100_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        let part = Part { offset: 0, length: 1 << 20 };
        assert!(part_of(b"plain text", part, false).is_err());
        assert!(part_of(&packed[..packed.len() / 2], part, false).is_err());
        let (some, more) = part_of(&packed[..packed.len() / 2], part, true).unwrap();
        assert!(more && some.starts_with(&[0, 0, 0, 0, 1, 0, 0, 0]) && some.len() < 400_000);
    }
}
