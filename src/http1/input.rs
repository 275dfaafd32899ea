//! Bytes that were read and that no message has claimed yet.

use bytes::Bytes;

/// A buffer that is filled at its end and taken from at its beginning; taking moves a mark, not the bytes.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    at: usize,
}

impl Input {
    /// What is there.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// How much is there.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Bytes of memory that it takes.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds what was read.
    pub fn append(&mut self, read: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(read);
    }

    /// Forgets so many bytes.
    pub fn skip(&mut self, count: usize) {
        self.at += count;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Takes so many bytes, at most all. All of them are taken without a copy.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        if self.at == 0 && most >= self.bytes.len() {
            return std::mem::take(&mut self.bytes);
        }
        let taken = self.rest()[..most.min(self.len())].to_vec();
        self.skip(taken.len());
        taken
    }

    /// Takes them as a frame of a body.
    pub fn take_frame(&mut self, most: usize) -> Bytes {
        Bytes::from(self.take(most))
    }
}

#[cfg(test)]
mod tests {
    use crate::http1::input::Input;

    #[test]
    fn what_goes_in_comes_out_in_order_whatever_the_cuts() {
        let mut input = Input::default();
        input.append(b"abcdef");
        input.skip(1);
        assert_eq!(input.take(2), b"bc");
        input.append(b"gh");
        assert_eq!((input.rest(), input.len()), (&b"defgh"[..], 5));
        assert_eq!(input.take(100), b"defgh");
        assert!(input.is_empty());
        input.append(b"x");
        assert_eq!(input.take(1), b"x");
    }
}
