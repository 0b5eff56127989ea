//! The simulator: a seed expands to a plan of faults, an engine carries it out on real nodes, and
//! checkers watch what may never happen.
//!
//! ```text
//! seed ── swarm ──► Plan ── engine::des ──► events of real Nodes, Links and log bytes
//!                    │                              │
//!                 a text                 checkers · trace hash · timeline ──► Report
//! ```
//!
//! A seed's meaning changes with the code, a plan's does not: a regression is stored as a plan.

pub mod bench;
pub mod checkers;
pub mod cli;
pub mod diff;
pub mod disk;
pub mod engine;
pub mod expect;
pub mod flight;
pub mod marks;
pub mod meter;
pub mod mutants;
pub mod named;
pub mod network;
pub mod plan;
pub mod readers;
pub mod record;
pub mod replay;
pub mod report;
pub mod scenario;
pub mod scenarios;
pub mod sends;
pub mod shrink;
pub mod soak;
pub mod span;
pub mod steps;
pub mod swarm;
pub mod timeline;
pub mod trace;
pub mod view;
pub mod why;
pub mod wording;
pub mod workload;
pub mod world;
