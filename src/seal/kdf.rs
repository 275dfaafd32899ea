//! A password becomes a key: Argon2id, never cheaper than a floor and never dearer than a ceiling.

use std::{io, slice};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use memmap2::MmapMut;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::base::secret::Secret;

/// Under this a stolen file is too cheap to guess at.
const MEMORY_FLOOR: u32 = 19 * 1024;
const ITERATIONS_FLOOR: u32 = 2;
/// Over this nobody means it: it would take all memory or all day.
const MEMORY_CEILING: u32 = 4 * 1024 * 1024;
const ITERATIONS_CEILING: u32 = 1000;
const MEMORY_DEFAULT: u32 = 64 * 1024;
const ITERATIONS_DEFAULT: u32 = 3;
/// Over this a store is not opened unless the configuration asks for as much: who can write to the file could make each
/// start cost minutes and gigabytes.
const MEMORY_UNASKED: u32 = 1024 * 1024;
const ITERATIONS_UNASKED: u32 = 16;

/// Length of the salt that stands beside the parameters.
pub const SALT: usize = 16;

/// What one derivation costs; one lane. Can only hold what lies between floor and ceiling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KdfParams {
    memory_kib: u32,
    iterations: u32,
}

/// Why no key came out.
#[derive(Debug, Error)]
pub enum KdfError {
    /// Too cheap.
    #[error(
        "key derivation with {memory_kib} KiB and {iterations} iterations is too weak: \
         at least {MEMORY_FLOOR} KiB and {ITERATIONS_FLOOR} iterations"
    )]
    BelowFloor {
        /// As asked for.
        memory_kib: u32,
        /// As asked for.
        iterations: u32,
    },
    /// Too dear.
    #[error(
        "key derivation with {memory_kib} KiB and {iterations} iterations is too costly: \
         at most {MEMORY_CEILING} KiB and {ITERATIONS_CEILING} iterations"
    )]
    AboveCeiling {
        /// As asked for.
        memory_kib: u32,
        /// As asked for.
        iterations: u32,
    },
    /// Dearer than the configuration asks for, and than what is taken unasked.
    #[error(
        "the store asks for a key derivation with {memory_kib} KiB and {iterations} iterations; without a setting, at most \
         {MEMORY_UNASKED} KiB and {ITERATIONS_UNASKED} iterations are taken. If you chose so much yourself, set \
         kdf_memory_kib and kdf_iterations in [storage.file] to it; if you did not, somebody has changed the file: put a \
         backup in its place"
    )]
    Unasked {
        /// As the store says.
        memory_kib: u32,
        /// As the store says.
        iterations: u32,
    },
    /// The machine does not have it.
    #[error("no {memory_kib} KiB of memory to derive the key with; free some and try again")]
    OutOfMemory {
        /// As the parameters say.
        memory_kib: u32,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Argon2 refuses, which it does for a password over 4 GiB.
    #[error("the key could not be derived: {0}")]
    Argon(argon2::Error),
}

impl KdfParams {
    /// Takes what lies between floor and ceiling.
    pub fn new(memory_kib: u32, iterations: u32) -> Result<Self, KdfError> {
        if memory_kib < MEMORY_FLOOR || iterations < ITERATIONS_FLOOR {
            return Err(KdfError::BelowFloor { memory_kib, iterations });
        }
        if memory_kib > MEMORY_CEILING || iterations > ITERATIONS_CEILING {
            return Err(KdfError::AboveCeiling { memory_kib, iterations });
        }
        Ok(Self { memory_kib, iterations })
    }

    /// The cheapest that is accepted, for tests and small machines.
    pub fn floor() -> Self {
        Self { memory_kib: MEMORY_FLOOR, iterations: ITERATIONS_FLOOR }
    }

    /// The dearest that a store may ask for where the configuration asks for `self`.
    #[must_use]
    pub fn ceiling(self) -> Self {
        self.raised_to(Self { memory_kib: MEMORY_UNASKED, iterations: ITERATIONS_UNASKED })
    }

    /// Checks that a store may ask for this much.
    ///
    /// # Errors
    /// [`KdfError::Unasked`]
    pub fn check_below(self, ceiling: Self) -> Result<(), KdfError> {
        let Self { memory_kib, iterations } = self;
        if self.raised_to(ceiling) == ceiling { Ok(()) } else { Err(KdfError::Unasked { memory_kib, iterations }) }
    }

    /// KiB of memory that one derivation fills.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// How often it goes over them.
    pub fn iterations(self) -> u32 {
        self.iterations
    }

