//! What is found in field sections, however they are written and cut.

use http::Method;

use crate::http2::watch::{Rejected, TABLE, Table, Watch};

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
fn paths_that_no_uri_holds_are_found_however_they_are_written() {
    for (block, method, path) in [
        (&b"\x82\x04\x04/a<b"[..], "GET", "/a<b"),
        (b"\x83\x04\x84\x60\x7f\xff\x23", "POST", "/a<b"),
        (b"\x02\x03PUT\x14\x04/?a>", "PUT", "/?a>"),
        (b"\x00\x07:method\x03PUT\x00\x05:path\x04/?\"b", "PUT", "/?\"b"),
        (b"\x10\x84\xb9\x58\xd3\x3f\x03/`a\x82", "GET", "/`a"),
        (b"\x44\x04/a<b\x43\x03PUT", "PUT", "/a<b"),
        (b"\x82\x04\x04/\xc3\xa4<", "GET", "/ä<"),
    ] {
        let mut watch = Watch::default();
        let bytes = [&[b'x'; 24][..], &frame(1, 5, 1, block), &frame(1, 5, 3, b"\x82\x84")].concat();
        assert!(!watch.finds(&bytes));
        let found = Rejected { stream: 1, method: method.parse().unwrap(), path: path.to_owned() };
        assert_eq!(watch.take_rejected(), [found], "{block:?}");
        assert_eq!(watch.take_rejected(), []);
    }
    let mut watch = Watch::default();
    let indexed = [frame(1, 5, 1, b"\x44\x04/a<b\x42\x03PUT"), frame(1, 5, 3, b"\xbf\xbe")].concat();
    assert!(!watch.finds(&[&[b'x'; 24][..], &indexed].concat()));
    let of = |stream| Rejected { stream, method: Method::PUT, path: "/a<b".to_owned() };
    assert_eq!(watch.take_rejected(), [of(1), of(3)]);
    for good in [&b"\x82\x84"[..], b"\x04\x07/\"a?`b|", b"\x00\x01x\x04/a<b"] {
        let mut watch = Watch::default();
        watch.finds(&[&[b'x'; 24][..], &frame(1, 5, 1, good)].concat());
        assert_eq!(watch.take_rejected(), [], "{good:?}");
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
        assert!(table.read(b"\x40\x01x\x01y").is_some_and(|it| !it.has_pseudo));
    }
    assert_eq!((table.entries.len(), table.size), (TABLE / 34, TABLE / 34 * 34));
    assert!(table.read(b"\x3f\x45").is_some());
    assert_eq!(table.entries.len(), 100 / 34);
    assert!(table.read(b"\x20").is_some());
    assert_eq!((table.entries.len(), table.size), (0, 0));
    assert!(table.read(b"\xbe").is_none());
}
