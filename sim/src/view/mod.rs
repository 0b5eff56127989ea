//! A run as one page to look at: a space-time diagram in a single HTML file.
//!
//! ```text
//! Record ── staging ──► Scene ── page ──► one file, no network, no fonts
//! ```
//!
//! * I1: the page is made from the record alone, a run's or that of real nodes.
//! * I2: the page's size is bounded: what is left out is counted, and the page says so.
//! * I3: no text of a plan becomes markup.
//!
//! Deliberately absent: a server, and pictures drawn here. The page draws itself from the data in
//! it, so that it can zoom.

mod page;
mod scene;
mod staging;
mod words;

pub use page::{Caption, Page, Window, render};
pub use scene::{Cut, Event, Fate, Lane, Scene, Sent, State, Up};
pub use staging::stage;
