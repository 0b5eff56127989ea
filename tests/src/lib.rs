//! What the tests of Quorate share: certificates, nodes in temporary directories, patience, and
//! strangers that knock.
//!
//! The tests reach nodes through the public API only and never sleep: they await an event, and a
//! timeout is a failure.

pub mod cluster;
pub mod pair;
pub mod pki;
pub mod proxy;
pub mod stranger;
