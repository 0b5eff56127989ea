//! The composition: nodes that gather, elect, place a role, accept fenced writes, fail over, and
//! can be lived again from their journals.

mod harness;

use harness::{Cluster, address, primary};
use quorate_core::control::{self, Effect, Refused};
use quorate_core::id::Epoch;
use quorate_core::membership::{Fact, State};
use quorate_core::node::{Answer, Command};
use quorate_core::notice::Notice;
use quorate_core::payload::Payload;

fn write(epoch: Epoch, key: &str) -> Command {
    let value = Payload::copy_from(b"value");
    let command = control::Command::Write {
        role: primary(),
        epoch,
        key: key.into(),
        value,
    };
    Command::Propose {
        request: None,
        command,
    }
}

/// A cluster whose nodes all know each other, with a leader that holds the role.
fn gathered(voters: u64, seed: u64) -> Cluster {
    let mut cluster = Cluster::new(voters, seed);
    for node in 2..=voters {
        cluster.command(
            node,
            Command::Join {
                seeds: vec![address(1)],
            },
        );
    }
    cluster.run_until(10_000, "everyone knows everyone", |c| {
        everyone_alive(c, voters)
    });
    cluster.run_until(10_000, "the leader holds the role", |c| {
        c.leader().is_some() && holder(c) == c.leader()
    });
    cluster
}

fn everyone_alive(cluster: &Cluster, n: u64) -> bool {
    let alive = |node: &u64| {
        let members = cluster.node(*node).view().membership().members();
        members
            .filter(|member| member.state == State::Alive)
            .count() as u64
    };
    cluster.nodes.keys().all(|node| alive(node) == n)
}

fn holder(cluster: &Cluster) -> Option<u64> {
    let node = cluster.leader()?;
    let role = cluster
        .node(node)
        .view()
        .control()
        .state()
        .role(&primary())?;
    role.holder.map(|peer| peer.node.0)
}

fn epoch(cluster: &Cluster) -> Epoch {
    let node = cluster.leader().expect("there is a leader");
    cluster
        .node(node)
        .view()
        .control()
        .state()
        .role(&primary())
        .expect("it was granted")
        .epoch
}

fn outcome(cluster: &mut Cluster, node: u64, command: Command) -> control::Outcome {
    let ticket = cluster.command(node, command);
    cluster.run_until(5_000, "the proposal is answered", |c| {
        c.answers.contains_key(&ticket)
    });
    match &cluster.answers[&ticket] {
        Ok(Answer::Applied { outcome, .. }) => outcome.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_killed_leader_is_replaced_and_its_epoch_refused() {
    let mut cluster = gathered(5, 1);
    let (leader, old) = (cluster.leader().expect("gathered"), epoch(&cluster));
    let follower = leader % 5 + 1;
    let written = Ok(Effect::Written { version: 1 });
    assert_eq!(outcome(&mut cluster, follower, write(old, "k")), written);

    cluster.kill(leader);
    cluster.run_until(2_000, "another holds the role", |c| {
        holder(c).is_some_and(|holder| holder != leader)
    });
    let written = Ok(Effect::Written { version: 2 });
    let new = epoch(&cluster);
    assert_eq!(outcome(&mut cluster, follower, write(new, "k")), written);

    cluster.start(leader);
    let seeds = vec![address(follower)];
    cluster.command(leader, Command::Join { seeds });
    cluster.run_until(20_000, "the old leader is back", |c| everyone_alive(c, 5));
    let refused = outcome(&mut cluster, leader, write(old, "k"));
    assert!(matches!(refused, Err(Refused::StaleEpoch { current, .. }) if current > old));
    assert_eq!(
        outcome(&mut cluster, leader, write(new, "k")),
        Ok(Effect::Written { version: 3 })
    );
}

#[test]
fn a_quiet_cluster_keeps_its_leader_and_suspects_nobody() {
    let mut cluster = gathered(3, 2);
    let leader = cluster.leader();
    cluster.notices.clear();
    cluster.run_for(60_000);
    assert_eq!(cluster.leader(), leader);
    let unrest = |notice: &Notice| {
        matches!(
            notice,
            Notice::Member(Fact::Suspected { .. }) | Notice::Leadership(_)
        )
    };
    let found: Vec<_> = cluster
        .notices
        .iter()
        .filter(|(_, _, notice)| unrest(notice))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_single_voter_serves_alone() {
    let mut cluster = Cluster::new(1, 3);
    cluster.run_until(2_000, "it holds the role", |c| holder(c) == Some(1));
    let epoch = epoch(&cluster);
    assert_eq!(
        outcome(&mut cluster, 1, write(epoch, "k")),
        Ok(Effect::Written { version: 1 })
    );
    assert!(outcome(&mut cluster, 1, write(Epoch(0), "k")).is_err());
}

/// Those of the leader's own host and those that arrive from another node.
#[test]
fn proposals_of_one_moment_share_a_record_everywhere() {
    let mut cluster = gathered(3, 6);
    let leader = cluster.leader().expect("gathered");
    let (epoch, other) = (epoch(&cluster), leader % 3 + 1);
    let before: Vec<usize> = (1..=3).map(|it| cluster.appended(it).len()).collect();
    let mut tickets = Vec::new();
    for key in 0..20 {
        let command = || write(epoch, &format!("k{key}"));
        tickets.push(cluster.command(leader, command()));
        tickets.push(cluster.command(other, command()));
    }
    cluster.run_until(100, "all are answered", |c| {
        tickets.iter().all(|ticket| c.answers.contains_key(ticket))
    });
    cluster.run_for(10);
    for (node, before) in (1..=3).zip(before) {
        assert_eq!(cluster.appended(node)[before..], [40], "n{node}");
    }
}

#[test]
fn a_journal_lived_again_does_the_same() {
    let mut cluster = gathered(3, 4);
    let leader = cluster.leader().expect("gathered");
    cluster.kill(leader);
    cluster.run_for(10_000);
    for recorder in cluster.nodes.values() {
        assert!(recorder.journal().events.len() > 100);
        assert_eq!(recorder.journal().replay(), recorder.fingerprint());
        let mut shorter = recorder.journal().clone();
        shorter.events.truncate(shorter.events.len() / 2);
        assert_ne!(shorter.replay(), recorder.fingerprint());
    }
}

/// A leader that repeats itself for a minute to a follower whose disk hangs fills no memory.
#[test]
fn promises_of_a_hanging_disk_are_bounded() {
    let mut cluster = gathered(3, 5);
    let leader = cluster.leader().expect("gathered");
    let follower = leader % 3 + 1;
    cluster.hang_disk(follower);
    let epoch = epoch(&cluster);
    assert_eq!(
        outcome(&mut cluster, leader, write(epoch, "k")),
        Ok(Effect::Written { version: 1 }),
        "the other two are a majority"
    );
    let mut most = 0;
    for _ in 0..600 {
        cluster.run_for(1_000);
        most = most.max(cluster.node(follower).view().promises_held());
    }
    assert!((1_000..=4_096).contains(&most), "{most} promises were held");
}
