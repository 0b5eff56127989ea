//! quorate-examples
