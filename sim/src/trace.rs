//! The trace hash: one number over everything that happened, in order.
//!
//! Two runs of one plan must agree in it, in any process and any build. So it is written here and
//! not taken from the standard library, whose hashers promise no stable value.

use std::hash::{Hash, Hasher};

use quorate_core::node::{Action, Event};

/// A word-wise FNV-1a with a final mix; stable over platforms of either endianness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold(u64);

impl Default for Fold {
    fn default() -> Fold {
        Fold(0xcbf2_9ce4_8422_2325)
    }
}

impl Fold {
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(23);
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.word(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.word(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.word(value as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

/// The hash of any value.
#[must_use]
pub fn digest(value: &impl Hash) -> u64 {
    let mut fold = Fold::default();
    value.hash(&mut fold);
    fold.finish()
}

/// The running hash of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    fold: Fold,
}

impl Trace {
    /// A node was stepped.
    pub fn step(&mut self, at: u64, node: u64, event: &Event) {
        self.fold.word(at);
        self.fold.word(node);
        event.hash(&mut self.fold);
    }

    /// What it wanted done.
    pub fn actions(&mut self, actions: &[Action]) {
        actions.hash(&mut self.fold);
    }

    /// Something else happened that the run depends on.
    pub fn note(&mut self, at: u64, what: &impl Hash) {
        self.fold.word(at);
        what.hash(&mut self.fold);
    }

    /// The hash so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.fold.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_content_and_length_count_and_the_value_is_frozen() {
        assert_ne!(digest(&[1_u64, 2]), digest(&[2_u64, 1]));
        assert_ne!(digest(&"ab"), digest(&"ab\0"));
        assert_ne!(digest(&[0_u8; 8][..]), digest(&[0_u8; 9][..]));
        let mut trace = Trace::default();
        trace.step(1, 2, &Event::Tick);
        let first = trace.hash();
        trace.actions(&[]);
        assert_ne!(trace.hash(), first);
    }
}
