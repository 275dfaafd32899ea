//! Patterns over tokens, matched in time proportional to the text: a caller chooses it, up to 64 KiB of it.

/// Stands for any run of tokens in a pattern.
pub(crate) const STAR: u16 = 0x200;

/// A compiled pattern.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Wildcard {
    begin: Box<[u16]>,
    /// What follows each star.
    segments: Box<[Segment]>,
}

/// A run of tokens without a star, to be searched for (Knuth, Morris, Pratt).
#[derive(Clone, PartialEq, Eq)]
struct Segment {
    tokens: Box<[u16]>,
    /// For each token: how many tokens of the segment's beginning also end here, this one included, other than all of
    /// those up to here. Searching goes on with so many when the next token differs.
    fallback: Box<[usize]>,
}

impl Wildcard {
    pub(crate) fn new(tokens: &[u16]) -> Self {
        let mut runs = tokens.split(|it| *it == STAR);
        let begin = runs.next().unwrap_or_default().into();
        Self { begin, segments: runs.map(Segment::new).collect() }
    }

    /// Whether the whole of `text` is what the pattern describes.
    pub(crate) fn matches(&self, mut text: impl Iterator<Item = u16>) -> bool {
        if !self.begin.iter().all(|wanted| text.next() == Some(*wanted)) {
            return false;
        }
        // The first place of each segment leaves the most of the text to those behind it.
        match self.segments.split_last() {
            None => text.next().is_none(),
            Some((last, between)) => between.iter().all(|it| it.is_found(&mut text)) && last.ends(text),
        }
    }

    /// Whether it matches the pattern `other` as a text: a star of `other` is only met by a star.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let others = other.segments.iter().flat_map(|it| [STAR].into_iter().chain(it.tokens.iter().copied()));
        self.matches(other.begin.iter().copied().chain(others))
    }
}

impl Segment {
    fn new(tokens: &[u16]) -> Self {
        let mut segment = Self { tokens: tokens.into(), fallback: vec![0; tokens.len()].into() };
        let mut matched = 0;
        for (at, token) in tokens.iter().enumerate().skip(1) {
            matched = segment.advance(matched, *token);
            segment.fallback[at] = matched;
        }
        segment
    }

    /// How many tokens match once `next` follows a text that ends in `matched` of them.
    fn advance(&self, mut matched: usize, next: u16) -> usize {
        loop {
            if self.tokens.get(matched) == Some(&next) {
                return matched + 1;
            }
            let Some(last) = matched.checked_sub(1) else { return 0 };
            matched = self.fallback[last];
        }
    }

    /// Reads `text` up to the end of its first place.
    fn is_found(&self, text: &mut impl Iterator<Item = u16>) -> bool {
        let mut matched = 0;
        while matched < self.tokens.len() {
            let Some(next) = text.next() else { return false };
            matched = self.advance(matched, next);
        }
        true
    }

    /// Whether `text` ends in it.
    fn ends(&self, text: impl Iterator<Item = u16>) -> bool {
        self.tokens.is_empty() || text.fold(0, |matched, next| self.advance(matched, next)) == self.tokens.len()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::{collection::vec, proptest, sample::select};

    use crate::{
        base::glob,
        policy::wildcard::{STAR, Segment, Wildcard},
    };

    proptest! {
        #[test]
        fn it_matches_what_a_search_that_goes_back_matches(
            mut pattern in vec(select(vec![1, 2, STAR]), 0..8),
            text in vec(select(vec![1, 2, STAR]), 0..14),
        ) {
            pattern.dedup_by(|next, before| *next == STAR && *before == STAR);
            let expected = glob::matches(&pattern, STAR, None, text.iter().copied());
            assert_eq!(Wildcard::new(&pattern).matches(text.iter().copied()), expected);
            assert_eq!(Wildcard::new(&pattern).covers(&Wildcard::new(&text)), expected);
        }
    }

    #[test]
    fn each_token_is_read_once_and_costs_two_comparisons_at_most() {
        let (mut tokens, read) = (vec![1; 200], Cell::new(0));
        tokens.push(2);
        let wildcard = Wildcard::new(&[&[STAR], &*tokens, &[STAR, 3]].concat());
        assert!(!wildcard.matches((0..64_000).map(|_| {
            read.set(read.get() + 1);
            1
        })));
        assert_eq!(read.get(), 64_000);
        // What has matched grows by one a token and shrinks by at least one a step back.
        let segment = Segment::new(&tokens);
        assert!(segment.fallback.iter().enumerate().all(|(at, shorter)| *shorter <= at));
    }
}
