//! The store's file and the envelopes in it: any bytes are refused or read, and what is read is written as the same bytes.

use std::sync::LazyLock;

use vultrino::{
    seal::{DataKey, key::OpenKey},
    store::file::format::Image,
};

static KEY: LazyLock<DataKey> = LazyLock::new(|| OpenKey::random().unwrap().into_data_key().unwrap());

/// Any bytes as a file, as they are and as if the holder of the key had written them; and as an envelope.
pub fn store_envelope(bytes: &[u8]) {
    assert!(Image::parse(bytes, &KEY).is_err(), "a file is taken that nobody authenticated");
    let signed = [bytes, &KEY.authenticate(bytes)].concat();
    if let Ok(image) = Image::parse(&signed, &KEY) {
        assert_eq!(image.encode(&KEY).unwrap(), signed, "a file is written as another one");
    }
    assert!(KEY.open(bytes, b"place").is_err(), "an envelope opens that nobody sealed");
    let sealed = KEY.seal(bytes, b"place").unwrap();
    assert_eq!(**KEY.open(&sealed, b"place").unwrap(), *bytes);
    assert!(KEY.open(&sealed, b"elsewhere").is_err());
    let at = bytes.iter().fold(0, |sum, it| (sum * 31 + usize::from(*it)) % sealed.len());
    let mut damaged = sealed.clone();
    damaged[at] ^= 1;
    assert!(KEY.open(&damaged, b"place").is_err(), "a damaged envelope opens");
    assert!(KEY.open(&sealed[..at], b"place").is_err(), "half an envelope opens");
}
