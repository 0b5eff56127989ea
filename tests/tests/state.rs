//! What nodes write about themselves, read on the others; the quorum; the numbers; slow watchers.

use quorate_runtime::seam::Seam;
use quorate_runtime::{
    ClusterEvent, ClusterNetworkManager, Error, PartitionStatus, Refusal, Shortfall, StateChange,
    StateRefused,
};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{Site, event, leader, members, soon};
use quorate_tokio::NodeId;
use quorate_tokio::seam::TokioSeam;

async fn member<S: Seam>(
    site: &Site,
    node: u64,
    seeds: &[std::net::SocketAddr],
) -> ClusterNetworkManager<S> {
    let builder = site
        .node::<S>(node, 3)
        .configure(|config| config.quorum.nodes_min = 3);
    let manager = builder.build().await.expect("a node");
    manager.start().await.expect("it starts");
    if !seeds.is_empty() {
        let joined = soon(&S::default(), "join", manager.join_cluster(seeds.to_vec())).await;
        joined.expect("a member answered");
    }
    manager
}

async fn three<S: Seam>(site: &Site) -> [ClusterNetworkManager<S>; 3] {
    let first = member::<S>(site, 1, &[]).await;
    let seed = [first.local_addr().expect("it listens")];
    let all = [
        first,
        member(site, 2, &seed).await,
        member(site, 3, &seed).await,
    ];
    for manager in &all {
        members(manager, 3).await;
        leader(manager).await;
    }
    all
}

/// A write of one node is watched and read on another, a deletion too; a dead node's state is still
/// there, marked.
async fn state_is_shared<S: Seam>(seam: S) {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let [one, two, three] = three::<S>(&site).await;
    let mut watch = two.watch_state("load/");
    let version = one
        .set_state("load/class", "high")
        .await
        .expect("within bounds");
    one.set_state("zone", "eu-1").await.expect("within bounds");
    let change = soon(&seam, "the write is seen", watch.next())
        .await
        .expect("it runs");
    let owner = one.me();
    let key = "load/class".to_owned();
    let written = StateChange::Changed {
        owner,
        key: key.clone(),
        version,
        value: Some(b"high".to_vec().into()),
    };
    assert_eq!(change, Ok(written));
    let read = two.state("load/").await.expect("it runs");
    assert_eq!(read.len(), 1);
    assert_eq!(
        (read[0].owner, &*read[0].value, read[0].is_live),
        (owner, &b"high"[..], true)
    );
    assert!(one.delete_state(&key).await.expect("it runs"));
    assert!(
        !one.delete_state(&key).await.expect("it runs"),
        "there is none any more"
    );
    let change = soon(&seam, "the deletion is seen", watch.next())
        .await
        .expect("it runs");
    assert!(
        matches!(change, Ok(StateChange::Changed { value: None, .. })),
        "{change:?}"
    );

    let refused = one.set_state("quorate/mine", "x").await;
    let reserved = Refusal::State(StateRefused::Reserved);
    assert!(matches!(refused, Err(Error::Refused(refusal)) if refusal == reserved));

    let quorum = two.quorum().await.expect("it runs");
    assert!(
        quorum.has_quorum && quorum.shortfalls.is_empty(),
        "{quorum:?}"
    );
    assert_eq!(
        two.partition_status().await.expect("it runs"),
        PartitionStatus::Whole
    );
    let metrics = two.get_all_metrics().node;
    assert!(metrics.get("ping_count").is_some() && metrics.get("state_bytes") > Some(0));

    let mut events = two.subscribe_to_events();
    three
        .set_state("zone", "eu-3")
        .await
        .expect("within bounds");
    event::<S, ()>(&mut events, "the last word of node 3", |happened| {
        matches!(happened, ClusterEvent::StateChanged { owner, .. } if owner.node == NodeId(3))
            .then_some(())
    })
    .await;
    three.shutdown().await;
    event::<S, ()>(&mut events, "node 3 is dead", |happened| {
        matches!(happened, ClusterEvent::Died { peer, .. } if peer.node == NodeId(3)).then_some(())
    })
    .await;
    let left = two.state_of(NodeId(3)).await.expect("it runs");
    assert_eq!((left.len(), left[0].is_live), (1, false));
    let quorum = two.quorum().await.expect("it runs");
    let missing = Shortfall::Nodes { live: 2, needed: 3 };
    assert_eq!(
        (quorum.has_quorum, quorum.shortfalls),
        (false, vec![missing])
    );
    one.shutdown().await;
    two.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_is_shared_on_tokio() {
    state_is_shared(TokioSeam::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_is_shared_on_smol() {
    state_is_shared(SmolSeam::default()).await;
}

/// A watcher that does not look misses changes, is told, and holds nobody up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_watcher_is_told_what_it_missed() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let alone = site.started::<TokioSeam>(1, 1).await;
    let mut watch = alone.watch_state("");
    for turn in 0..3_000_u32 {
        alone
            .set_state("turn", turn.to_le_bytes())
            .await
            .expect("nobody is waited for");
    }
    let missed = watch
        .next()
        .await
        .expect("it runs")
        .expect_err("it fell behind");
    assert!(missed.count > 1_000, "{missed}");
    let read = alone.state("turn").await.expect("it runs");
    assert_eq!(&*read[0].value, &2_999_u32.to_le_bytes());
    alone.shutdown().await;
    while let Some(rest) = watch.next().await {
        assert!(rest.is_ok(), "only once");
    }
}
