//! Planted bugs, one line each, that the simulator's checkers must catch. A checker that catches no
//! bug proves nothing.
//!
//! * I1: without the feature `mutants` none can be planted: [`Planted`] is empty, and every
//!   question to it is answered with a constant.
//! * I2: at most one bug at a time, the same in every subsystem of a node.

#![cfg_attr(not(feature = "mutants"), allow(unreachable_pub))]

macro_rules! mutants {
    ($($(#[doc = $about:literal])+ $variant:ident => $name:literal,)+) => {
        /// A bug to plant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[doc = $about])+ $variant,)+
        }

        #[cfg(feature = "mutants")]
        impl Mutant {
            /// Every bug there is.
            pub const ALL: &[Mutant] = &[$(Mutant::$variant,)+];

            /// Its name, for the command line and for plans.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mutant::$variant => $name,)+
                }
            }

            /// What is wrong with it, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Mutant::$variant => concat!($($about),+),)+
                }
            }

            /// The bug of that name.
            #[must_use]
            pub fn find(name: &str) -> Option<Mutant> {
                Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)
            }
        }
    };
}

mutants! {
    /// A granted vote leaves before it is durable.
    VoteBeforeDurable => "vote-before-durable",
    /// A granted vote is never made durable.
    VoteNotPersisted => "vote-not-persisted",
    /// A voter that has voted votes for another one, too.
    VoteTwice => "vote-twice",
    /// A vote is given to a log that lacks entries.
    VoteIgnoresLog => "vote-ignores-log",
    /// A vote is given although a leader is heard.
    VoteIgnoresLeader => "vote-ignores-leader",
    /// A pre-vote is given to a log that lacks entries.
    PreVoteIgnoresLog => "pre-vote-ignores-log",
    /// A pre-vote is given although a leader is heard.
    PreVoteIgnoresLeader => "pre-vote-ignores-leader",
    /// A candidate asks, and counts its own vote, before that is durable.
    LeadBeforeVoteDurable => "lead-before-vote-durable",
    /// Votes given in an earlier term count.
    CountsOldVotes => "counts-old-votes",
    /// A candidate leads on its own vote alone.
    MinorityElects => "minority-elects",
    /// A leader that hears nobody goes on leading.
    NoQuorumCheck => "no-quorum-check",
    /// A leader ignores the higher term in an answer to its entries.
    HigherTermIgnored => "higher-term-ignored",
    /// A second change of the voters begins before the first is committed.
    ChangesOverlap => "changes-overlap",
    /// During a change of the voters the new ones alone elect.
    ElectedByNewVotersAlone => "elected-by-new-voters-alone",
    /// A leader that hands over calls a target that lacks entries.
    CallsUnpreparedHeir => "calls-unprepared-heir",
    /// A witness that leads does not hand over.
    WitnessKeepsOffice => "witness-keeps-office",
    /// A role is placed on a witness.
    RoleOnWitness => "role-on-witness",
    /// An entry of an earlier term is committed by counting.
    CommitOldTerm => "commit-old-term",
    /// A leader commits only what every voter holds.
    CommitWaitsForAll => "commit-waits-for-all",
    /// A leader commits what only its own disk holds.
    CommitWithoutMajority => "commit-without-majority",
    /// A leader counts its own entry before that is durable.
    OwnEntryCountedEarly => "own-entry-counted-early",
    /// A leader takes proposals however much waits to be committed.
    BacklogUnbounded => "backlog-unbounded",
    /// A leader answers a read without asking whether it still leads.
    ReadsUnconfirmed => "reads-unconfirmed",
    /// A node answers a read that the leader has confirmed before it has applied as much itself.
    ReadsBeforeApplied => "reads-before-applied",
    /// A leader counts on its lease for longer than its voters keep their promise.
    LeaseOutlivesPromise => "lease-outlives-promise",
    /// A follower acknowledges entries before they are durable.
    AckBeforeDurable => "ack-before-durable",
    /// A follower commits what the leader has not shown to be equal.
    CommitBeyondMatch => "commit-beyond-match",
    /// A snapshot names the voters in force when it is written down, not as of its last entry.
    SnapshotOfLaterVoters => "snapshot-of-later-voters",
    /// A snapshot leaves out which requests have taken effect.
    SnapshotForgetsClients => "snapshot-forgets-clients",
    /// A node that has lost its memory takes part as if it had none to lose.
    RebuiltVotesEarly => "rebuilt-votes-early",
    /// A node that has lost its memory acknowledges entries while its old vote still counts.
    RebuiltAnswersEarly => "rebuilt-answers-early",
    /// A follower cuts its log where a repeated message begins.
    TruncatesOnDuplicate => "truncates-on-duplicate",
    /// Promises do not wait for the disk.
    GateOpensEarly => "gate-opens-early",
    /// A process speaks before its start is durable.
    SpeaksBeforeBoot => "speaks-before-boot",
    /// An accusation is never refuted.
    NeverRefutes => "never-refutes",
    /// A refutation does not rise above the accusation.
    RefutesWithoutRising => "refutes-without-rising",
    /// A node that is told it is dead believes it.
    BelievesOwnDeath => "believes-own-death",
    /// An old "alive" overrides a suspicion or a death of the same incarnation.
    OldAliveResurrects => "old-alive-resurrects",
    /// A suspect who does not refute is never declared dead.
    SuspicionNeverExpires => "suspicion-never-expires",
    /// A suspect is declared dead at once.
    SuspicionWithoutTime => "suspicion-without-time",
    /// An accuser raises the incarnation of the accused.
    RaisesAnothersIncarnation => "raises-anothers-incarnation",
    /// A relay neither asks nor answers.
    RelayNeverAnswers => "relay-never-answers",
    /// The answer to a probe does not end it.
    AnswerDoesNotCount => "answer-does-not-count",
    /// Nobody reaches for missing seeds and dead members.
    RejoinReachesNobody => "rejoin-reaches-nobody",
    /// A full exchange leaves the dead out.
    ExchangeOmitsDead => "exchange-omits-dead",
    /// A view leaves out a member that joined.
    ViewForgetsAChange => "view-forgets-a-change",
    /// A leader raises the feature level without asking what the others know.
    RaisesLevelUnasked => "raises-level-unasked",
    /// A node applies a feature level that its build does not know.
    AppliesUnknownLevel => "applies-unknown-level",
    /// A node asks the leader about reads before the level that brings this is in force.
    ForwardsReadsEarly => "forwards-reads-early",
    /// A repeated request takes effect again.
    NoDedup => "no-dedup",
    /// A write is accepted under any epoch.
    WriteWithoutEpochCheck => "write-without-epoch-check",
    /// A role is granted whatever its epoch is.
    GrantWithoutCompareAndSet => "grant-without-compare-and-set",
    /// A forwarded proposal is answered when it is appended.
    AnswersWhenAppended => "answers-when-appended",
    /// A proposal is answered twice.
    AnswersTwice => "answers-twice",
    /// A proposal that is given up is not answered.
    GivesUpSilently => "gives-up-silently",
    /// Of two connections each end keeps the one it dialled.
    KeepsWrongDuplicate => "keeps-wrong-duplicate",
    /// What waits for a connection has no bound.
    OutboxUnbounded => "outbox-unbounded",
    /// A role is granted again while a grant of it is under way.
    TwoGrantsUnderWay => "two-grants-under-way",
    /// A role is taken from a holder that lives.
    MovesRoleOfLiveHolder => "moves-role-of-live-holder",
    /// An owner writes again under the version of its last write.
    StateVersionReused => "state-version-reused",
    /// A relay raises the version of what it passes on.
    StateRestampedByRelay => "state-restamped-by-relay",
    /// A delta replaces what is held of an owner instead of being merged.
    StateReplacedByDelta => "state-replaced-by-delta",
    /// A digest that differs is not answered.
    StateExchangeSilent => "state-exchange-silent",
    /// A node that hears everyone again does not take back what it told.
    RowNeverWithdrawn => "row-never-withdrawn",
    /// A node does not tell whom it does not hear.
    RowNeverTold => "row-never-told",
    /// A connection acknowledges one message more than it has delivered.
    AcksBeforeDelivery => "acks-before-delivery",
    /// A connection delivers a message twice.
    DeliversTwice => "delivers-twice",
    /// A connection sends the least urgent first.
    PriorityInverted => "priority-inverted",
    /// A connection that takes over does not send again what is not acknowledged.
    ForgetsOnReconnect => "forgets-on-reconnect",
    /// A connection delivers bytes of a stream twice.
    DeliversBytesTwice => "delivers-bytes-twice",
    /// The writer of a stream is not told that all of it was taken.
    ClosesSilently => "closes-silently",
    /// The writer of a stream is not told that it was refused.
    RefusesSilently => "refuses-silently",
    /// What a stream's reader has not read counts against all messages of the class.
    StreamsShareCredit => "streams-share-credit",
    /// Bulk whose turn it is goes on until none of it waits.
    BulkKeepsItsTurn => "bulk-keeps-its-turn",
    /// A class takes any number of messages while it waits for the connection.
    QueueUnbounded => "queue-unbounded",
}

/// Which bug a machine has, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Planted {
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

impl Planted {
    /// Whether it is this one.
    #[cfg(feature = "mutants")]
    pub(crate) fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// It is none.
    #[cfg(not(feature = "mutants"))]
    pub(crate) const fn is(self, _: Mutant) -> bool {
        false
    }
}

#[cfg(feature = "mutants")]
impl From<Mutant> for Planted {
    fn from(mutant: Mutant) -> Planted {
        Planted {
            mutant: Some(mutant),
        }
    }
}
