//! quorate-runtime
