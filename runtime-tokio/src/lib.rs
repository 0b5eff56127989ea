//! quorate-tokio
