//! Moving roles away from dead holders.
