//! How many bytes of bodies and answers may lie in memory at once, of all requests to our own paths together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::exchange::Refusal;

/// All of it.
const MOST: usize = 64 << 20;
/// Kept free for what is small, such as revoking a key.
const RESERVE: usize = 8 << 20;

/// What all workers share. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Budget(Arc<AtomicUsize>);

/// Some of it, until this is dropped.
#[derive(Debug)]
pub struct Held {
    all: Arc<AtomicUsize>,
    most: usize,
    bytes: usize,
}

impl Budget {
    /// For a body of a request for the world, or an answer to one.
    pub fn of_large(&self) -> Held {
        self.up_to(MOST - RESERVE)
    }

    /// For what changes something, or asks: it is never large.
    pub fn of_small(&self) -> Held {
        self.up_to(MOST)
    }

    fn up_to(&self, most: usize) -> Held {
        Held { all: Arc::clone(&self.0), most, bytes: 0 }
    }
}

impl Held {
    /// Takes more, if there is so much.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`]
    pub fn add(&mut self, bytes: usize) -> Result<(), Refusal> {
        let more = |held: usize| held.checked_add(bytes).filter(|it| *it <= self.most);
        self.all.fetch_update(Relaxed, Relaxed, more).or(Err(Refusal::Overloaded))?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::{
        Refusal,
        budget::{Budget, MOST, RESERVE},
    };

    #[test]
    fn what_is_given_back_can_be_taken_again_and_a_rest_is_for_what_is_small() {
        let budget = Budget::default();
        let (mut large, mut other, mut small) = (budget.of_large(), budget.of_large(), budget.of_small());
        large.add(MOST - RESERVE - 1).unwrap();
        other.add(1).unwrap();
        assert_eq!(other.add(1), Err(Refusal::Overloaded));
        small.add(RESERVE).unwrap();
        assert_eq!(small.add(1), Err(Refusal::Overloaded));
        drop(large);
        other.add(1).unwrap();
        assert_eq!(other.add(usize::MAX), Err(Refusal::Overloaded));
        drop((other, small));
        budget.of_small().add(MOST).unwrap();
    }
}
