//! Tables by what is random already.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A table by identifiers that we gave, or by hashes of keys that we minted: nobody could choose those that are in it, so a
/// piece of each is as good as its hash, and costs nothing.
pub type UniformMap<K, V> = HashMap<K, V, BuildHasherDefault<Piece>>;

/// Takes the first eight bytes for the hash.
#[derive(Debug, Default)]
pub struct Piece(u64);

impl Hasher for Piece {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// All are of one length.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        hash::{BuildHasher as _, BuildHasherDefault},
    };

    use crate::base::{id::Id, uniform::Piece};

    #[test]
    fn ids_and_hashes_are_told_apart() {
        let random = BuildHasherDefault::<Piece>::default();
        let ids: HashSet<u64> = (0..1000).map(|_| random.hash_one(Id::random())).collect();
        let hashes: HashSet<u64> = (0..1000).map(|_| random.hash_one([*Id::random().as_bytes(); 2])).collect();
        assert_eq!((ids.len(), hashes.len()), (1000, 1000));
    }
}
