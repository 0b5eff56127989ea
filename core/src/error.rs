//! Errors of the leaf words.

use core::fmt;

/// Why a text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was given.
    Empty {
        /// The kind of name.
        what: &'static str,
    },
    /// Longer than allowed.
    TooLong {
        /// The kind of name.
        what: &'static str,
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character outside `a-z 0-9 -`, or a dash at an end.
    Malformed {
        /// The kind of name.
        what: &'static str,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty { what } => write!(f, "{what} is empty"),
            NameError::TooLong { what, len, max } => {
                write!(f, "{what} has {len} bytes, at most {max} are allowed")
            }
            NameError::Malformed { what } => write!(
                f,
                "{what} must consist of a-z, 0-9 and inner dashes, to stand in a certificate"
            ),
        }
    }
}

impl core::error::Error for NameError {}
