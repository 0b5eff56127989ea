//! The deterministic, sans-IO state machine of Quorate.
//!
//! A [`Node`](node::Node) holds all the logic of one cluster node: SWIM membership, Raft election
//! and control log, role failover and the routing snapshot. It reaches no clock, socket, thread,
//! file or global random source. A driver owns it and turns its actions into I/O:
//!
//! ```text
//! let mut node = Node::recover(config, durable, seed, now);
//! loop {
//!     let event = wait_until(node.deadline());        // a message, a completed fsync, a command,
//!   or Event::Tick node.step(now(), event, &mut actions); for action in actions.drain(..) { match
//!   action { Action::Send { link, message, .. }   => links[link].submit(message), Action::Dial {
//!   address, .. }         => connect(address), Action::Persist { lsn, record }      =>
//!   disk.append(lsn, record),   // then Event::Persisted(lsn) Action::Reply { ticket, answer }
//!   => waiting.remove(ticket).send(answer), Action::PublishRoutes(snapshot)      =>
//!   routes.store(snapshot), Action::Notify(notice)               => log(notice), Action::Hangup {
//!   link }              => links.remove(link), } } }
//! ```
//!
//! Beside it live two more pure things: [`transport::Link`], the machine of one connection, and
//! [`balance::Snapshot`], a routing table that any thread can ask.
//!
//! Modules stand on floors and import only lower ones; `tests/tidy.rs` checks that.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

// Floor 0: leaf words.
pub mod error;
pub mod fixed;
pub mod id;
pub mod level;
#[cfg(not(feature = "mutants"))]
mod mutant;
#[cfg(feature = "mutants")]
pub mod mutant;
pub mod payload;
pub mod quorum;
pub mod seed;
mod sum;
pub mod time;
pub mod voters;

// Floor 1: the subsystems, which do not import each other.
pub mod control;
pub mod gossip;
pub mod health;
pub mod membership;
pub mod raft;
pub mod transport;

// Floor 2: what is built on the control state.
pub mod balance;
pub mod electorate;
pub mod failover;

// Floor 3: unions of the subsystems' messages, records and notices.
pub mod durable;
pub mod metrics;
pub mod notice;
pub mod wire;

// Floor 4: the composition.
pub mod node;

// Floor 5: record and replay.
pub mod journal;
