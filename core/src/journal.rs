//! Record and replay. Filled in below.
