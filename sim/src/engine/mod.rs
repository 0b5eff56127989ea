//! The engines that carry out a plan.
//!
//! `des`, here, is a seeded event loop over the pure machines. The other engine runs the tokio
//! adapter on a simulated runtime; it is a package of its own beside this crate, because it
//! compiles the adapter a second time.

pub mod des;
pub(crate) mod memory;
mod queue;

pub use queue::Queue;
