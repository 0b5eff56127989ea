//! Bytes on their way to the socket, in a buffer that is never cleared to zero twice.

/// Sealed bytes, to be sent in order.
#[derive(Debug, Default)]
pub struct Sealed {
    bytes: Vec<u8>,
    len: usize,
}

impl Sealed {
    /// What is to be sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// How much that is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing is to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of it is sent.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Moves everything behind what `other` holds.
    pub(crate) fn append_to(&mut self, other: &mut Sealed) {
        other.room(self.len).copy_from_slice(self.bytes());
        other.commit(self.len);
        self.clear();
    }

    /// Room for so many bytes behind what is there.
    pub(super) fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.len + bytes;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.len..end]
    }

    /// So many bytes of the room were filled.
    pub(super) fn commit(&mut self, bytes: usize) {
        self.len += bytes;
    }
}
