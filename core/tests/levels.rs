//! Builds of two versions in one cluster: an upgrade node by node, and who is left behind.

mod harness;

use harness::{Cluster, address};
use quorate_core::control::{self, Effect, Outcome, Refused};
use quorate_core::id::NodeId;
use quorate_core::level::{Level, LevelRange, RaiseRefused, Unfit};
use quorate_core::membership::Reason;
use quorate_core::node::{Answer, Command, Refusal};
use quorate_core::notice::Notice;
use quorate_core::raft::Unconfirmed;

const OLD: LevelRange = LevelRange::FIRST;
const NEW: LevelRange = LevelRange::OURS;

fn ask(cluster: &mut Cluster, node: u64, command: Command) -> Result<Answer, Refusal> {
    let ticket = cluster.command(node, command);
    cluster.run_until(20_000, "an answer", |c| c.answers.contains_key(&ticket));
    cluster.answers[&ticket].clone()
}

fn join(cluster: &mut Cluster, node: u64) -> Result<Answer, Refusal> {
    let seeds = vec![address(node % 3 + 1)];
    ask(cluster, node, Command::Join { seeds })
}

fn raise(cluster: &mut Cluster, node: u64, to: u8) -> Outcome {
    let command = control::Command::RaiseLevel { to: Level(to) };
    let request = None;
    match ask(cluster, node, Command::Propose { request, command }) {
        Ok(Answer::Applied { outcome, .. }) => outcome,
        other => panic!("{other:?}"),
    }
}

fn read(cluster: &mut Cluster, node: u64) -> Result<Answer, Refusal> {
    let key = "k".to_string();
    ask(cluster, node, Command::ReadLatest { key })
}

fn level_of(cluster: &Cluster, node: u64) -> Level {
    cluster.node(node).view().status().level
}

fn of_three(build: LevelRange) -> Cluster {
    let mut cluster = Cluster::of_build(3, 5, build);
    for node in 1..=3 {
        assert_eq!(join(&mut cluster, node), Ok(Answer::Joined));
    }
    settle(&mut cluster);
    cluster
}

/// One leader, and everyone has applied its first entry.
fn settle(cluster: &mut Cluster) {
    cluster.run_until(20_000, "a leader whom all follow", |c| {
        let leader = c.leader().map(|leader| c.node(leader).view().status());
        let follows = |node: u64| {
            let status = c.node(node).view().status();
            leader.as_ref().is_some_and(|leader| {
                leader.commit.0 > 0 && [leader.applied, status.applied] == [leader.commit; 2]
            })
        };
        leader.as_ref().is_some_and(|leader| leader.has_quorum) && (1..=3).all(follows)
    });
}

#[test]
fn an_upgrade_node_by_node_ends_when_the_level_is_raised_by_hand() {
    let mut cluster = of_three(OLD);
    cluster.build = NEW;
    for node in 1..=3 {
        assert_eq!(level_of(&cluster, node), Level(1));
        let leader = cluster.leader().expect("settled");
        let refused = raise(&mut cluster, node, 2);
        let ours = cluster.node(leader).view().config().levels;
        let why = match refused {
            Err(Refused::Level(why)) => why,
            other => panic!("{other:?}"),
        };
        match why {
            RaiseRefused::Unknown(knows) => assert_eq!((knows, ours), (OLD, OLD)),
            RaiseRefused::Unsupported { node: old, knows } => {
                assert!(knows == OLD && old.0 >= node, "{why}");
            }
            RaiseRefused::InForce(_) | RaiseRefused::Untold(_) => panic!("{why}"),
        }
        cluster.kill(node);
        cluster.start(node);
        assert_eq!(join(&mut cluster, node), Ok(Answer::Joined));
        settle(&mut cluster);
    }
    let leader = cluster.leader().expect("settled");
    let follower = leader % 3 + 1;
    let refused = Refusal::NotConfirmed {
        leader: Some(NodeId(leader)),
        why: Unconfirmed::Level,
    };
    assert_eq!(read(&mut cluster, follower), Err(refused));
    assert!(read(&mut cluster, leader).is_ok());

    let unknown = RaiseRefused::Unknown(NEW);
    assert_eq!(
        raise(&mut cluster, follower, 3),
        Err(Refused::Level(unknown))
    );
    assert_eq!(raise(&mut cluster, follower, 2), Ok(Effect::LevelRaised));
    let again = RaiseRefused::InForce(Level(2));
    assert_eq!(raise(&mut cluster, leader, 2), Err(Refused::Level(again)));
    assert_eq!(raise(&mut cluster, leader, 1), Err(Refused::Level(again)));
    settle(&mut cluster);
    for node in 1..=3 {
        assert_eq!(level_of(&cluster, node), Level(2));
        let level = Level(2);
        let told = Notice::LevelRaised { level };
        let all = cluster.notices.iter();
        assert_eq!(all.filter(|it| it.1 == node && it.2 == told).count(), 1);
    }
    assert!(read(&mut cluster, follower).is_ok());
}

#[test]
fn a_newcomer_of_an_older_build_is_turned_away_by_name_until_it_is_upgraded() {
    let mut cluster = of_three(NEW);
    assert_eq!(level_of(&cluster, 1), Level(2), "its founder's newest");
    cluster.build = OLD;
    cluster.start(4);
    let unfit = Unfit {
        level: Level(2),
        knows: OLD,
    };
    let turned_away = Refusal::TurnedAway(Reason::Level(unfit));
    assert_eq!(join(&mut cluster, 4), Err(turned_away));
    cluster.run_for(20_000);
    let node = NodeId(4);
    let told = Notice::Unfit { node, unfit };
    assert!(cluster.notices.iter().any(|it| it.1 != 4 && it.2 == told));
    for other in 1..=3 {
        let view = cluster.node(other).view();
        assert_eq!(view.membership().member(node), None);
    }
    // The log may reach it over one of its connections; then it halts.
    assert_eq!(level_of(&cluster, 4), Level(1));
    assert!(cluster.halted.values().all(|it| *it == unfit));

    cluster.kill(4);
    cluster.build = NEW;
    cluster.start(4);
    assert_eq!(join(&mut cluster, 4), Ok(Answer::Joined));
    cluster.run_until(20_000, "it has the log", |c| level_of(c, 4) == Level(2));
}

#[test]
fn a_node_that_finds_a_level_in_its_own_log_that_it_does_not_know_halts() {
    let mut cluster = Cluster::new(1, 5);
    cluster.run_until(5_000, "it leads", |c| level_of(c, 1) == Level(2));
    cluster.kill(1);
    cluster.build = OLD;
    cluster.start(1);
    cluster.run_until(5_000, "it halts", |c| !c.halted.is_empty());
    let unfit = Unfit {
        level: Level(2),
        knows: OLD,
    };
    assert_eq!(cluster.halted[&1], unfit);
    let silent = cluster.command(1, Command::Status);
    cluster.run_for(5_000);
    assert!(!cluster.answers.contains_key(&silent));
    assert_eq!(cluster.node(1).deadline(), None);
    assert_eq!(level_of(&cluster, 1), Level(1), "it has not applied it");
}
