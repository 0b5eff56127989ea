//! The flight recorder, through the public API: real nodes leave recordings, and what is lived
//! again from them is what happened.

use std::path::PathBuf;

use quorate_runtime::core::journal::{End, Tail};
use quorate_runtime::core::node::{Action, Answer};
use quorate_runtime::seam::Seam;
use quorate_runtime::{Recording, StartError, recordings, replay_file};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{Site, leader, members, soon, standing};
use quorate_tokio::control::{Command, Effect, Outcome, Refused};
use quorate_tokio::id::{RoleName, Term};
use quorate_tokio::seam::TokioSeam;
use quorate_tokio::{NodeId, Placement, Status};

type Manager<S> = quorate_runtime::ClusterNetworkManager<S>;

fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}

fn directory(site: &Site, node: u64) -> PathBuf {
    site.home(node).join("recordings")
}

/// A recorded node, started and joined through the first one.
async fn recorded<S: Seam>(site: &Site, node: u64, seeds: &[std::net::SocketAddr]) -> Manager<S> {
    let builder = site
        .node::<S>(node, 3)
        .role(primary(), Placement::Leader)
        .record(Recording::new(directory(site, node)));
    let manager = builder.build().await.expect("a node");
    manager.start().await.expect("it starts");
    if !seeds.is_empty() {
        let joined = soon(&S::default(), "join", manager.join_cluster(seeds.to_vec())).await;
        joined.expect("a member answered");
    }
    manager
}

/// Writes a register under the epoch of the role's holder, which must not be `not`.
async fn write<S: Seam>(manager: &Manager<S>, not: Option<NodeId>, value: &str) -> Outcome {
    let mut events = manager.subscribe_to_events();
    let written = async {
        loop {
            if let Ok(Some(state)) = manager.role(&primary()).await
                && let Some(holder) = state.holder
                && Some(holder.node) != not
            {
                let command = Command::Write {
                    role: primary(),
                    epoch: state.epoch,
                    key: "city".into(),
                    value: value.as_bytes().to_vec().into(),
                };
                let outcome = manager.propose(command).await.expect("applied").outcome;
                // After a restart the log grants the role anew, meanwhile.
                if !matches!(outcome, Err(Refused::StaleEpoch { .. })) {
                    return outcome;
                }
            }
            let _anything = events.next().await;
        }
    };
    soon(&S::default(), "write", written).await
}

/// A replayed life.
#[derive(Debug)]
struct Lived {
    steps: u64,
    tail: Tail,
    /// The terms the node was in, in order.
    terms: Vec<Term>,
    /// The last standing the host was told.
    status: Option<Status>,
    /// The values the register had, in order.
    values: Vec<String>,
    boot: u64,
}

fn live(file: &std::path::Path) -> Lived {
    let (mut terms, mut values) = (Vec::new(), Vec::<String>::new());
    let (mut status, mut boot) = (None, 0);
    let replayed = replay_file(file, |_, _, actions, node| {
        let view = node.view();
        terms.push(view.status().term);
        boot = view.me().boot;
        if let Some(register) = view.control().state().register("city") {
            values.push(String::from_utf8_lossy(&register.value).into_owned());
        }
        for action in actions {
            if let Action::Reply {
                answer: Ok(Answer::Status(told)),
                ..
            } = action
            {
                status = Some(told.clone());
            }
        }
    });
    let replayed = replayed.expect("it is lived again");
    terms.dedup();
    values.dedup();
    Lived {
        steps: replayed.steps,
        tail: replayed.tail,
        terms,
        status,
        values,
        boot,
    }
}