    /// Of each the greater.
    #[must_use]
    pub fn raised_to(self, other: Self) -> Self {
        Self { memory_kib: self.memory_kib.max(other.memory_kib), iterations: self.iterations.max(other.iterations) }
    }

    /// 32 bytes that only this password and salt give. The memory it took is wiped and given back.
    pub(crate) fn derive(self, password: &Secret, salt: &[u8; SALT]) -> Result<Zeroizing<[u8; 32]>, KdfError> {
        let params = Params::new(self.memory_kib, self.iterations, 1, Some(32)).map_err(KdfError::Argon)?;
        let mut memory = Blocks::map(params.block_count())
            .map_err(|source| KdfError::OutOfMemory { memory_kib: self.memory_kib, source })?;
        let mut key = Zeroizing::new([0; 32]);
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let blocks = memory.as_mut_slice();
        let derived = argon.hash_password_into_with_memory(password.expose(), salt, key.as_mut_slice(), &mut *blocks);
        blocks.iter_mut().for_each(Zeroize::zeroize);
        derived.map_err(KdfError::Argon)?;
        Ok(key)
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self { memory_kib: MEMORY_DEFAULT, iterations: ITERATIONS_DEFAULT }
    }
}

/// Memory straight from the system: it goes back there the moment it is dropped, whatever the allocator keeps.
struct Blocks(MmapMut);

impl Blocks {
    fn map(count: usize) -> io::Result<Self> {
        let bytes = count.checked_mul(Block::SIZE).ok_or(io::ErrorKind::OutOfMemory)?;
        MmapMut::map_anon(bytes).map(Self)
    }

    #[expect(unsafe_code, reason = "argon2 takes its memory as blocks, and a map is bytes")]
    fn as_mut_slice(&mut self) -> &mut [Block] {
        let (start, count) = (self.0.as_mut_ptr(), self.0.len() / Block::SIZE);
        // SAFETY: a map begins at a page, so at a multiple of a block's alignment of 64; it is `count` blocks long;
        // every pattern of bits is a block of integers; and the borrow is as exclusive as `self` is.
        unsafe { slice::from_raw_parts_mut(start.cast(), count) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        base::secret::Secret,
        seal::kdf::{KdfError, KdfParams},
    };

    #[test]
    fn weak_and_ruinous_parameters_are_refused() {
        for (memory_kib, iterations) in [(19 * 1024 - 1, 3), (65536, 1), (0, 0)] {
            let refused = KdfParams::new(memory_kib, iterations);
            assert!(matches!(refused, Err(KdfError::BelowFloor { .. })), "{memory_kib} {iterations}");
        }
        for (memory_kib, iterations) in [(4 * 1024 * 1024 + 1, 3), (65536, 1001), (u32::MAX, u32::MAX)] {
            let refused = KdfParams::new(memory_kib, iterations);
            assert!(matches!(refused, Err(KdfError::AboveCeiling { .. })), "{memory_kib} {iterations}");
        }
        assert_eq!(KdfParams::new(19 * 1024, 2).unwrap(), KdfParams::floor());
    }

    #[test]
    fn a_store_asks_for_no_more_than_is_usual_or_configured() {
        let (usual, large) = (KdfParams::default(), KdfParams::new(2 * 1024 * 1024, 3).unwrap());
        let long = KdfParams::new(65536, 17).unwrap();
        let most = KdfParams::new(1024 * 1024, 16).unwrap();
        for fine in [usual, KdfParams::floor(), most] {
            assert!(fine.check_below(usual.ceiling()).is_ok(), "{fine:?}");
        }
        for dear in [large, long] {
            assert!(matches!(dear.check_below(usual.ceiling()), Err(KdfError::Unasked { .. })), "{dear:?}");
            assert!(dear.check_below(dear.ceiling()).is_ok(), "{dear:?}");
        }
        assert!(long.check_below(large.ceiling()).is_err(), "each counts alone");
    }

    #[test]
    fn password_salt_and_cost_all_count() {
        let derive = |params: KdfParams, password: &str, salt: u8| {
            *params.derive(&Secret::from(password.to_owned()), &[salt; 16]).unwrap()
        };
        let base = derive(KdfParams::floor(), "password", 1);
        assert_eq!(base, derive(KdfParams::floor(), "password", 1));
        assert_ne!(base, derive(KdfParams::floor(), "passwore", 1));
        assert_ne!(base, derive(KdfParams::floor(), "password", 2));
        assert_ne!(base, derive(KdfParams::new(19 * 1024, 3).unwrap(), "password", 1));
        assert_ne!(base, derive(KdfParams::new(20 * 1024, 2).unwrap(), "password", 1));
    }
}
