//! What happens in the cluster, for whoever subscribes. Subscribers never hold up the node: the
//! slow ones miss events, and are told how many.

use std::net::SocketAddr;
use std::time::Duration;

use async_broadcast::{InactiveReceiver, Receiver, RecvError, Sender};
use quorate_core::gossip;
use quorate_core::health::PartitionStatus;
use quorate_core::id::{Epoch, LogIndex, NodeId, Peer, RoleName, Term};
use quorate_core::level::{Level, Unfit};
use quorate_core::membership::{self, Evidence, Fact, Member, Reason, View};
use quorate_core::notice::Notice;
use quorate_core::payload::Payload;
use quorate_core::time::Time;
use quorate_core::voters::Voters;

use crate::discovery::SeedName;
use crate::error::PeerRefusal;

/// Events a subscriber may fall behind before it misses some.
const BACKLOG: usize = 1024;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClusterEvent {
    /// A life of a node is a live member now.
    Joined(Member),
    /// It is suspected.
    Suspected {
        /// Who.
        peer: Peer,
        /// By whom, with which witnesses, and how well the accuser found itself.
        evidence: Evidence,
    },
    /// It is alive after all.
    Refuted {
        /// Who.
        peer: Peer,
    },
    /// It is declared dead.
    Died {
        /// Who.
        peer: Peer,
        /// By whom, with which witnesses, and how well the accuser found itself.
        evidence: Evidence,
    },
    /// It left, or a newer life of it was seen.
    Left {
        /// Who.
        peer: Peer,
    },
    /// It listens elsewhere now.
    Moved {
        /// Who.
        peer: Peer,
        /// Where.
        address: SocketAddr,
    },
    /// What came of all changes of the member list since the last view, as one: told when nothing
    /// has changed for a probe period and nobody is suspected, ten periods after the first change
    /// at the latest. For whoever would rather act once on ten crashes than ten times.
    ViewChanged(View),
    /// Another node leads, or none.
    LeaderChanged {
        /// In which term.
        term: Term,
        /// Who, if known.
        leader: Option<NodeId>,
    },
    /// Other voters are in force, as of the end of this node's log: one set, or during a change
    /// two.
    VotersChanged(Voters),
    /// A role changed hands.
    RoleChanged {
        /// The role.
        role: RoleName,
        /// Its new holder.
        holder: Option<Peer>,
        /// The epoch in force.
        epoch: Epoch,
    },
    /// How the cluster hangs together, as this node sees it, changed.
    PartitionChanged(PartitionStatus),
    /// A key that a node wrote about itself shows another value.
    StateChanged {
        /// Whose key.
        owner: Peer,
        /// Which.
        key: String,
        /// The owner's version of the change.
        version: u64,
        /// The value; `None` when the key is deleted.
        value: Option<Payload>,
    },
    /// All that a life of a node wrote about itself is dropped: it is gone for long enough, or a
    /// new life has begun.
    StateForgotten {
        /// Whose state.
        owner: Peer,
    },
    /// A node is turned out of the cluster by the control log; perhaps this one.
    Removed {
        /// Which.
        node: NodeId,
        /// The entry that removed it.
        at: LogIndex,
    },
    /// A feature level is in force, as far as this node has applied the control log: raised, or
    /// learnt of with what came before this node.
    LevelRaised {
        /// Which.
        level: Level,
    },
    /// A node is not let in: its build does not know the feature level in force.
    Unfit {
        /// Which.
        node: NodeId,
        /// Why.
        unfit: Unfit,
    },
    /// A member does not let this node in; it goes on trying.
    TurnedAway {
        /// Which member.
        by: NodeId,
        /// Why not.
        reason: Reason,
    },
    /// The name of a seed does not resolve; it is tried for ever. Told once until it has resolved.
    SeedUnresolved {
        /// Which.
        name: SeedName,
        /// What the resolver said.
        reason: String,
    },
    /// A connection to a node is in use.
    Connected {
        /// The other end.
        peer: Peer,
    },
    /// The last connection to a node is gone.
    Disconnected {
        /// The other end.
        peer: Peer,
    },
    /// Someone was not let in, or did not let us in; or broke the protocol later.
    PeerRefused {
        /// Its address.
        address: SocketAddr,
        /// Why.
        reason: PeerRefusal,
    },
    /// This node's own certificate ends soon, or has ended.
    CertificateEnds {
        /// After so long.
        left: Duration,
    },
    /// The disk has not confirmed a write for too long.
    DiskStalled,
    /// This node is stopped for good: its disk failed, or its build does not know the feature level
    /// in force.
    Halted {
        /// What failed.
        reason: String,
    },
}

/// An event and when it happened, on this node's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Time,
    /// What.
    pub event: ClusterEvent,
}

/// The subscriber was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} events were missed; read the current state instead")]
pub struct Missed {
    /// How many events were dropped before the next one.
    pub count: u64,
}

/// A subscription.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Happened>,
}

impl Events {
    /// The next event, `None` once the node is stopped.
    ///
    /// # Errors
    /// [`Missed`] when this subscriber fell too far behind; the next call goes on with the oldest
    /// event kept.
    pub async fn next(&mut self) -> Option<Result<Happened, Missed>> {
        match self.receiver.recv_direct().await {
            Ok(happened) => Some(Ok(happened)),
            Err(RecvError::Overflowed(count)) => Some(Err(Missed { count })),
            Err(RecvError::Closed) => None,
        }
    }
}

