//! What is critical waits on a connection for no more than one segment of bulk.
//!
//! It reads the frames itself: `core/src/transport/frame.rs` says what they look like.

use super::Verdict;

/// Bytes before the body of a frame.
const HEADER_LEN: usize = 16;
/// Kinds of frames that are numbered: messages, requests, replies, data, credit.
const NUMBERED: [u8; 5] = [3, 4, 5, 11, 12];
/// The class of bulk.
const LOW: u8 = 3;
/// In the class: the message goes on.
const MORE: u8 = 0x80;
/// One segment.
const BULK_BYTES_MAX: usize = 16 * 1024;

/// What one host sends another.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    /// The number of the last critical frame that waits on a connection.
    waiting: Option<u64>,
    /// Bytes of bulk that left since it waits, or since the last critical frame left.
    bulk: usize,
}

impl Checker {
    /// A critical message waits, up to the frame of this number.
    pub fn submitted(&mut self, number: u64) {
        if self.waiting.is_none() {
            self.bulk = 0;
        }
        self.waiting = Some(number);
    }

    /// Another connection carries on, or another session.
    pub fn resumed(&mut self) {
        *self = Checker::default();
    }

    /// A record of whole frames leaves.
    ///
    /// # Errors
    /// It holds bulk for which something critical waits too long.
    pub fn left(&mut self, record: &[u8]) -> Verdict {
        let Some(mut waiting) = self.waiting else {
            return Ok(());
        };
        let mut rest = record;
        while let Some((header, behind)) = rest.split_at_checked(HEADER_LEN) {
            let len = usize::from(u16::from_le_bytes([header[4], header[5]]));
            rest = behind.get(len..).unwrap_or(&[]);
            if !NUMBERED.contains(&header[1]) {
                continue;
            }
            let class = header[2] & !MORE;
            if class == LOW {
                self.bulk += HEADER_LEN + len;
            }
            if self.bulk > BULK_BYTES_MAX {
                return Err(format!(
                    "critical frame {waiting} waits for {} bytes of bulk",
                    self.bulk
                ));
            }
            if class == 0 {
                let number = header[8..].iter().rev();
                let number = number.fold(0, |all, byte| (all << 8) | u64::from(*byte));
                self.bulk = 0;
                if number >= waiting {
                    self.waiting = None;
                    return Ok(());
                }
                waiting = waiting.max(number);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(class: u8, number: u8, len: u16) -> Vec<u8> {
        let [low, high] = len.to_le_bytes();
        let mut frame = vec![1, 3, class, 0, low, high, 0, 0, number, 0, 0, 0, 0, 0, 0, 0];
        frame.resize(HEADER_LEN + usize::from(len), 7);
        frame
    }

    #[test]
    fn one_segment_of_bulk_between_critical_frames_is_accepted() {
        let mut checker = Checker::default();
        let full = frame(LOW, 1, 16_368);
        assert_eq!(checker.left(&full), Ok(()));
        assert_eq!(checker.left(&full), Ok(()), "nothing waits");
        checker.submitted(2);
        assert_eq!(checker.left(&full), Ok(()));
        assert_eq!(
            checker.left(&[frame(MORE, 1, 9), frame(2, 1, 900)].concat()),
            Ok(())
        );
        assert_eq!(checker.left(&full), Ok(()));
        assert_eq!(checker.left(&frame(0, 2, 9)), Ok(()));
        assert_eq!(checker.left(&full), Ok(()));
    }

    #[test]
    fn more_than_a_segment_is_refused() {
        let mut checker = Checker::default();
        checker.submitted(1);
        assert_eq!(checker.left(&frame(LOW | MORE, 1, 16_368)), Ok(()));
        let mut resumed = checker.clone();
        assert!(checker.left(&frame(LOW, 2, 1)).is_err());
        resumed.resumed();
        assert_eq!(resumed.left(&frame(LOW, 2, 1)), Ok(()));
    }
}
