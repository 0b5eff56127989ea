//! Coverage marks: situations with a name. A search that never meets one of them proves nothing
//! about it.

use serde::{Serialize, Serializer};

macro_rules! marks {
    ($($(#[doc = $about:literal])+ $mark:ident => $name:literal,)+) => {
        /// A situation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mark {
            $($(#[doc = $about])+ $mark,)+
        }

        impl Mark {
            /// All situations.
            pub const ALL: &[Mark] = &[$(Mark::$mark,)+];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mark::$mark => $name,)+
                }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Mark::$mark => concat!($($about),+),)+
                }
            }
        }
    };
}

marks! {
    /// A candidate was not elected.
    VoteSplit => "vote-split",
    /// A node that would have campaigned was told not to.
    PreVoteRefused => "pre-vote-refused",
    /// A leader stepped down because it heard no majority.
    QuorumLost => "quorum-lost",
    /// A leader stepped down because it heard of a higher term.
    LeaderDeposed => "leader-deposed",
    /// A change of the voters began.
    ChangeBegun => "change-begun",
    /// A change of the voters ended.
    ChangeEnded => "change-ended",
    /// A leader called another node to take over.
    HeirCalled => "heir-called",
    /// A node that was called campaigned.
    HeirCampaigned => "heir-campaigned",
    /// A leader whose disk stalled found nobody to take over in time, and resigned.
    StalledLeaderResigned => "stalled-leader-resigned",
    /// The failure detector or a broken connection made a node campaign.
    LeaderDoubted => "leader-doubted",
    /// A leader said that it had resigned, which made a node campaign.
    ResignationHeard => "resignation-heard",
    /// A node wrote its state down and cut its log short.
    SnapshotTaken => "snapshot-taken",
    /// A leader's state took the place of a follower's log.
    SnapshotInstalled => "snapshot-installed",
    /// A node that lost its disk is rebuilt.
    Rebuilt => "rebuilt",
    /// A follower cut conflicting entries off.
    ConflictCut => "conflict-cut",
    /// A member refuted an accusation.
    Refutation => "refutation",
    /// A living process was declared dead.
    FalseDeath => "false-death",
    /// A new life of a node was seen before the old one was declared dead.
    LifeReplaced => "life-replaced",
    /// A relay's answer saved a member from an accusation.
    RelaySaved => "relay-saved",
    /// Of two connections the older was kept.
    DuplicateKeptOld => "duplicate-kept-old",
    /// Of two connections the newer was kept.
    DuplicateKeptNew => "duplicate-kept-new",
    /// A connection was kept as a spare beside a newer one of the same dialler.
    SpareKept => "spare-kept",
    /// A half-open connection was closed for its silence.
    HalfOpenClosed => "half-open-closed",
    /// Messages that waited for a connection were given up.
    OutboxDropped => "outbox-dropped",
    /// A torn record was cut off at a start.
    TornTail => "torn-tail",
    /// A process crashed between writing a record and sending what waited for it.
    CrashBeforePromise => "crash-before-promise",
    /// A process crashed right after its vote had left.
    CrashAfterVote => "crash-after-vote",
    /// A paused process came back to things that had happened meanwhile.
    Backlog => "backlog",
    /// A proposal was handed to a new leader.
    ProposalResent => "proposal-resent",
    /// A proposal was given up with "unknown".
    ProposalUnknown => "proposal-unknown",
    /// A read was confirmed.
    ReadConfirmed => "read-confirmed",
    /// A read was answered by a lease.
    ReadByLease => "read-by-lease",
    /// A read was confirmed at a node that did not lead.
    ReadElsewhere => "read-elsewhere",
    /// A read was refused, for nobody was known to lead.
    ReadRefused => "read-refused",
    /// A read ended because the leader did.
    ReadLostLeader => "read-lost-leader",
    /// A read ended with the connection to the leader.
    ReadLostConnection => "read-lost-connection",
    /// A read was refused by the leader that was asked about it.
    ReadRefusedByLeader => "read-refused-by-leader",
    /// A read waits for the feature level that lets it be asked there.
    ReadTooEarly => "read-too-early",
    /// A read took too long.
    ReadTooLate => "read-too-late",
    /// A leader turned a proposal away because too much was uncommitted.
    ProposalCrowdedOut => "proposal-crowded-out",
    /// A write was refused for its epoch.
    StaleEpochRefused => "stale-epoch-refused",
    /// A role moved off a holder that was gone.
    RoleMoved => "role-moved",
    /// The feature level was raised by hand.
    LevelRaised => "level-raised",
    /// The feature level was to be raised by hand, and was not.
    LevelRefused => "level-refused",
    /// A node stopped, because its build does not know the feature level in force.
    OldBuildStopped => "old-build-stopped",
    /// A node found the cluster split into groups.
    SplitSeen => "split-seen",
    /// A node found that some do not hear each other, while the cluster hangs together.
    BridgeSeen => "bridge-seen",
    /// A node forgot its deleted keys and wrote the others anew.
    StateReset => "state-reset",
    /// An exchange brought a node state that it had missed.
    StateCaughtUp => "state-caught-up",
    /// The state of a dead or former life was dropped.
    StateForgotten => "state-forgotten",
    /// A slow process came to something that had waited.
    SlowTurn => "slow-turn",
    /// A sync was held by a stalled disk.
    DiskStalled => "disk-stalled",
    /// A sync failed and its node halted for good.
    DiskFailed => "disk-failed",
    /// A node refused to start from a log with a flipped bit.
    BitFlipCaught => "bit-flip-caught",
    /// A machine vanished and nobody was told.
    SilentCrash => "silent-crash",
    /// A connection was broken at both ends.
    ConnectionReset => "connection-reset",
    /// What a stalled way had held arrived at once.
    Burst => "burst",
    /// A host was told that it is unknown whether a send has arrived.
    SendUnknown => "send-unknown",
    /// A send found no room for too long.
    SendFoundNoRoom => "send-found-no-room",
    /// A request's deadline came before its reply.
    RequestLate => "request-late",
    /// A reader stopped reading for a while.
    ReaderStopped => "reader-stopped",
    /// A reader refused the rest of a stream.
    StreamRefused => "stream-refused",
    /// A node left on its own accord.
    Departure => "departure",
}

/// The situations that occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u64);

impl Marks {
    /// One occurred.
    pub fn hit(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u64;
    }

    /// All of another run occurred as well.
    pub fn add(&mut self, others: Marks) {
        self.0 |= others.0;
    }

    /// Whether one occurred.
    #[must_use]
    pub fn has(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u64) != 0
    }

    /// How many occurred.
    #[must_use]
    pub fn count(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or(0)
    }

    /// Those that did not.
    pub fn missing(self) -> impl Iterator<Item = Mark> {
        Mark::ALL
            .iter()
            .copied()
            .filter(move |mark| !self.has(*mark))
    }
}

impl Serialize for Marks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let hit = Mark::ALL.iter().filter(|mark| self.has(**mark));
        to.collect_seq(hit.map(|mark| mark.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_hit_in_any_run_is_not_missing() {
        let (mut one, mut two) = (Marks::default(), Marks::default());
        one.hit(Mark::VoteSplit);
        two.hit(Mark::RoleMoved);
        two.hit(Mark::RoleMoved);
        one.add(two);
        assert!(one.has(Mark::RoleMoved) && one.has(Mark::VoteSplit));
        assert_eq!(
            (one.count(), one.missing().count()),
            (2, Mark::ALL.len() - 2)
        );
        assert!(Mark::ALL.len() <= 64);
    }
}
