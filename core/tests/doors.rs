//! Who is let in: members added and removed through the log, and two processes under one node id.

mod harness;

use harness::{Cluster, address};
use quorate_core::control::{self, Effect};
use quorate_core::id::{NodeId, Ticket};
use quorate_core::membership::{self, Reason, State};
use quorate_core::node::{Answer, Command, Refusal};
use quorate_core::notice::Notice;

type Answered = Result<Answer, Refusal>;

fn ask(cluster: &mut Cluster, process: u64, command: Command) -> Answered {
    let ticket: Ticket = cluster.command(process, command);
    cluster.run_until(20_000, "an answer", |c| c.answers.contains_key(&ticket));
    cluster.answers[&ticket].clone()
}

fn join(cluster: &mut Cluster, process: u64, seed: u64) -> Answered {
    let seeds = vec![address(seed)];
    ask(cluster, process, Command::Join { seeds })
}

fn decide(cluster: &mut Cluster, process: u64, command: control::Command) -> Answered {
    let request = None;
    ask(cluster, process, Command::Propose { request, command })
}

/// What `process` believes of a node.
fn belief(cluster: &Cluster, process: u64, node: u64) -> Option<State> {
    let member = cluster
        .node(process)
        .view()
        .membership()
        .member(NodeId(node));
    member.map(|member| member.state)
}

/// Voters 1 to `voters` and as many learners, of one mind.
fn gathered(voters: u64, learners: u64) -> Cluster {
    let mut cluster = Cluster::new(voters, 7);
    for node in voters + 1..=voters + learners {
        cluster.start(node);
    }
    for node in 2..=voters + learners {
        assert_eq!(join(&mut cluster, node, 1), Ok(Answer::Joined));
    }
    cluster.run_until(10_000, "one leader, known to all", |c| c.leader().is_some());
    cluster
}

fn is_removed(cluster: &Cluster, node: u64) -> bool {
    let others = cluster.nodes.keys().filter(|other| **other != node);
    others.clone().all(|other| {
        let is_cut = cluster.node(*other).view().link(NodeId(node)).is_none();
        is_cut && belief(cluster, *other, node) == Some(State::Left)
    })
}

fn is_whole(cluster: &Cluster) -> bool {
    let alive = |process: &u64, node: &u64| belief(cluster, *process, *node) == Some(State::Alive);
    let all = || cluster.nodes.keys();
    all().all(|process| all().all(|node| alive(process, node)))
}

fn turned_away(cluster: &Cluster, process: u64) -> Vec<Reason> {
    let of = |(_, node, notice): &(u64, u64, Notice)| {
        let Notice::Membership(membership::Notice::TurnedAway { reason, .. }) = notice else {
            return None;
        };
        (*node == process).then_some(*reason)
    };
    cluster.notices.iter().filter_map(of).collect()
}

#[test]
fn a_removed_learner_stays_out_until_it_is_admitted() {
    let mut cluster = gathered(3, 1);
    let node = NodeId(4);
    let removed = decide(&mut cluster, 2, control::Command::RemoveNode { node });
    let Ok(Answer::Applied { index, outcome }) = removed else {
        panic!("{removed:?}")
    };
    assert_eq!(outcome, Ok(Effect::Removed { at: index }));
    cluster.run_until(1_000, "everyone has let it go", |c| is_removed(c, 4));
    // It lives on and tries its seed again and again.
    cluster.run_for(30_000);
    assert!(is_removed(&cluster, 4));
    let reason = Reason::Removed { at: index };
    assert!(turned_away(&cluster, 4).contains(&reason));
    assert_eq!(join(&mut cluster, 4, 1), Err(Refusal::TurnedAway(reason)));

    let add = Command::AddNode {
        node,
        address: address(4),
    };
    let refused = ask(&mut cluster, 3, add.clone());
    assert_eq!(refused, Err(Refusal::Removed { node, at: index }));
    let admitted = decide(&mut cluster, 3, control::Command::AdmitNode { node });
    assert!(
        matches!(admitted, Ok(Answer::Applied { .. })),
        "{admitted:?}"
    );
    let added = ask(&mut cluster, 3, add);
    assert!(
        matches!(&added, Ok(Answer::Added(member)) if member.node == node),
        "{added:?}"
    );
    cluster.run_until(10_000, "it is a member of all again", is_whole);
}

