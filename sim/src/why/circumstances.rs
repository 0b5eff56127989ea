//! What happened around two nodes: their connection, their processes, the faults in force.

use quorate_core::id::NodeId;
use quorate_core::node::Event;
use quorate_core::notice::Notice;

use super::Case;
use super::reign::reigns;
use super::signs::address_of;
use crate::record::{Happening, What};

impl Case<'_> {
    /// What happened around two nodes: their connection, the life of their processes, and the
    /// faults of the plan in force.
    pub(super) fn circumstances(&mut self, since: usize, until: usize, nodes: [NodeId; 2]) {
        let mut found = Vec::new();
        let addresses = nodes.map(|node| address_of(&self.record.all, node));
        for (number, this) in self.between(since, until + 1) {
            let Some(node) = this.node.filter(|node| nodes.contains(node)) else {
                continue;
            };
            let links = |notice: &Notice| match notice {
                Notice::LinkUp { peer, .. } | Notice::LinkDown { peer } => {
                    peer.node != node && nodes.contains(&peer.node)
                }
                Notice::Started { .. }
                | Notice::Member(_)
                | Notice::Membership(_)
                | Notice::View(_)
                | Notice::Leadership(_)
                | Notice::Raft(_)
                | Notice::Voters(_)
                | Notice::Partition(_)
                | Notice::State(_)
                | Notice::GossipFault { .. }
                | Notice::Removed { .. }
                | Notice::LevelRaised { .. }
                | Notice::Unfit { .. }
                | Notice::RoleChanged { .. }
                | Notice::UnknownEntry { .. }
                | Notice::UnreadableSnapshot { .. }
                | Notice::DiskStalled
                | Notice::OutboxDropped { .. } => false,
            };
            match &this.what {
                What::Step { .. } if this.notices().any(links) => {
                    found.push((number, "connection"));
                }
                What::Step {
                    event: Event::DialFailed { address },
                    ..
                } if addresses.contains(&Some(*address)) => found.push((number, "dial failed")),
                What::Started { .. } | What::Crashed { .. } | What::Ended(_) | What::WentOn => {
                    found.push((number, "process"));
                    found.extend(this.cause.map(|cause| (cause, "fault")));
                }
                What::Step { .. } | What::Struck { .. } | What::Healed | What::Violated(_) => {}
            }
        }
        // A process may have ended before the last that was heard of it: what a dying node had not
        // written down is not in its recording.
        for node in nodes {
            if let Some(ended) = self.end_of(node, until) {
                found.push((ended, "process"));
                found.extend(self.record.all[ended].cause.map(|cause| (cause, "fault")));
            }
        }
        let (from_ns, until_ns) = (self.record.all[since].at_ns, self.record.all[until].at_ns);
        for reign in reigns(&self.record.all[..=until]) {
            let concerns = reign.hits.is_empty() || reign.hits.iter().any(|n| nodes.contains(n));
            if concerns && reign.from_ns <= until_ns && reign.until_ns >= from_ns {
                found.push((reign.number, "fault"));
            }
        }
        found
            .into_iter()
            .for_each(|(number, part)| self.add(number, part));
    }

    /// The end of a process that does not run any more.
    fn end_of(&self, node: NodeId, until: usize) -> Option<usize> {
        let turn = |h: &Happening| match h.what {
            What::Crashed { .. } | What::Ended(_) => Some(true),
            What::Started { .. } => Some(false),
            What::Step { .. }
            | What::Struck { .. }
            | What::WentOn
            | What::Healed
            | What::Violated(_) => None,
        };
        let last = self.last(until + 1, |h| h.node == Some(node) && turn(h).is_some())?;
        (turn(&self.record.all[last]) == Some(true)).then_some(last)
    }
}
