//! The hint plane in the composition: gossip carries the rows of reachability, reachability judges
//! them, and the host writes and reads beside them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::cascade::{Work, send};
use super::command::Quorum;
use super::links;
use super::{Action, Node, Refusal};
use crate::gossip::{self, Gossip, RESERVED_PREFIX, StateEntry, StateRefused};
use crate::health::{self, ROW_KEY};
use crate::id::NodeId;
use crate::membership::State;
use crate::metrics::Metrics;
use crate::notice::Notice;
use crate::quorum;
use crate::time::Time;
use crate::wire::Message;

impl Node {
    /// Works off what gossip says: what a node tells under a reserved key is for the machines.
    pub(super) fn on_gossip(
        output: gossip::Output,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        match output {
            gossip::Output::Send { to, message } => next.push(send(to, Message::Gossip(message))),
            gossip::Output::Fact(gossip::Fact::Changed {
                owner, key, value, ..
            }) if key.starts_with(RESERVED_PREFIX) => {
                if key == ROW_KEY {
                    let row = value;
                    next.push(Work::Health(health::Input::Row { owner, row }));
                }
            }
            gossip::Output::Fact(fact) => actions.push(Action::Notify(Notice::State(fact))),
            gossip::Output::PeerFault { from, fault } => {
                actions.push(Action::Notify(Notice::GossipFault { from, fault }));
            }
        }
    }

    /// Works off what reachability says.
    pub(super) fn on_health(
        &mut self,
        now: Time,
        output: health::Output,
        next: &mut Vec<Work>,
        actions: &mut Vec<Action>,
    ) {
        match output {
            health::Output::Tell(row) => {
                let mut out = Vec::new();
                // A cluster that is full goes without: what a row says is a hint.
                let _refused = match row {
                    Some(row) => self.gossip.put(now, ROW_KEY.into(), row, &mut out).err(),
                    None => self.gossip.remove(now, ROW_KEY, &mut out).err(),
                };
                for output in out {
                    Node::on_gossip(output, next, actions);
                }
            }
            health::Output::Dial(address) => {
                next.push(Work::Links(links::Input::Dial { address }));
            }
            health::Output::Status(status) => {
                actions.push(Action::Notify(Notice::Partition(status)));
            }
        }
    }

    /// Lets the host write its state, and works off what that leads to.
    pub(super) fn write_state<T>(
        &mut self,
        now: Time,
        actions: &mut Vec<Action>,
        write: impl FnOnce(&mut Gossip, &mut Vec<gossip::Output>) -> Result<T, StateRefused>,
    ) -> Result<T, Refusal> {
        let (mut out, mut next) = (Vec::new(), Vec::new());
        let written = write(&mut self.gossip, &mut out);
        for output in out {
            Node::on_gossip(output, &mut next, actions);
        }
        for work in next {
            self.cascade(now, work, actions);
        }
        written.map_err(Refusal::State)
    }

    /// What the hosts wrote, of one node or of all.
    pub(super) fn read_state(&self, of: Option<NodeId>, prefix: &str) -> Vec<StateEntry> {
        let entries = self.gossip.entries(of, prefix);
        let of_hosts = entries.filter(|entry| !entry.key.starts_with(RESERVED_PREFIX));
        of_hosts.collect()
    }

    /// Whether there is a quorum, and what is missing for it.
    pub(super) fn judge_quorum(&self) -> Quorum {
        let alive = self
            .membership
            .members()
            .filter(|member| member.state == State::Alive);
        let live = alive.map(|member| (member.node, member.zone));
        let voters: BTreeSet<NodeId> = self.raft.voters().iter().collect();
        let shortfalls = quorum::shortfalls(&self.config.quorum, &voters, live);
        let leads = self.raft.has_quorum(self.now);
        Quorum {
            has_quorum: leads && shortfalls.is_empty(),
            has_leader: leads,
            shortfalls,
        }
    }

    /// All counters.
    pub(super) fn metrics(&self) -> Metrics {
        Metrics {
            membership: self.membership.stats(),
            gossip: self.gossip.stats(),
            health: self.health.stats(),
            members_live: self.gossip.others() as u64,
            members_unheard: self.health.unheard().len() as u64,
            feature_level: u64::from(self.control.state().level().0),
            state_bytes: self.gossip.bytes() as u64,
        }
    }
}
