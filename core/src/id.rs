//! The names of things: newtypes, so that a term is never taken for an index.

use alloc::string::String;
use alloc::string::ToString;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::error::NameError;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Serialize,
            Deserialize,
        )]
        pub struct $name(pub u64);

        impl $name {
            /// The next number; saturates, so a counter at its maximum never wraps to a small one.
            #[must_use]
            pub const fn next(self) -> Self {
                $name(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number!(
    /// A node of the cluster, stable over restarts; carried in its certificate. Shown as `n3`.
    NodeId, "n"
);
number!(
    /// A Raft term (Raft thesis §3.3).
    Term, ""
);
number!(
    /// A position in the control log; the first entry is 1, 0 means "before the log".
    LogIndex, ""
);
number!(
    /// A fencing epoch: the log index of the grant it stands for, so it is unique and only grows.
    Epoch, "e"
);
number!(
    /// A position in the one ordered stream of durable records.
    Lsn, ""
);
number!(
    /// Correlates a command with its answer; chosen by the driver, unique per process.
    Ticket, "t"
);
number!(
    /// One connection, chosen by the driver, never reused within a process.
    LinkId, "l"
);
number!(
    /// Whoever retries commands and wants each to take effect once.
    ClientId, "c"
);
number!(
    /// A client's request; grows by at least one with each new request.
    RequestId, "r"
);

/// A life of a member, as SWIM orders them (SWIM §4.2).
///
/// The high 40 bits count process starts (`boot`, made durable before the node speaks), the low 24
/// bits count refutations within that life. So one durable write per start is enough: whatever a
/// life refuted, the next life is above it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation(pub u64);

impl Incarnation {
    const REFUTATION_BITS: u32 = 24;

    /// The first incarnation of the `boot`-th start.
    #[must_use]
    pub const fn of_boot(boot: u64) -> Incarnation {
        let max = u64::MAX >> Self::REFUTATION_BITS;
        Incarnation((if boot > max { max } else { boot }) << Self::REFUTATION_BITS)
    }

    /// Which start of the process this is.
    #[must_use]
    pub const fn boot(self) -> u64 {
        self.0 >> Self::REFUTATION_BITS
    }

    /// How often this life has refuted an accusation.
    #[must_use]
    pub const fn refutations(self) -> u64 {
        self.0 & ((1 << Self::REFUTATION_BITS) - 1)
    }

    /// The incarnation that overrides `accusation` as well as `self`; saturates.
    #[must_use]
    pub fn above(self, accusation: Incarnation) -> Incarnation {
        Incarnation(self.0.max(accusation.0).saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.boot(), self.refutations())
    }
}

/// One life of one node: the identity of a member. A restarted process is another peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// The node.
    pub node: NodeId,
    /// Which start of its process.
    pub boot: u64,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.node, self.boot)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Longest name, in bytes.
            pub const MAX_LEN: usize = $max;

            /// Checks and wraps a name: 1 to [`Self::MAX_LEN`] of `a-z 0-9 -`, neither first nor
            /// last a dash, so that it can stand as a DNS label in a certificate and never carries
            /// control characters into a log.
            ///
            /// # Errors
            /// [`NameError`] says which rule the text breaks.
            pub fn new(text: &str) -> Result<$name, NameError> {
                check_name($what, text, $max)?;
                Ok($name(text.to_string()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<$name, NameError> {
                check_name($what, &text, $max)?;
                Ok($name(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The cluster's name: checked in the certificate and in every connection, so that two clusters
    /// never merge.
    ClusterId, "cluster id", 32
);
name!(
    /// A role that one node at a time may hold, such as `primary`.
    RoleName, "role", 63
);
name!(
    /// A failure domain, such as a rack or an availability zone.
    Zone, "zone", 63
);

fn check_name(what: &'static str, text: &str, max: usize) -> Result<(), NameError> {
    let edge_ok = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner_ok = text.chars().all(|c| edge_ok(Some(c)) || c == '-');
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.len() > max {
        return Err(NameError::TooLong {
            what,
            len: text.len(),
            max,
        });
    }
    if !inner_ok || !edge_ok(text.chars().next()) || !edge_ok(text.chars().last()) {
        return Err(NameError::Malformed { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_boot_is_above_every_refutation_of_the_last() {
        let first = Incarnation::of_boot(1);
        let refuted = first.above(first).above(first);
        assert_eq!((refuted.boot(), refuted.refutations()), (1, 2));
        let thrice = refuted.above(refuted).above(Incarnation(refuted.0 + 5));
        assert!(thrice > refuted && Incarnation::of_boot(2) > thrice);
        assert_eq!(Incarnation(u64::MAX).above(first), Incarnation(u64::MAX));
        assert_eq!(Incarnation::of_boot(u64::MAX).refutations(), 0);
    }

    #[test]
    fn names_stand_as_dns_labels() {
        assert!(ClusterId::new("prod-a").is_ok() && RoleName::new("7").is_ok());
        assert_eq!(Zone::new(""), Err(NameError::Empty { what: "zone" }));
        assert_eq!(
            RoleName::new("-a"),
            Err(NameError::Malformed { what: "role" })
        );
        assert_eq!(
            RoleName::new("a\u{1b}[0m"),
            Err(NameError::Malformed { what: "role" })
        );
        let long = "x".repeat(33);
        assert_eq!(
            ClusterId::new(&long),
            Err(NameError::TooLong {
                what: "cluster id",
                len: 33,
                max: 32
            })
        );
    }
}
