//! The head of the file: what it is, and how its data key is wrapped. Fixed length, numbers with the greatest byte first.

use crate::{
    base::{id::Id, secret::Secret},
    seal::{DataKey, KdfParams, KeyEncryptionKey, SealError, WrappedKey, kdf::SALT, key::OpenKey, random},
    store::file::foreign::{self, Stranger},
};

/// The first line, the same up to the number in every format to come.
pub(crate) const LINE: &[u8] = b"Vultrino credential store, format 1\n";

const STORE_ID: usize = LINE.len();
const KDF: usize = STORE_ID + 16;
const SALT_AT: usize = KDF + 12;
/// Up to here the head is authenticated with the wrapped key.
const WRAPPED: usize = SALT_AT + SALT;
/// Where the revision stands, for [`Stamp`](crate::store::Stamp).
pub(crate) const REVISION: usize = WRAPPED + WrappedKey::LEN;
const COUNT: usize = REVISION + 8;
/// Its whole length.
pub(crate) const LEN: usize = COUNT + 4;

/// The head, parsed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) store_id: Id,
    pub(crate) kdf: KdfParams,
    pub(crate) salt: [u8; SALT],
    pub(crate) wrapped: WrappedKey,
    pub(crate) revision: u64,
    pub(crate) count: u32,
}

impl Header {
    /// Of a new store with a new data key.
    pub(crate) fn create(password: &Secret, kdf: KdfParams) -> Result<(Self, DataKey), SealError> {
        let key = OpenKey::random()?;
        let header = Self {
            store_id: Id::random(),
            kdf,
            salt: [0; SALT],
            wrapped: WrappedKey([0; WrappedKey::LEN]),
            revision: 0,
            count: 0,
        };
        Ok((header.wrapped_for(password, kdf, &key)?, key.into_data_key()?))
    }

    /// The same store, its data key wrapped under `password` and a fresh salt.
    pub(crate) fn wrapped_for(mut self, password: &Secret, kdf: KdfParams, key: &OpenKey) -> Result<Self, SealError> {
        self.kdf = kdf;
        self.salt = random()?;
        let kek = KeyEncryptionKey::derive(password, &self.salt, kdf)?;
        self.wrapped = kek.wrap(key, &self.encode()[..WRAPPED])?;
        Ok(self)
    }

    /// The data key, if this is the password. Always derives.
    pub(crate) fn unwrap(&self, password: &Secret) -> Result<OpenKey, SealError> {
        let kek = KeyEncryptionKey::derive(password, &self.salt, self.kdf)?;
        kek.unwrap(&self.wrapped, &self.encode()[..WRAPPED])
    }

    /// Reads the head of `file`.
    pub(crate) fn parse(file: &[u8]) -> Result<Self, Stranger> {
        foreign::check(file)?;
        let mut rest = file.get(LINE.len()..).ok_or(Stranger::Damaged)?;
        let store_id = Id::from_bytes(take(&mut rest)?);
        let (memory_kib, iterations) = (u32::from_be_bytes(take(&mut rest)?), u32::from_be_bytes(take(&mut rest)?));
        let lanes = u32::from_be_bytes(take(&mut rest)?);
        // We never write others, so these are not ours: as good as damaged, and never derived with.
        let kdf = KdfParams::new(memory_kib, iterations).or(Err(Stranger::Damaged))?;
        let header = Self {
            store_id,
            kdf,
            salt: take(&mut rest)?,
            wrapped: WrappedKey(take(&mut rest)?),
            revision: u64::from_be_bytes(take(&mut rest)?),
            count: u32::from_be_bytes(take(&mut rest)?),
        };
        if lanes == 1 { Ok(header) } else { Err(Stranger::Damaged) }
    }

    /// As it stands in the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend_from_slice(LINE);
        bytes.extend_from_slice(self.store_id.as_bytes());
        for number in [self.kdf.memory_kib(), self.kdf.iterations(), 1] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&self.wrapped.0);
        bytes.extend_from_slice(&self.revision.to_be_bytes());
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes
    }
}

/// The next `N` bytes.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Stranger> {
    let (taken, after) = rest.split_first_chunk().ok_or(Stranger::Damaged)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use crate::{
        base::secret::Secret,
        seal::KdfParams,
        store::file::{
            foreign::Stranger,
            header::{Header, KDF, LEN, WRAPPED},
        },
    };

    fn header() -> Header {
        Header::create(&Secret::from("password".to_owned()), KdfParams::floor()).unwrap().0
    }

    #[test]
    fn it_reads_as_it_was_written() {
        let header = header();
        let bytes = header.encode();
        assert_eq!(bytes.len(), LEN);
        assert_eq!(Header::parse(&bytes).unwrap(), header);
    }

    /// A file cannot talk us into a cheap key, nor into one that takes all memory.
    #[test]
    fn parameters_outside_the_bounds_are_not_derived_with() {
        for (memory, iterations, lanes) in [(8, 3, 1), (65536, 1, 1), (65536, 3, 2), (u32::MAX, 3, 1), (65536, 5000, 1)]
        {
            let mut bytes = header().encode();
            let numbers: Vec<u8> = [memory, iterations, lanes].iter().flat_map(|it: &u32| it.to_be_bytes()).collect();
            bytes[KDF..KDF + 12].copy_from_slice(&numbers);
            assert!(matches!(Header::parse(&bytes), Err(Stranger::Damaged)), "{memory} {iterations} {lanes}");
        }
    }

    #[test]
    fn every_byte_in_front_of_the_wrapped_key_is_authenticated_with_it() {
        let header = header();
        let password = Secret::from("password".to_owned());
        assert!(header.unwrap(&password).is_ok());
        let mut salted = header.clone();
        salted.salt[0] ^= 1;
        assert!(salted.unwrap(&password).is_err());
        let mut dearer = header.clone();
        dearer.kdf = KdfParams::new(19 * 1024, 3).unwrap();
        assert!(dearer.unwrap(&password).is_err());
        let mut elsewhere = header.clone();
        elsewhere.store_id = crate::base::id::Id::random();
        assert!(elsewhere.unwrap(&password).is_err());
        let mut later = header;
        later.revision = 7;
        assert_eq!(later.encode()[..WRAPPED].len(), WRAPPED);
        assert!(later.unwrap(&password).is_ok(), "the revision is the list's to authenticate");
    }
}
