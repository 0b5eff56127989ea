//! Checksums of what is kept or sent in pieces.

use crc::{CRC_32_ISCSI, Crc, Table};
use twox_hash::XxHash3_64;

/// A static, so that its tables (16 KiB, sixteen bytes per step) exist once.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// A checksum. That of zeros is not zero, so a run of zeros is no frame.
pub(crate) type Sum = fn(&[u8]) -> u32;

/// CRC-32C, which finds every error of a few bits: for the log and for snapshots.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes)
}

/// The lower half of XXH3, for a tenth of the price: for recordings.
pub(crate) fn xxh3(bytes: &[u8]) -> u32 {
    (XxHash3_64::oneshot(bytes) & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }
}
