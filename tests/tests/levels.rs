//! The feature level on real disks: raised by hand, and a build that does not know it halts.

use quorate_tests::cluster::{Site, event, leader};
use quorate_tokio::control::Refused;
use quorate_tokio::core::level::RaiseRefused;
use quorate_tokio::seam::TokioSeam;
use quorate_tokio::{ClusterEvent, ClusterNetworkManager, Error, Level, LevelRange, StartError};

const OLD: LevelRange = LevelRange::FIRST;
const NEW: LevelRange = LevelRange::OURS;

async fn of_build(site: &Site, build: LevelRange) -> ClusterNetworkManager {
    let node = site.node(1, 1).configure(move |it| it.levels = build);
    node.build().await.expect("a node")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_raised_by_hand_and_an_older_build_halts_then() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let node = of_build(&site, OLD).await;
    node.start().await.expect("it starts");
    leader(&node).await;
    let refused = Error::NotDecided(Refused::Level(RaiseRefused::Unknown(OLD)));
    assert_eq!(node.raise_level(Level(2)).await, Err(refused));
    node.shutdown().await;

    let node = of_build(&site, NEW).await;
    let mut events = node.subscribe_to_events();
    node.start().await.expect("it starts");
    leader(&node).await;
    let status = node.status().await.expect("it runs");
    assert_eq!((status.level, status.levels), (Level(1), NEW));
    node.raise_level(Level(2)).await.expect("all know it");
    assert_eq!(node.status().await.expect("it runs").level, Level(2));
    event::<TokioSeam, _>(&mut events, "the level", |event| {
        matches!(event, ClusterEvent::LevelRaised { level: Level(2) }).then_some(())
    })
    .await;
    node.shutdown().await;

    let node = of_build(&site, OLD).await;
    let mut events = node.subscribe_to_events();
    // It finds the entry again when it leads, so perhaps only after its start.
    let started = node.start().await;
    let reason = event::<TokioSeam, _>(&mut events, "the halt", |event| {
        let ClusterEvent::Halted { reason } = event else {
            return None;
        };
        Some(reason.clone())
    })
    .await;
    assert!(reason.starts_with("level 2 is in force"), "{reason}");
    assert!(matches!(started, Ok(()) | Err(StartError::Halted { .. })));
    assert!(matches!(node.status().await, Err(Error::Halted { .. })));
    node.shutdown().await;
}
