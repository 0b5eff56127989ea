//! Both machines through their calls alone.

mod connection;
mod faults;
mod resumption;
mod rig;
mod shares;
mod streams;
