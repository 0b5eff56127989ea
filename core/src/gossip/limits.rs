//! The bounds of the shared state. They are part of the protocol: a node that stored less than the
//! others would differ from them for ever.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;
/// Longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 4096;
/// Keys one node may have.
pub const NODE_KEYS_MAX: usize = 64;
/// Keys that begin so are the machines' own; the host can neither write nor list them.
pub const RESERVED_PREFIX: &str = "quorate/";
/// Reserved keys a node may have beside the host's.
const RESERVED_KEYS: usize = 1;
/// Bytes that the keys and values of one node may have together.
pub const NODE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of keys and values of all owners together above which no node writes more.
pub const CLUSTER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of keys and values that a node stores of all owners together. Above
/// [`CLUSTER_BYTES_MAX`], because nodes may write the last of it at the same time.
pub const STORED_BYTES_MAX: usize = 2 * CLUSTER_BYTES_MAX;
/// Deleted keys an owner remembers; with one more it forgets them all and writes what is left
/// anew.
pub const TOMBSTONES_MAX: usize = 64;
/// Entries stored of one owner, tombstones included. An honest owner never has more.
pub const ENTRIES_MAX: usize = NODE_KEYS_MAX + RESERVED_KEYS + TOMBSTONES_MAX;
/// The last version of one life of an owner; one write each nanosecond reaches it in three days,
/// one each microsecond in nine years.
pub const VERSION_MAX: u64 = 1 << 48;

/// Bytes of entries in one delta: all that one honest owner may have fits.
pub(super) const DELTA_BYTES: usize = 28 * 1024;
/// Bytes of holdings in one message.
pub(super) const HOLDINGS_BYTES: usize = 16 * 1024;
/// Bytes of entries in one message of news.
pub(super) const NEWS_BYTES: usize = 8 * 1024;
/// Branches in one message.
pub(super) const BRANCHES_MAX: usize = 64;

/// Why the host's write is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StateRefused {
    /// A key has 1 to [`KEY_BYTES_MAX`] bytes, none of them a control character.
    Key,
    /// The key begins with [`RESERVED_PREFIX`].
    Reserved,
    /// The value is longer than [`VALUE_BYTES_MAX`].
    Value {
        /// Bytes given.
        len: usize,
    },
    /// This node has [`NODE_KEYS_MAX`] keys already.
    NodeKeys,
    /// The keys and values of this node would have more than [`NODE_BYTES_MAX`] bytes.
    NodeBytes {
        /// Bytes they would have.
        len: usize,
    },
    /// All owners together have no room left.
    ClusterFull,
    /// This life has used up its versions. Restart the node.
    VersionsExhausted,
}

impl fmt::Display for StateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateRefused::Key => write!(
                f,
                "a key has 1 to {KEY_BYTES_MAX} bytes, none of them a control character"
            ),
            StateRefused::Reserved => {
                write!(
                    f,
                    "keys that begin with {RESERVED_PREFIX} are not the host's"
                )
            }
            StateRefused::Value { len } => {
                write!(
                    f,
                    "the value has {len} bytes, at most {VALUE_BYTES_MAX} are allowed"
                )
            }
            StateRefused::NodeKeys => {
                write!(
                    f,
                    "this node has {NODE_KEYS_MAX} keys already; delete one first"
                )
            }
            StateRefused::NodeBytes { len } => write!(
                f,
                "the keys and values of this node would have {len} bytes, at most \
                 {NODE_BYTES_MAX} are allowed"
            ),
            StateRefused::ClusterFull => write!(
                f,
                "all nodes together store {CLUSTER_BYTES_MAX} bytes already"
            ),
            StateRefused::VersionsExhausted => {
                f.write_str("this life of the node has used up its versions; restart it")
            }
        }
    }
}

impl core::error::Error for StateRefused {}

/// Judges a key.
pub(super) fn check_key(key: &str) -> Result<(), StateRefused> {
    let is_sound =
        !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.chars().any(char::is_control);
    is_sound.then_some(()).ok_or(StateRefused::Key)
}