#[test]
fn a_removed_voter_loses_its_vote_first_whoever_it_is() {
    for seat in [0, 1] {
        let mut cluster = gathered(3, 1);
        let leader = cluster.leader().expect("gathered");
        let removed = (leader - 1 + seat) % 3 + 1;
        let node = NodeId(removed);
        let answer = decide(&mut cluster, 4, control::Command::RemoveNode { node });
        assert!(matches!(answer, Ok(Answer::Applied { .. })), "{answer:?}");
        cluster.run_until(20_000, "everyone has let it go", |c| is_removed(c, removed));
        for other in (1..=4).filter(|other| *other != removed) {
            let voters = cluster.node(other).view().raft().voters();
            assert!(
                !voters.contains(node) && voters.contains(NodeId(4)),
                "{voters}"
            );
        }
    }
}

#[test]
fn a_node_is_added_where_it_listens_and_by_its_own_name() {
    let mut cluster = gathered(3, 0);
    cluster.start(5);
    cluster.run_for(10);
    let add = |node, at| Command::AddNode {
        node: NodeId(node),
        address: address(at),
    };
    let added = ask(&mut cluster, 2, add(5, 5));
    assert!(matches!(&added, Ok(Answer::Added(member)) if member.node == NodeId(5)));
    cluster.run_until(5_000, "it is introduced to all", is_whole);
    let nobody = Refusal::NobodyAnswered {
        seeds: vec![address(9)],
    };
    assert_eq!(ask(&mut cluster, 2, add(9, 9)), Err(nobody));
    cluster.start(8);
    cluster.run_for(10);
    let other = Refusal::OtherNode {
        address: address(8),
        expected: NodeId(7),
        found: NodeId(8),
    };
    assert_eq!(ask(&mut cluster, 2, add(7, 8)), Err(other));
}

#[test]
fn of_two_processes_with_one_id_the_second_is_turned_away_and_the_first_lives_on() {
    let mut cluster = gathered(3, 1);
    // Node 4 lives its first life; the second process is in its first, too.
    cluster.start_as(14, 4);
    let by = address(4);
    let taken = Err(Refusal::TurnedAway(Reason::NameTaken { by }));
    assert_eq!(join(&mut cluster, 14, 1), taken);
    // The same from a process whose disk remembers more lives than the one that is there.
    for _ in 0..3 {
        cluster.kill(14);
        cluster.start_as(14, 4);
    }
    assert_eq!(join(&mut cluster, 14, 2), taken);
    let before = cluster.notices.len();
    cluster.run_for(30_000);
    for (_, process, notice) in &cluster.notices[before..] {
        let is_change = matches!(notice, Notice::Member(_)) && *process != 14;
        assert!(!is_change, "n{process}: {notice:?}");
    }
    let member = cluster
        .node(1)
        .view()
        .membership()
        .member(NodeId(4))
        .expect("known");
    assert_eq!((member.state, member.address), (State::Alive, address(4)));

    cluster.kill(4);
    cluster.run_until(60_000, "the name is free, and taken over", |c| {
        (1..=3).all(|process| {
            let member = c.node(process).view().membership().member(NodeId(4));
            member.is_some_and(|m| m.state == State::Alive && m.address == address(14))
        })
    });
}

#[test]
fn a_restart_at_another_address_is_let_in_at_once() {
    let mut cluster = gathered(3, 1);
    cluster.kill(4);
    // The old life is still believed to be alive.
    assert_eq!(belief(&cluster, 1, 4), Some(State::Alive));
    cluster.start_as(14, 4);
    let began = cluster.now;
    assert_eq!(join(&mut cluster, 14, 1), Ok(Answer::Joined));
    assert!(cluster.now - began < 100, "nobody listens where it was");
}
