//! The memory that bodies and answers of requests to our own paths may take: in total, and for each caller.

use std::sync::Arc;

use http_body::SizeHint;

use crate::{
    base::capacity::{Capacity, Client, Most, Resource, Share},
    exchange::Refusal,
};

/// Bytes for all callers.
const ALL: usize = 128 << 20;
/// One caller may have a quarter. A request and an answer of 10 MiB each fit.
const EACH: usize = ALL / 4;
/// An eighth of each is kept for small messages, such as revoking a key.
const RESERVED: usize = 8;
/// Most bytes of a small message, which the serving thread parses and writes itself.
pub const SMALL: usize = 64 << 10;

/// Shared by all workers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Capacity>);

/// Memory of one caller; given back when this is dropped.
#[derive(Debug)]
pub struct Held {
    share: Share,
    most: Most,
}

impl Budget {
    /// For a body of this length. One that is declared as small may use the reserve.
    pub fn of(&self, client: Client, length: &SizeHint) -> Held {
        let small = length.upper().is_some_and(|it| it <= SMALL as u64);
        let share = self.0.share(client);
        let all = Most { all: ALL, each: EACH };
        let most = if small { all } else { Most { all: ALL - ALL / RESERVED, each: EACH - EACH / RESERVED } };
        Held { share, most }
    }

    /// For a body whose length is not known.
    pub fn of_large(&self, client: Client) -> Held {
        self.of(client, &SizeHint::new())
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(Capacity::new(Resource::Bodies))
    }
}

impl Held {
    /// Who holds it.
    pub fn client(&self) -> &Client {
        self.share.client()
    }

    /// Takes this many more bytes, or none.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`], [`Refusal::Crowding`]
    pub fn add(&mut self, bytes: usize) -> Result<(), Refusal> {
        Ok(self.share.add(bytes, self.most)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body::SizeHint;

    use crate::{
        base::capacity::Client,
        exchange::{
            Refusal,
            budget::{ALL, Budget, EACH, Held, RESERVED, SMALL},
        },
    };

    #[test]
    fn a_caller_has_a_quarter_and_small_bodies_have_a_reserve() {
        let (budget, small) = (Budget::default(), SizeHint::with_exact(SMALL as u64));
        let client = || Client::Key(Arc::default());
        let callers: [Client; 5] = std::array::from_fn(|_| client());
        let most = EACH - EACH / RESERVED;
        let mut held: Vec<Held> = Vec::new();
        for caller in &callers[..4] {
            let mut large = budget.of_large(caller.clone());
            assert!(matches!(large.add(usize::MAX), Err(Refusal::Crowding)));
            large.add(most).unwrap();
            assert_eq!(budget.of_large(caller.clone()).add(1), Err(Refusal::Crowding));
            held.push(large);
        }
        assert_eq!(budget.of_large(callers[4].clone()).add(1), Err(Refusal::Overloaded));
        let mut last = budget.of(callers[4].clone(), &small);
        last.add(ALL / RESERVED).unwrap();
        assert_eq!(last.add(1), Err(Refusal::Overloaded));
        drop((held, last));
        budget.of(callers[4].clone(), &small).add(EACH).unwrap();
    }
}
