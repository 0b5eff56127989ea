//! Bytes from the socket that wait to be opened, in one buffer from handshake to end.

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 128 * 1024;

/// Received bytes. A record is opened where it lies; an incomplete one waits at the front.
#[derive(Debug, Default)]
pub(super) struct Intake {
    bytes: Vec<u8>,
    len: usize,
}

impl Intake {
    /// What has arrived and was not consumed.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    /// So much of it is done with.
    pub(super) fn consume(&mut self, count: usize) {
        self.bytes.copy_within(count..self.len, 0);
        self.len -= count;
    }

    /// Room for more.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let end = self.len + READ_BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.len..]
    }

    /// So much of the room was filled.
    pub(super) fn commit(&mut self, count: usize) {
        self.len += count;
    }
}
