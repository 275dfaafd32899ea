//! The whole file as bytes and back: head, records, and a MAC over all of it. Pure; `docs/src/store-format.md` says the same.

use crate::{
    base::id::Id,
    seal::{DataKey, envelope::MAC},
    store::{
        Sealed,
        file::{
            foreign::Stranger,
            header::{self, Header, take},
        },
        keys::{Place, RecordKind},
    },
};

/// Kind, id, version, and the lengths of two envelopes.
const RECORD_HEAD: usize = 1 + 16 + 8 + 4 + 4;

/// A file, parsed: nothing in it is opened.
#[derive(Debug)]
pub struct Image {
    pub(crate) header: Header,
    pub(crate) records: Vec<Record>,
}

/// A record, both halves closed.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) facts: Vec<u8>,
    pub(crate) secret: Sealed,
}

impl Image {
    /// Reads `file` if every byte of it is what the holder of `key` wrote.
    pub fn parse(file: &[u8], key: &DataKey) -> Result<Self, Stranger> {
        let header = Header::parse(file)?;
        let (listed, mac) = file.split_last_chunk::<MAC>().ok_or(Stranger::Damaged)?;
        if !key.is_authentic(listed, mac) {
            return Err(Stranger::Damaged);
        }
        let mut rest = listed.get(header::LEN..).ok_or(Stranger::Damaged)?;
        let mut records = Vec::new();
        while !rest.is_empty() {
            records.push(Record::parse(&mut rest)?);
        }
        let counted = usize::try_from(header.count).is_ok_and(|count| count == records.len());
        if counted { Ok(Self { header, records }) } else { Err(Stranger::Damaged) }
    }

    /// As it stands on disk.
    pub fn encode(mut self, key: &DataKey) -> Result<Vec<u8>, TooLarge> {
        self.header.count = u32::try_from(self.records.len()).or(Err(TooLarge))?;
        let length: usize = self.records.iter().map(|it| RECORD_HEAD + it.facts.len() + it.secret.0.len()).sum();
        let mut file = self.header.encode();
        file.reserve_exact(length + MAC);
        for record in &self.records {
            record.write(&mut file)?;
        }
        let mac = key.authenticate(&file);
        file.extend_from_slice(&mac);
        Ok(file)
    }
}

/// More records, or longer ones, than the format can count.
#[derive(Debug)]
pub struct TooLarge;

impl Record {
    fn parse(rest: &mut &[u8]) -> Result<Self, Stranger> {
        let [kind] = take(rest)?;
        let kind = RecordKind::from_number(kind).ok_or(Stranger::Damaged)?;
        let id = Id::from_bytes(take(rest)?);
        let version = u64::from_be_bytes(take(rest)?);
        let (facts, secret) = (u32::from_be_bytes(take(rest)?), u32::from_be_bytes(take(rest)?));
        Ok(Self {
            place: Place { kind, id, version },
            facts: take_slice(rest, facts)?.to_vec(),
            secret: Sealed(take_slice(rest, secret)?.into()),
        })
    }

    fn write(&self, file: &mut Vec<u8>) -> Result<(), TooLarge> {
        file.push(self.place.kind as u8);
        file.extend_from_slice(self.place.id.as_bytes());
        file.extend_from_slice(&self.place.version.to_be_bytes());
        for half in [&self.facts[..], &self.secret.0[..]] {
            let length = u32::try_from(half.len()).or(Err(TooLarge))?;
            file.extend_from_slice(&length.to_be_bytes());
        }
        file.extend_from_slice(&self.facts);
        file.extend_from_slice(&self.secret.0);
        Ok(())
    }
}

fn take_slice<'a>(rest: &mut &'a [u8], length: u32) -> Result<&'a [u8], Stranger> {
    let length = usize::try_from(length).or(Err(Stranger::Damaged))?;
    let (taken, after) = rest.split_at_checked(length).ok_or(Stranger::Damaged)?;
    *rest = after;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use crate::{
        base::id::Id,
        seal::{DataKey, KdfParams, WrappedKey, envelope::MAC},
        store::{
            Sealed,
            file::{
                format::{Image, Record},
                header::{self, Header},
            },
            keys::{Place, RecordKind},
        },
    };

    fn image(records: &[(usize, usize)]) -> (Image, DataKey) {
        let header = Header {
            store_id: Id::from_bytes([1; 16]),
            kdf: KdfParams::floor(),
            salt: [2; 16],
            wrapped: WrappedKey([3; WrappedKey::LEN]),
            revision: 1,
            count: u32::try_from(records.len()).unwrap(),
        };
        let record = |(facts, secret): &(usize, usize)| Record {
            place: Place { kind: RecordKind::Credential, id: Id::random(), version: 1 },
            facts: vec![1; *facts],
            secret: Sealed(vec![2; *secret].into()),
        };
        (Image { header, records: records.iter().map(record).collect() }, DataKey::new(&[7; 32]).unwrap())
    }

    #[test]
    fn it_reads_as_it_was_written() {
        for records in [&[][..], &[(0, 0)], &[(3, 7), (300, 0), (0, 70_000)]] {
            let (image, key) = image(records);
            let (header, places) = (image.header.clone(), image.records.iter().map(|it| it.place).collect::<Vec<_>>());
            let file = image.encode(&key).unwrap();
            let read = Image::parse(&file, &key).unwrap();
            assert_eq!(read.header, header);
            assert_eq!(read.records.iter().map(|it| it.place).collect::<Vec<_>>(), places);
            let lengths: Vec<_> = read.records.iter().map(|it| (it.facts.len(), it.secret.0.len())).collect();
            assert_eq!(lengths, records);
        }
    }

    /// Not what an attacker can write, who has no key; but what is wrong must not panic even if we wrote it.
    #[test]
    fn authentic_nonsense_is_refused() {
        let (image, key) = image(&[(3, 7), (30, 70)]);
        let file = image.encode(&key).unwrap();
        let listed = &file[..file.len() - MAC];
        let resigned = |bytes: &[u8]| [bytes, &key.authenticate(bytes)].concat();
        assert!(Image::parse(&resigned(listed), &key).is_ok());
        for end in 0..listed.len() {
            assert!(Image::parse(&resigned(&listed[..end]), &key).is_err(), "{end}");
        }
        for at in [header::LEN, header::LEN + 25, header::LEN + 29, header::LEN - 1] {
            let mut wrong = listed.to_vec();
            wrong[at] = 0xff;
            assert!(Image::parse(&resigned(&wrong), &key).is_err(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_authentic_bytes_after_the_head_do_not_panic(tail in vec(any::<u8>(), 0..200)) {
            let (image, key) = image(&[]);
            let listed = [&image.header.encode()[..], &tail].concat();
            let parsed = Image::parse(&[&listed[..], &key.authenticate(&listed)].concat(), &key);
            prop_assert_eq!(parsed.is_ok(), tail.is_empty());
        }
    }
}
