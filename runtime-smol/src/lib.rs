//! quorate-smol
