//! A run as one page to look at: a space-time diagram in a single HTML file.
//!
//! ```text
//! plan ── des::record ──► Report + Recording ── page ──► one file, no network, no fonts
//! ```
//!
//! * I1: recording changes nothing: the run with it has the trace hash of the run without it.
//! * I2: the page's size is bounded: what is left out is counted, and the page says so.
//! * I3: no text of a plan becomes markup.
//!
//! Deliberately absent: a server, and pictures drawn here. The page draws itself from the data in
//! it, so that it can zoom.

pub mod page;
pub mod recorder;
pub mod recording;
mod words;

pub use page::{Page, Window, render};
pub use recorder::Recorder;
pub use recording::Recording;
