//! One word for all that a node did.
//!
//! Each step's actions become bytes, through the codecs of the wire and the log, and the bytes are
//! folded with XXH3. All of that is specified: the same life has the same fingerprint on every
//! platform, under every toolchain, in every build that behaves alike.
//!
//! Deliberately absent: the words of notices and the content of routing tables. Both are drawn from
//! the node's state for its host; their kind and their place among the actions count.

use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;
use twox_hash::XxHash3_64;

use super::event::Address;
use crate::node::Action;
use crate::wire::codec;

// What an action is. The numbers are frozen.
const SEND: u8 = 0;
const DIAL: u8 = 1;
const HANGUP: u8 = 2;
const PERSIST: u8 = 3;
const REPLY: u8 = 4;
const ROUTES: u8 = 5;
const NOTICE: u8 = 6;
const HALT: u8 = 7;

/// A running 64-bit hash over steps. Not for adversaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Folds the actions of one step in; `scratch` is overwritten.
    pub fn fold(&mut self, actions: &[Action], scratch: &mut Vec<u8>) {
        scratch.clear();
        for action in actions {
            encode(action, scratch);
        }
        self.0 = XxHash3_64::oneshot_with_seed(self.0, scratch);
    }

    /// Its lowest sixteen bits, which stand beside each step of a recording.
    #[must_use]
    pub(super) const fn check(self) -> u16 {
        (self.0 & 0xffff) as u16
    }

    /// Its value.
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

fn encode(action: &Action, bytes: &mut Vec<u8>) {
    match action {
        Action::Send {
            link,
            to,
            priority,
            message,
        } => {
            bytes.extend_from_slice(&[SEND, *priority as u8, 0]);
            let code = bytes.len() - 1;
            bytes.extend_from_slice(&link.0.to_le_bytes());
            bytes.extend_from_slice(&to.0.to_le_bytes());
            bytes[code] = message.encode(bytes);
        }
        Action::Dial { address, expected } => {
            tagged(DIAL, &(Address::from(*address), *expected), bytes);
        }
        Action::Hangup { link } => tagged(HANGUP, link, bytes),
        Action::Persist { lsn, record } => tagged(PERSIST, &(*lsn, record), bytes),
        Action::Reply { ticket, answer } => tagged(REPLY, &(*ticket, answer), bytes),
        Action::PublishRoutes(_) => bytes.push(ROUTES),
        Action::Notify(notice) => tagged(NOTICE, &notice.name(), bytes),
        Action::Halt(unfit) => tagged(HALT, unfit, bytes),
    }
}

fn tagged<T: Serialize>(tag: u8, value: &T, bytes: &mut Vec<u8>) {
    bytes.push(tag);
    codec::encode(value, bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{LinkId, Lsn};

    #[test]
    fn order_steps_and_content_count_and_the_value_is_frozen() {
        let hangup = |link| Action::Hangup { link: LinkId(link) };
        let of = |steps: &[&[Action]]| {
            let (mut print, mut scratch) = (Fingerprint::default(), Vec::new());
            steps.iter().for_each(|step| print.fold(step, &mut scratch));
            print
        };
        let both = of(&[&[hangup(1), hangup(2)]]);
        assert_ne!(both, of(&[&[hangup(2), hangup(1)]]));
        assert_ne!(both, of(&[&[hangup(1)], &[hangup(2)]]));
        assert_ne!(
            of(&[&[]]),
            of(&[&[], &[]]),
            "a step that does nothing is a step"
        );
        let boot = Action::Persist {
            lsn: Lsn(1),
            record: crate::durable::Record::Boot { boot: 1 },
        };
        assert_eq!(of(&[&[boot], &[hangup(7)]]).word(), GOLDEN);
    }

    /// Recordings of older builds depend on it.
    const GOLDEN: u64 = 4_304_619_925_980_089_554;
}
