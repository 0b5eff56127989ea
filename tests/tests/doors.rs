//! Who is let into a cluster of real nodes: added and removed members, and two processes under one
//! node id. On both runtimes.

use std::net::SocketAddr;

use quorate_runtime::control::Refused;
use quorate_runtime::seam::Seam;
use quorate_runtime::{
    ClusterEvent, ClusterNetworkManager, Error, Events, NodeId, Reason, Refusal, State, control,
};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{Site, event, leader, members, soon};
use quorate_tokio::seam::TokioSeam;

async fn joined<S: Seam>(site: &Site, node: u64, seed: SocketAddr) -> ClusterNetworkManager<S> {
    let manager = site.started::<S>(node, 1).await;
    let join = manager.join_cluster(vec![seed]);
    soon(&S::default(), "join", join).await.expect("welcomed");
    manager
}

/// Three members of which the first votes, by hand only; and what the first has seen from its start.
async fn three<S: Seam>(site: &Site) -> (Events, [ClusterNetworkManager<S>; 3]) {
    let by_hand = site
        .node::<S>(1, 1)
        .configure(|config| config.electorate.target = 0);
    let first = by_hand.build().await.expect("a node");
    let events = first.subscribe_to_events();
    first.start().await.expect("it starts");
    let seed = first.local_addr().expect("it listens");
    let all = [
        first,
        joined(site, 2, seed).await,
        joined(site, 3, seed).await,
    ];
    for manager in &all {
        members(manager, 3).await;
        leader(manager).await;
    }
    (events, all)
}

async fn members_come_and_go<S: Seam>() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let (mut seen, [first, second, third]) = three::<S>(&site).await;
    let (seam, node) = (S::default(), NodeId(3));

    let refused = soon(&seam, "a refusal", second.remove_node(NodeId(1))).await;
    assert_eq!(refused, Err(Error::NotDecided(Refused::RemovesVoter)));

    let whole = |event| {
        let ClusterEvent::ViewChanged(view) = event else {
            return None;
        };
        (view.size == 3).then_some(())
    };
    event::<S, _>(&mut seen, "a view of all", whole).await;
    let mut felt = third.subscribe_to_events();
    let at = soon(&seam, "the removal", second.remove_node(node))
        .await
        .expect("decided");
    let removed =
        |event| matches!(event, ClusterEvent::Removed { node: NodeId(3), at: by } if by == at);
    event::<S, ()>(&mut seen, "removed", |event| removed(event).then_some(())).await;
    let reason = Reason::Removed { at };
    let turned_away = |event| {
        let ClusterEvent::TurnedAway { reason, .. } = event else {
            return None;
        };
        Some(reason)
    };
    assert_eq!(
        event::<S, _>(&mut felt, "turned away", turned_away).await,
        reason
    );
    let view = |event| {
        let ClusterEvent::ViewChanged(view) = event else {
            return None;
        };
        (!view.left.is_empty()).then_some(view)
    };
    let view = event::<S, _>(&mut seen, "a view without it", view).await;
    assert_eq!((&view.left[..], view.size), (&[third.me()][..], 2));
    members(&first, 2).await;
    let seed = first.local_addr().expect("it listens");
    let again = soon(&seam, "an answer", third.join_cluster(vec![seed])).await;
    assert_eq!(again, Err(Error::Refused(Refusal::TurnedAway(reason))));

    let address = third.local_addr().expect("it listens");
    let added = soon(&seam, "the addition", first.add_node(node, address)).await;
    let added = added.expect("it answers");
    assert_eq!((added.node, added.state), (node, State::Alive));
    for manager in [&first, &second, &third] {
        members(manager, 3).await;
    }
    let barrier = soon(&seam, "a barrier", third.propose(control::Command::Barrier)).await;
    assert!(barrier.is_ok(), "{barrier:?}");
    for manager in [third, second, first] {
        manager.shutdown().await;
    }
}

async fn the_second_of_two_is_turned_away<S: Seam>() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let (_, [first, second, third]) = three::<S>(&site).await;
    let seam = S::default();
    let mut events = first.subscribe_to_events();

    let impostor = site
        .node::<S>(3, 1)
        .home(site.home(33))
        .build()
        .await
        .expect("a node");
    impostor.start().await.expect("it starts");
    let seed = first.local_addr().expect("it listens");
    let by = third.local_addr().expect("it listens");
    let answer = soon(&seam, "an answer", impostor.join_cluster(vec![seed])).await;
    let reason = Reason::NameTaken { by };
    assert_eq!(answer, Err(Error::Refused(Refusal::TurnedAway(reason))));
    assert!(reason.to_string().contains(&by.to_string()));

    // The older one lives on: nobody has noticed anything.
    let barrier = soon(&seam, "a barrier", third.propose(control::Command::Barrier)).await;
    assert!(barrier.is_ok(), "{barrier:?}");
    soon(&seam, "the goodbye", third.leave())
        .await
        .expect("it leaves");
    let first_change = |event| {
        let is_other = matches!(event, ClusterEvent::Died { .. } | ClusterEvent::Joined(_));
        let ClusterEvent::Left { peer } = event else {
            return is_other.then_some(None);
        };
        Some(Some(peer))
    };
    let left = event::<S, _>(&mut events, "the first change", first_change).await;
    assert_eq!(left, Some(third.me()));
    for manager in [impostor, third, second, first] {
        manager.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_on_tokio() {
    members_come_and_go::<TokioSeam>().await;
}

#[tokio::test]
async fn members_come_and_go_on_smol() {
    members_come_and_go::<SmolSeam>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_of_two_is_turned_away_on_tokio() {
    the_second_of_two_is_turned_away::<TokioSeam>().await;
}

#[tokio::test]
async fn the_second_of_two_is_turned_away_on_smol() {
    the_second_of_two_is_turned_away::<SmolSeam>().await;
}
