//! The machine: when it takes someone for unheard, what it tells, and when it announces.

use alloc::vec;

use super::*;

const SETTLE: Duration = Duration::from_secs(2);
const UNHEARD: Duration = Duration::from_secs(4);
const MESH: usize = 6;

fn peer(node: u64) -> Peer {
    let node = NodeId(node);
    Peer { node, boot: 1 }
}

fn address(node: u64) -> SocketAddr {
    let last = u8::try_from(node).unwrap();
    SocketAddr::from(([10, 0, 0, last], 7000))
}

struct Story {
    now: Time,
    health: Health,
    told: Vec<Option<Payload>>,
    announced: Vec<PartitionStatus>,
    dialed: Vec<SocketAddr>,
}

impl Story {
    /// Node 1 of so many, all connected.
    fn of(count: u64) -> Story {
        let config = Config {
            unheard_after: UNHEARD,
            settle: SETTLE,
        };
        let mut story = Story {
            now: Time::ZERO,
            health: Health::new(config, NodeId(1), MESH),
            told: Vec::new(),
            announced: Vec::new(),
            dialed: Vec::new(),
        };
        for node in 1..=count {
            let (peer, address) = (peer(node), address(node));
            story.input(Input::Joined { peer, address });
            story.input(Input::Up(NodeId(node)));
        }
        story
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.health.step(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Tell(row) => self.told.push(row),
                Output::Status(status) => self.announced.push(status),
                Output::Dial(address) => self.dialed.push(address),
            }
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(deadline) = self.health.deadline().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    fn row(&mut self, owner: u64, unheard: &[u64]) {
        let row = encode(&unheard.iter().copied().map(NodeId).collect());
        let owner = peer(owner);
        self.input(Input::Row { owner, row });
    }
}

fn row(ids: &[u64]) -> Option<Payload> {
    encode(&ids.iter().copied().map(NodeId).collect())
}

#[test]
fn who_is_missing_for_long_enough_is_told_and_a_short_break_is_not() {
    let mut story = Story::of(4);
    story.input(Input::Down(NodeId(2)));
    story.run(UNHEARD / 2);
    story.input(Input::Up(NodeId(2)));
    story.run(UNHEARD * 3);
    assert_eq!(story.told, [], "a short break");
    story.input(Input::Down(NodeId(2)));
    story.run(UNHEARD);
    assert_eq!(story.told, [row(&[2])]);
    story.input(Input::DialFailed(address(3)));
    story.run(UNHEARD);
    assert_eq!(
        story.told.last(),
        Some(&row(&[2])),
        "it is connected all the same"
    );
    story.input(Input::Down(NodeId(3)));
    story.input(Input::DialFailed(address(3)));
    story.run(UNHEARD);
    assert_eq!(
        story.told.last(),
        Some(&row(&[2, 3])),
        "a failed dial counts as well"
    );
    story.input(Input::Up(NodeId(3)));
    let (peer, left) = (peer(2), false);
    story.input(Input::Gone { peer, left });
    assert_eq!(story.told.last(), Some(&None), "the dead are not missed");
}

/// Nodes join from `ids`, and nobody connects.
fn join(story: &mut Story, ids: core::ops::RangeInclusive<u64>) {
    for node in ids {
        let (peer, address) = (peer(node), address(node));
        story.input(Input::Joined { peer, address });
    }
}

#[test]
fn in_a_mesh_who_never_connected_is_missed_and_in_a_large_cluster_nobody_is_who_was_not_tried() {
    let mut story = Story::of(1);
    join(&mut story, 2..=4);
    story.run(UNHEARD);
    assert_eq!(story.told.last(), Some(&row(&[2, 3, 4])), "a mesh");
    assert_eq!(story.dialed, [], "others do that in a mesh");
    story.input(Input::DialFailed(address(4)));
    join(&mut story, 5..=7);
    assert_eq!(story.told.last(), Some(&row(&[2, 3, 4])), "a full mesh");
    join(&mut story, 8..=8);
    assert_eq!(
        story.told.last(),
        Some(&row(&[4])),
        "beyond it, only who was tried"
    );
    join(&mut story, 9..=40);
    story.run(UNHEARD * 3);
    assert_eq!(
        story.told.last(),
        Some(&row(&[4])),
        "time alone says nothing"
    );
    story.input(Input::Up(NodeId(20)));
    story.input(Input::Down(NodeId(20)));
    story.input(Input::DialFailed(address(30)));
    story.run(UNHEARD);
    assert_eq!(
        story.told.last(),
        Some(&row(&[4, 20, 30])),
        "a broken connection and a failed one do"
    );
    story.dialed.clear();
    story.run(UNHEARD);
    assert_eq!(story.dialed, [4, 20, 30].map(address), "once in a while");
    for node in [4, 20, 30] {
        story.input(Input::Up(NodeId(node)));
    }
    story.run(UNHEARD * 3);
    assert_eq!(story.dialed.len(), 3, "not any more");
    assert_eq!(story.told.last(), Some(&None));
    assert_eq!(story.health.status(), &PartitionStatus::Whole);
}

#[test]
fn a_status_is_announced_once_it_holds() {
    let mut story = Story::of(4);
    story.row(2, &[1]);
    story.run(SETTLE / 2);
    story.row(2, &[]);
    story.run(SETTLE * 3);
    assert_eq!(story.announced, [], "it did not hold");
    story.row(2, &[1]);
    story.run(SETTLE * 2);
    let pairs = vec![Unheard {
        listener: NodeId(2),
        speaker: NodeId(1),
    }];
    assert_eq!(story.announced, [PartitionStatus::OneWay { pairs }]);
    assert_eq!(story.health.status(), &story.announced[0]);
    story.row(2, &[]);
    story.run(SETTLE * 2);
    assert_eq!(story.announced.last(), Some(&PartitionStatus::Whole));
    let stats = story.health.stats();
    assert_eq!((stats.partition_detections, stats.partition_heals), (1, 1));
}

#[test]
fn half_the_cluster_gone_is_a_split_until_it_returns_or_is_long_forgotten() {
    let mut story = Story::of(5);
    for node in [4, 5] {
        let (peer, left) = (peer(node), false);
        story.input(Input::Gone { peer, left });
    }
    story.run(SETTLE * 2);
    let split = PartitionStatus::Split {
        groups: vec![
            vec![NodeId(1), NodeId(2), NodeId(3)],
            vec![NodeId(4), NodeId(5)],
        ],
    };
    assert_eq!(story.announced.last(), Some(&split));
    let (it, address) = (peer(4), address(4));
    story.input(Input::Joined { peer: it, address });
    story.input(Input::Up(NodeId(4)));
    story.run(SETTLE * 2);
    assert_eq!(
        story.announced.last(),
        Some(&PartitionStatus::Whole),
        "one is a crash"
    );
    let (peer, left) = (it, false);
    story.input(Input::Gone { peer, left });
    story.run(SETTLE * 2);
    assert_eq!(story.announced.last(), Some(&split));
    story.run(LOST_FOR + SETTLE * 2);
    assert_eq!(story.announced.last(), Some(&PartitionStatus::Whole));
}

#[test]
fn who_leaves_is_not_lost() {
    let mut story = Story::of(4);
    for node in [2, 3, 4] {
        let (peer, left) = (peer(node), true);
        story.input(Input::Gone { peer, left });
    }
    story.run(UNHEARD * 2);
    assert_eq!(story.announced, []);
    assert_eq!(story.health.deadline(), None);
}

#[test]
fn rows_of_strangers_and_malformed_ones_do_not_count() {
    let mut story = Story::of(3);
    story.row(9, &[1]);
    let owner = Peer {
        node: NodeId(2),
        boot: 7,
    };
    let row = row(&[1]);
    story.input(Input::Row { owner, row });
    for bytes in [vec![1, 2, 3], vec![7; 8 * (ROW_MAX + 1)]] {
        let (owner, row) = (peer(2), Some(Payload::from(bytes)));
        story.input(Input::Row { owner, row });
    }
    story.run(SETTLE * 3);
    assert_eq!(story.announced, []);
    assert_eq!(story.health.stats().rows_malformed, 2);
}

#[test]
fn a_row_is_bounded() {
    let mut story = Story::of(200);
    (2..=200).for_each(|node| story.input(Input::Down(NodeId(node))));
    story.run(UNHEARD);
    let told = story.told.last().cloned().flatten().unwrap();
    assert_eq!(told.len(), 8 * ROW_MAX);
}
