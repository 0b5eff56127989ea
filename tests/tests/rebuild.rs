//! A voter whose log is damaged or lost is rebuilt from its peers, on real disks and connections.

use std::fs;

use quorate_tests::cluster::{Site, leader, members, soon, standing};
use quorate_tokio::control::{Command, Effect};
use quorate_tokio::core::raft::Role;
use quorate_tokio::id::RoleName;
use quorate_tokio::seam::TokioSeam;
use quorate_tokio::{
    ASIDE_PREFIX, Builder, ClusterNetworkManager, DiskError, NodeId, Placement, StartError, Status,
};

fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}

fn builder(site: &Site, node: u64) -> Builder {
    let builder = site.node(node, 3).role(primary(), Placement::Leader);
    builder.configure(|config| config.raft.snapshot_bytes = 2_000)
}

async fn started(
    site: &Site,
    node: u64,
    seed: Option<&ClusterNetworkManager>,
) -> ClusterNetworkManager {
    let manager = builder(site, node).build().await.expect("a node");
    manager.start().await.expect("it starts");
    if let Some(seed) = seed {
        let seed = seed.local_addr().expect("it listens");
        manager.join_cluster(vec![seed]).await.expect("joined");
    }
    manager
}

/// Writes under the role of whoever holds it, so often.
async fn write(node: &ClusterNetworkManager, times: u64) {
    let mut events = node.subscribe_to_events();
    for nth in 0..times {
        let written = async {
            loop {
                let state = node.role(&primary()).await.expect("it runs");
                let epoch = state.map_or_else(Default::default, |state| state.epoch);
                let (key, value) = ("key".into(), nth.to_le_bytes().to_vec().into());
                let role = primary();
                let command = Command::Write {
                    role,
                    epoch,
                    key,
                    value,
                };
                let applied = node.propose(command).await.expect("decided");
                if let Ok(Effect::Written { .. }) = applied.outcome {
                    return;
                }
                let _anything = events.next().await;
            }
        };
        soon(&TokioSeam::default(), "a write", written).await;
    }
}

/// Waits until the node is a voter, and the change that made it one is over.
async fn votes(node: &ClusterNetworkManager) {
    let votes = |status: &Status| status.role != Role::Learner && !status.voters.is_joint();
    standing(node, |status| votes(status).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_with_a_damaged_log_refuses_to_start_and_votes_again_once_rebuilt() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let one = started(&site, 1, None).await;
    let two = started(&site, 2, Some(&one)).await;
    let three = started(&site, 3, Some(&one)).await;
    for node in [&one, &two, &three] {
        members(node, 3).await;
    }
    write(&one, 100).await;
    three.shutdown().await;
    drop(three);

    let whole = builder(&site, 3).rebuild().await;
    assert!(
        matches!(whole, Err(StartError::Disk(DiskError::Whole { .. }))),
        "{whole:?}"
    );
    let data = site.home(3).join("data");
    let segment = segments(&data).into_iter().next().expect("a segment");
    let mut bytes = fs::read(&segment).expect("it is there");
    bytes[26] ^= 0xFF;
    fs::write(&segment, &bytes).expect("there is room");
    let manager: ClusterNetworkManager = builder(&site, 3).build().await.expect("a node");
    let refused = manager.start().await.expect_err("it is damaged");
    assert!(
        matches!(refused, StartError::Disk(DiskError::Corrupt { .. })),
        "{refused}"
    );
    drop(manager);

    builder(&site, 3).rebuild().await.expect("given up");
    let aside = data.join(format!("{ASIDE_PREFIX}1"));
    let kept = fs::read(aside.join(segment.file_name().expect("a name")));
    assert_eq!(kept.expect("it is kept"), bytes);
    let three = started(&site, 3, Some(&one)).await;
    assert!(three.me().boot > 1_000_000, "above every life before");
    votes(&three).await;
    assert_eq!(leader(&three).await, leader(&one).await);

    // Of the three, two are left, and need its vote.
    write(&three, 1).await;
    let (gone, stays) = match leader(&three).await {
        NodeId(1) => (one, two),
        _ => (two, one),
    };
    let lost = gone.me().node;
    gone.shutdown().await;
    let is_another = |leader: NodeId| (leader != lost).then_some(());
    standing(&three, |status| status.leader.and_then(is_another)).await;
    write(&stays, 3).await;
    three.shutdown().await;
    stays.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_that_lost_its_disk_is_rebuilt_and_remembers_that_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let one = started(&site, 1, None).await;
    let two = started(&site, 2, Some(&one)).await;
    let three = started(&site, 3, Some(&one)).await;
    members(&one, 3).await;
    write(&one, 5).await;
    two.shutdown().await;
    drop(two);
    fs::remove_dir_all(site.home(2).join("data")).expect("it was there");
    builder(&site, 2).rebuild().await.expect("given up");
    let two = started(&site, 2, Some(&one)).await;
    votes(&two).await;
    let boot = two.me().boot;
    two.shutdown().await;
    drop(two);

    let whole = builder(&site, 2).rebuild().await;
    assert!(
        matches!(whole, Err(StartError::Disk(DiskError::Whole { .. }))),
        "{whole:?}"
    );
    let two = started(&site, 2, Some(&one)).await;
    assert_eq!(two.me().boot, boot + 1);
    votes(&two).await;
    for node in [one, two, three] {
        node.shutdown().await;
    }
}

fn segments(data: &std::path::Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(data).expect("it is there");
    let files = files.map(|file| file.expect("listed").path());
    let mut all: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|it| it == "wal"))
        .collect();
    all.sort();
    all
}
