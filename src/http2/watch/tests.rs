//! What is found in field sections, however they are written and cut.

use crate::http2::watch::{TABLE, Table, Watch, coded_length};

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

fn finds(frames: &[Vec<u8>], by: usize) -> bool {
    let bytes = [vec![b'x'; 24], frames.concat()].concat();
    let mut watch = Watch::default();
    bytes.chunks(by).any(|it| watch.finds(it))
}

/// The request of RFC 7541 section C.4.1, and a path that goes into the table.
const HEAD: &[u8] = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\x44\x02/a";

#[test]
fn codes_are_counted_as_characters() {
    for (coded, text) in [
        (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], "www.example.com"),
        (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
        (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
        (b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", "https://www.example.com"),
    ] {
        assert_eq!(coded_length(coded), text.len(), "{text}");
    }
}

#[test]
fn pseudo_fields_are_found_in_trailers_however_they_are_written() {
    let with = |trailers: &[u8]| [frame(1, 4, 1, HEAD), frame(0, 0, 1, b"data"), frame(1, 5, 1, trailers)];
    for (trailers, expected) in [
        (&b"\x40\x01x\x01y"[..], false),
        (b"\x0f\x00\x01y", false),
        // Of the static table, of the dynamic table, and in words: plain, coded, never indexed.
        (b"\x84", true),
        (b"\xbe", true),
        (b"\xbf", true),
        (b"\x04\x01/", true),
        (b"\x7e\x01/", true),
        (b"\x00\x05:path\x01/", true),
        (b"\x10\x05:path\x01/", true),
        (b"\x40\x84\xb9\x58\xd3\x3f\x01/", true),
        (b"\x00\x01x\x01y\x84", true),
        // Behind what pushes the others out of the table.
        (b"\x20\x40\x01x\x01y", false),
    ] {
        for by in [1, 7, 1000] {
            assert_eq!(finds(&with(trailers), by), expected, "{trailers:?} {by}");
        }
    }
}

#[test]
fn a_section_is_unfinished_from_its_first_byte_to_its_last_however_it_is_cut() {
    let begun = [vec![b'x'; 24], frame(0, 0, 1, b"data"), frame(1, 0, 1, HEAD), frame(9, 0, 1, HEAD)].concat();
    for by in [1, 7, 9, begun.len()] {
        let mut watch = Watch::default();
        assert!(!begun.chunks(by).any(|it| watch.finds(it)));
        assert_eq!(watch.unfinished(), 9 + 2 * HEAD.len(), "{by}");
        let end = frame(9, 4, 1, b"\x86");
        assert!(!watch.finds(&end[..9]));
        assert_eq!(watch.unfinished(), 9 + 2 * HEAD.len(), "{by}");
        assert!(!watch.finds(&end[9..]));
        assert_eq!(watch.unfinished(), 0, "{by}");
    }
}

#[test]
fn heads_of_other_streams_are_no_trailers() {
    assert!(!finds(&[frame(1, 5, 1, HEAD), frame(1, 5, 3, b"\x82\x86\xbe\xbf")], 1000));
    assert!(finds(&[frame(1, 4, 1, HEAD), frame(1, 4, 3, HEAD), frame(1, 5, 1, b"\x84")], 1000));
    let in_parts = [frame(1, 4, 1, HEAD), frame(1, 1, 1, b"\x00\x01x"), frame(9, 4, 1, b"\x01y\x84")];
    assert!(finds(&in_parts, 1));
    let padded = [frame(1, 4, 1, HEAD), frame(1, 0x2d, 1, b"\x02\x00\x00\x00\x00\x00\x00\x01x\x01y\x84\x84")];
    assert!(!finds(&padded, 1000));
}

#[test]
fn entries_leave_the_table_as_at_the_sender() {
    let mut table = Table { entries: std::collections::VecDeque::new(), size: 0, most: TABLE };
    // 2 + 34 bytes each.
    for _ in 0..200 {
        assert_eq!(table.read(b"\x40\x01x\x01y"), Some(false));
    }
    assert_eq!((table.entries.len(), table.size), (TABLE / 34, TABLE / 34 * 34));
    assert_eq!(table.read(b"\x3f\x45"), Some(false));
    assert_eq!(table.entries.len(), 100 / 34);
    assert_eq!(table.read(b"\x20"), Some(false));
    assert_eq!((table.entries.len(), table.size), (0, 0));
    assert_eq!(table.read(b"\xbe"), None);
}