/// A change of what nodes write about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// A key shows another value.
    Changed {
        /// Whose key.
        owner: Peer,
        /// Which.
        key: String,
        /// The owner's version of the change.
        version: u64,
        /// The value; `None` when the key is deleted.
        value: Option<Payload>,
    },
    /// All keys of a life are dropped.
    Forgotten {
        /// Whose.
        owner: Peer,
    },
}

/// A watch over the keys that begin with a prefix.
#[derive(Debug)]
pub struct StateWatch {
    events: Events,
    prefix: String,
}

impl StateWatch {
    pub(crate) fn new(events: Events, prefix: String) -> StateWatch {
        StateWatch { events, prefix }
    }

    /// The next change, `None` once the node is stopped.
    ///
    /// # Errors
    /// [`Missed`] when this watcher fell too far behind: read the state anew. What was missed may
    /// or may not have been changes of these keys.
    pub async fn next(&mut self) -> Option<Result<StateChange, Missed>> {
        loop {
            let happened = match self.events.next().await? {
                Ok(happened) => happened,
                Err(missed) => return Some(Err(missed)),
            };
            if let Some(change) = self.wanted(happened.event) {
                return Some(Ok(change));
            }
        }
    }

    fn wanted(&self, event: ClusterEvent) -> Option<StateChange> {
        if let ClusterEvent::StateForgotten { owner } = event {
            return Some(StateChange::Forgotten { owner });
        }
        let ClusterEvent::StateChanged {
            owner,
            key,
            version,
            value,
        } = event
        else {
            return None;
        };
        key.starts_with(&self.prefix)
            .then_some(StateChange::Changed {
                owner,
                key,
                version,
                value,
            })
    }
}

/// Where events come from.
#[derive(Clone, Debug)]
pub(crate) struct Announcer {
    sender: Sender<Happened>,
    _keep_open: InactiveReceiver<Happened>,
}

impl Announcer {
    pub(crate) fn new() -> Announcer {
        let (mut sender, receiver) = async_broadcast::broadcast(BACKLOG);
        sender.set_overflow(true);
        sender.set_await_active(false);
        Announcer {
            sender,
            _keep_open: receiver.deactivate(),
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events {
            receiver: self.sender.new_receiver(),
        }
    }

    /// Never waits: overflow drops the oldest event, and without subscribers nothing is kept.
    pub(crate) fn announce(&self, at: Time, event: ClusterEvent) {
        let _dropped = self.sender.try_broadcast(Happened { at, event });
    }

    pub(crate) fn close(&self) {
        self.sender.close();
    }
}

/// What a notice of the core means to a subscriber.
pub(crate) fn of_notice(notice: &Notice) -> Option<ClusterEvent> {
    match notice {
        Notice::Member(fact) => Some(of_fact(fact)),
        Notice::View(view) => Some(ClusterEvent::ViewChanged(view.clone())),
        Notice::Leadership(standing) => Some(ClusterEvent::LeaderChanged {
            term: standing.term,
            leader: standing.leader,
        }),
        Notice::Voters(voters) => Some(ClusterEvent::VotersChanged(voters.clone())),
        Notice::RoleChanged {
            role,
            holder,
            epoch,
        } => Some(ClusterEvent::RoleChanged {
            role: role.clone(),
            holder: *holder,
            epoch: *epoch,
        }),
        Notice::Partition(status) => Some(ClusterEvent::PartitionChanged(status.clone())),
        Notice::State(fact) => Some(of_state(fact)),
        Notice::Removed { node, at } => Some(ClusterEvent::Removed {
            node: *node,
            at: *at,
        }),
        Notice::LevelRaised { level } => Some(ClusterEvent::LevelRaised { level: *level }),
        Notice::Unfit { node, unfit } => Some(ClusterEvent::Unfit {
            node: *node,
            unfit: *unfit,
        }),
        Notice::Membership(membership::Notice::TurnedAway { by, reason }) => {
            Some(ClusterEvent::TurnedAway {
                by: *by,
                reason: *reason,
            })
        }
        Notice::LinkUp { peer, .. } => Some(ClusterEvent::Connected { peer: *peer }),
        Notice::LinkDown { peer } => Some(ClusterEvent::Disconnected { peer: *peer }),
        Notice::DiskStalled => Some(ClusterEvent::DiskStalled),
        Notice::Started { .. }
        | Notice::Membership(_)
        | Notice::Raft(_)
        | Notice::GossipFault { .. }
        | Notice::UnknownEntry { .. }
        | Notice::UnreadableSnapshot { .. }
        | Notice::OutboxDropped { .. } => None,
    }
}

fn of_state(fact: &gossip::Fact) -> ClusterEvent {
    match fact {
        gossip::Fact::Changed {
            owner,
            key,
            version,
            value,
        } => ClusterEvent::StateChanged {
            owner: *owner,
            key: key.clone(),
            version: *version,
            value: value.clone(),
        },
        gossip::Fact::Forgotten { owner } => ClusterEvent::StateForgotten { owner: *owner },
    }
}

fn of_fact(fact: &Fact) -> ClusterEvent {
    match fact {
        Fact::Joined(member) => ClusterEvent::Joined(member.clone()),
        Fact::Suspected { peer, evidence } => ClusterEvent::Suspected {
            peer: *peer,
            evidence: evidence.clone(),
        },
        Fact::Refuted { peer } => ClusterEvent::Refuted { peer: *peer },
        Fact::Died { peer, evidence } => ClusterEvent::Died {
            peer: *peer,
            evidence: evidence.clone(),
        },
        Fact::Left { peer } => ClusterEvent::Left { peer: *peer },
        Fact::Moved { peer, address } => ClusterEvent::Moved {
            peer: *peer,
            address: *address,
        },
    }
}
