//! The full exchange: whoever dials someone new tells all it knows, and is told all in return. It
//! is what makes a join complete at once. Between nodes that know each other, `sync` exchanges what
//! differs only.
//!
//! Invariants: I1 a page holds at most [`UPDATES_MAX`] updates and all but the last say `more`. I2
//! this node's own life is on the first page, so the receiver knows whom it talks to.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::lifecycle::Standing;
use super::message::{Join, Message, UPDATES_MAX, Update, Welcome};
use super::{JoinEnd, Membership, Output};
use crate::id::{NodeId, Peer};
use crate::mutant::Mutant;
use crate::time::Time;

/// Connections that came up before the start and are waiting for an exchange.
const EARLY_MAX: usize = 64;

/// Peers whose connection came up before this node might speak.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Early {
    nodes: BTreeSet<NodeId>,
}

impl Membership {
    /// "Here is all I know; tell me all you know."
    pub(super) fn on_join(&mut self, now: Time, from: NodeId, join: Join, out: &mut Vec<Output>) {
        self.merge_exchange(now, from, join.updates, out);
        self.become_joined(out);
        if !join.more {
            for (updates, more) in self.pages() {
                self.send(from, Message::Welcome(Welcome { updates, more }), out);
            }
        }
    }

    /// The answer to our own exchange.
    pub(super) fn on_welcome(
        &mut self,
        now: Time,
        from: NodeId,
        welcome: Welcome,
        out: &mut Vec<Output>,
    ) {
        let about_me = self.merge_exchange(now, from, welcome.updates, out);
        if !welcome.more && self.newcomer_of == Some(from) {
            self.newcomer_of = None;
        }
        self.become_joined(out);
        self.send_answer(now, from, about_me, true, out);
    }

    /// A connection is up.
    pub(super) fn on_link_up(
        &mut self,
        now: Time,
        peer: Peer,
        address: SocketAddr,
        dialed: bool,
        out: &mut Vec<Output>,
    ) {
        if peer.node == self.me.node {
            self.rejoin.learn_alias(address, peer.node);
            return;
        }
        self.rejoin.links.up(peer.node, address);
        if dialed {
            self.rejoin.learn_alias(address, peer.node);
            let live = self
                .table
                .known(peer.node)
                .is_some_and(|m| m.state.is_live());
            if !live {
                self.rejoin.reset_backoff(now + self.config.rejoin_interval);
            }
        }
        match self.standing {
            Standing::Waiting => {
                if self.early.nodes.len() < EARLY_MAX {
                    self.early.nodes.insert(peer.node);
                }
            }
            Standing::Running if dialed => self.greet(peer, out),
            Standing::Running | Standing::Leaving | Standing::Gone => {}
        }
    }

    /// A dial of ours worked. Whoever is new to us, or whom we asked to let us in, is told all; who
    /// is held dead or left is compared with, which tells it so; and a live member dialled only to
    /// be probed shows with its answer whether there is anything to tell.
    fn greet(&mut self, peer: Peer, out: &mut Vec<Output>) {
        let known = self.table.known(peer.node);
        let is_known_life = known.is_some_and(|member| member.peer() == peer);
        let is_live = known.is_some_and(|member| member.state.is_live());
        if self.join_timer.is_set() || !is_known_life {
            self.send_join(peer.node, out);
        } else if !is_live {
            self.send_sync(peer.node, out);
        }
    }

    /// The last connection to a node is gone.
    pub(super) fn on_link_down(&mut self, now: Time, node: NodeId) {
        self.rejoin.links.down(node);
        self.early.nodes.remove(&node);
        if self.newcomer_of == Some(node) {
            self.newcomer_of = None;
        }
        if self.standing == Standing::Running {
            self.probe_soon(now, node);
        }
    }

    /// Opens an exchange.
    pub(super) fn send_join(&mut self, to: NodeId, out: &mut Vec<Output>) {
        // A node that knows nobody learns from `to` only what its other members know already, so it
        // need not spread it.
        if self.table.live().len() == 0 {
            self.newcomer_of = Some(to);
        }
        for (updates, more) in self.pages() {
            self.send(to, Message::Join(Join { updates, more }), out);
        }
    }

    /// Opens the exchanges that had to wait for the start.
    pub(super) fn send_early_joins(&mut self, out: &mut Vec<Output>) {
        for node in core::mem::take(&mut self.early).nodes {
            self.send_join(node, out);
        }
    }

    /// Someone speaks whom nobody has told us of: its exchange was lost, or it was forgotten. Ask
    /// it, but not more than once per probe period, whoever it is.
    pub(super) fn send_join_to_stranger(&mut self, now: Time, to: NodeId, out: &mut Vec<Output>) {
        if now >= self.stranger_allowed_at {
            self.stranger_allowed_at = now + self.config.probe_interval;
            self.send_join(to, out);
        }
    }

    pub(super) fn become_joined(&mut self, out: &mut Vec<Output>) {
        if self.join_timer.is_set() {
            self.join_timer.stop();
            out.push(Output::Joined(JoinEnd::Welcomed));
        }
    }

    fn pages(&self) -> Vec<(Vec<Update>, bool)> {
        let mut pages = Vec::new();
        let omits_dead = self.planted.is(Mutant::ExchangeOmitsDead);
        let all = self.table.updates();
        let mut updates = all
            .filter(|update| !omits_dead || update.state.is_live())
            .peekable();
        while updates.peek().is_some() {
            let page: Vec<Update> = updates.by_ref().take(UPDATES_MAX).collect();
            let more = updates.peek().is_some();
            pages.push((page, more));
        }
        pages
    }
}
