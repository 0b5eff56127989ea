//! Of two connections to one life of a node, dialled by different ends, both ends keep the one the
//! lower id dialled; otherwise each may hang up the other's, and both are lost.

use std::collections::BTreeMap;

use quorate_core::id::{LinkId, NodeId, Peer};

use super::Verdict;

/// The connections that are up at each node: the other end, and who dialled.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    up: BTreeMap<(NodeId, LinkId), (Peer, NodeId)>,
}

impl Checker {
    /// A node was told that a connection is up.
    pub fn up(&mut self, node: NodeId, link: LinkId, peer: Peer, dialer: NodeId) {
        self.up.insert((node, link), (peer, dialer));
    }

    /// A node was told that a connection is down.
    pub fn down(&mut self, node: NodeId, link: LinkId) {
        self.up.remove(&(node, link));
    }

    /// A process has ended.
    pub fn ended(&mut self, node: NodeId) {
        let links: Vec<_> = self.of(node).map(|(place, _)| *place).collect();
        for place in links {
            self.up.remove(&place);
        }
    }

    fn of(&self, node: NodeId) -> impl Iterator<Item = (&(NodeId, LinkId), &(Peer, NodeId))> {
        self.up.range((node, LinkId(0))..=(node, LinkId(u64::MAX)))
    }

    /// A node hangs a connection up.
    ///
    /// # Errors
    /// It is the one both ends should keep.
    pub fn hangs_up(&mut self, node: NodeId, link: LinkId) -> Verdict {
        let Some((peer, dialer)) = self.up.remove(&(node, link)) else {
            return Ok(());
        };
        let is_later = |life: &Peer| life.node == peer.node && life.boot > peer.boot;
        if self.of(node).any(|(_, (to, _))| is_later(to)) {
            // All connections to an earlier life go.
            return Ok(());
        }
        let others = self.of(node).filter(|(_, (to, _))| *to == peer);
        let lowest = others.map(|(_, (_, by))| *by).min();
        if lowest.is_none_or(|lowest| lowest <= dialer) {
            return Ok(());
        }
        Err(format!(
            "{node} hangs up the connection to {peer} that {dialer} dialled, the lower id"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanging_up_the_lower_dial_is_refused_and_the_higher_one_is_not() {
        let (me, boot) = (NodeId(2), 1);
        let peer = Peer {
            node: NodeId(1),
            boot,
        };
        let mut checker = Checker::default();
        checker.up(me, LinkId(1), peer, NodeId(1));
        checker.up(me, LinkId(2), peer, me);
        assert_eq!(checker.clone().hangs_up(me, LinkId(2)), Ok(()));
        assert!(checker.clone().hangs_up(me, LinkId(1)).is_err());
        let mut later = checker.clone();
        later.up(me, LinkId(3), Peer { boot: 2, ..peer }, me);
        assert_eq!(later.hangs_up(me, LinkId(1)), Ok(()), "that life is over");
        checker.down(me, LinkId(2));
        assert_eq!(checker.hangs_up(me, LinkId(1)), Ok(()));
    }
}
