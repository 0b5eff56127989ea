//! Two ends of a connection, driven by bytes that a fuzzer chooses.

mod end;

pub use end::{End, Told, exchange};
