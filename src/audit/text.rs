//! A short text of a line, escaped when it comes in and kept where it is set: there is nothing to free.

use crate::audit::escape::escape;

/// No more than `N` bytes. What does not fit is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<const N: usize> {
    length: usize,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// What is not known.
    pub(crate) const NONE: Self = {
        let mut bytes = [0; N];
        bytes[0] = b'-';
        Self { length: 1, bytes }
    };

    /// Whatever it says.
    pub(crate) fn set(&mut self, text: &[u8]) {
        if text.is_empty() {
            *self = Self::NONE;
            return;
        }
        self.length = 0;
        escape(text, N, |piece| self.push(piece));
    }

    /// The same, for what is there and must not look like what is not.
    pub(crate) fn set_name(&mut self, name: &str) {
        if name == "-" {
            self.length = 0;
            return self.push(b"\\x2d");
        }
        self.set(name.as_bytes());
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The bytes with what is behind them, which means nothing, and how many they are.
    pub(crate) fn padded(&self) -> (&[u8; N], usize) {
        (&self.bytes, self.length)
    }

    fn push(&mut self, piece: &[u8]) {
        let end = self.length + piece.len();
        self.bytes[self.length..end].copy_from_slice(piece);
        self.length = end;
    }
}