fn only(site: &Site, node: u64) -> PathBuf {
    let mut files = recordings(&directory(site, node)).expect("readable");
    assert_eq!(files.len(), 1, "one life, one recording");
    files.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_that_lost_their_leader_are_lived_again() {
    let temporary = tempfile::tempdir().expect("a directory");
    let site = Site::new(temporary.path());
    let first = recorded::<TokioSeam>(&site, 1, &[]).await;
    let seed = [first.local_addr().expect("it listens")];
    let second = recorded::<TokioSeam>(&site, 2, &seed).await;
    let third = recorded::<TokioSeam>(&site, 3, &seed).await;
    let mut all = vec![first, second, third];
    for manager in &all {
        members(manager, 3).await;
        leader(manager).await;
    }
    let written = write(&all[0], None, "Utrecht").await;
    assert_eq!(written, Ok(Effect::Written { version: 1 }));
    let old = leader(&all[0]).await;
    let before = all[0].status().await.expect("it runs").term;
    let position = all.iter().position(|manager| manager.me().node == old);
    let lost = all.remove(position.expect("it is one of them"));
    let as_leader = lost.status().await.expect("it runs");
    lost.shutdown().await;
    for manager in &all {
        standing(manager, |status| status.leader.filter(|node| *node != old)).await;
    }
    let written = write(&all[0], Some(old), "Delft").await;
    assert_eq!(written, Ok(Effect::Written { version: 2 }));
    let mut told = Vec::new();
    for manager in &all {
        let barrier = manager.propose(Command::Barrier);
        let barrier = soon(&TokioSeam::default(), "barrier", barrier).await;
        barrier.expect("applied");
    }
    for manager in &all {
        told.push((manager.me().node, manager.status().await.expect("it runs")));
        manager.shutdown().await;
    }

    for (node, status) in told {
        let lived = live(&only(&site, node.0));
        assert_eq!(lived.tail, Tail::Ended(End::Stopped));
        assert!(lived.steps > 20, "{} steps", lived.steps);
        assert_eq!(lived.status, Some(status), "told then, told again");
        assert_eq!(lived.values, ["Utrecht", "Delft"]);
        assert!(lived.terms.is_sorted(), "{:?}", lived.terms);
        let last = lived.terms.last().copied().expect("there are steps");
        assert!(lived.terms.contains(&before) && last > before, "{lived:?}");
    }
    let lived = live(&only(&site, old.0));
    assert_eq!(lived.tail, Tail::Ended(End::Stopped));
    assert_eq!(lived.status, Some(as_leader));
    assert_eq!(lived.values, ["Utrecht"], "it never saw the other");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_life_of_a_node_has_a_recording_of_its_own() {
    let temporary = tempfile::tempdir().expect("a directory");
    let site = Site::new(temporary.path());
    std::fs::create_dir_all(site.home(1)).expect("made");
    let text = "[recorder]\ndirectory = \"recordings\"\nlives_max = 2\n";
    std::fs::write(site.home(1).join("quorate.toml"), text).expect("written");
    for (life, value) in (1..=3).zip(["Delft", "Gouda", "Leiden"]) {
        let builder = site
            .node::<SmolSeam>(1, 1)
            .role(primary(), Placement::Leader);
        let node = builder.build().await.expect("a node");
        node.start().await.expect("it starts");
        let written = write(&node, None, value).await;
        assert_eq!(written, Ok(Effect::Written { version: life }));
        node.shutdown().await;
    }
    let files = recordings(&directory(&site, 1)).expect("readable");
    let lives: Vec<Lived> = files.iter().map(|file| live(file)).collect();
    assert_eq!(lives.len(), 2, "the oldest gave way");
    assert_eq!((lives[0].boot, lives[1].boot), (2, 3));
    // A life begins with the log of those before it, and replays that too.
    assert_eq!(lives[0].values, ["Delft", "Gouda"]);
    assert_eq!(lives[1].values, ["Gouda", "Leiden"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_recording_ends_and_the_node_goes_on() {
    let temporary = tempfile::tempdir().expect("a directory");
    let site = Site::new(temporary.path());
    let recording = Recording {
        bytes_max: 64 * 1024,
        ..Recording::new(directory(&site, 1))
    };
    let builder = site
        .node::<TokioSeam>(1, 1)
        .role(primary(), Placement::Leader)
        .record(recording);
    let node = builder.build().await.expect("a node");
    node.start().await.expect("it starts");
    let value = "x".repeat(4096);
    for version in 1..=40 {
        let written = write(&node, None, &value).await;
        assert_eq!(written, Ok(Effect::Written { version }));
    }
    let status = node.status().await.expect("it runs");
    node.shutdown().await;
    let file = only(&site, 1);
    let len = std::fs::metadata(&file).expect("it exists").len();
    assert!(len <= 64 * 1024, "{len} bytes");
    let lived = live(&file);
    assert_eq!(lived.tail, Tail::Ended(End::Full));
    assert_eq!(lived.values, [value]);
    assert_ne!(lived.status, Some(status), "that was not recorded any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_record_lives_all_the_same() {
    let temporary = tempfile::tempdir().expect("a directory");
    let site = Site::new(temporary.path());
    let blocked = temporary.path().join("a-file");
    std::fs::write(&blocked, "not a directory").expect("written");
    let builder = site
        .node::<TokioSeam>(1, 1)
        .role(primary(), Placement::Leader)
        .record(Recording::new(&blocked));
    let node = builder.build().await.expect("a node");
    node.start().await.expect("it starts");
    let written = write(&node, None, "Delft").await;
    assert_eq!(written, Ok(Effect::Written { version: 1 }));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_that_make_no_sense_are_refused_before_the_start() {
    let temporary = tempfile::tempdir().expect("a directory");
    let site = Site::new(temporary.path());
    let recording = Recording {
        bytes_max: 1,
        lives_max: 0,
        ..Recording::new(directory(&site, 1))
    };
    let builder = site.node::<TokioSeam>(1, 1).record(recording);
    let error = builder.build().await.expect_err("refused");
    assert!(matches!(error, StartError::Config(_)), "{error}");
    let said = error.to_string();
    for key in ["recorder.bytes_max", "recorder.lives_max"] {
        assert!(said.contains(key), "{key} not in {said}");
    }
}
