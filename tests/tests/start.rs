//! Starting, stopping, and starting again: every failure has a type and says what to do.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_tests::cluster::{CLUSTER, Site, event, leader, soon};
use quorate_tests::pki::Authority;
use quorate_tokio::control::Command;
use quorate_tokio::id::{Lsn, RoleName};
use quorate_tokio::seam::TokioSeam;
use quorate_tokio::{
    ClusterEvent, ClusterNetworkManager, ConfigFileError, Disk, DiskError, Error, Identity,
    IdentityError, LOCK_FILE, MessagePriority, NodeId, Payload, Pending, Placement, Segment,
    StartError, Write,
};

fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}

async fn alone(site: &Site) -> Result<ClusterNetworkManager, StartError> {
    let node = site
        .node(1, 1)
        .role(primary(), Placement::Leader)
        .build()
        .await?;
    node.start().await?;
    leader(&node).await;
    Ok(node)
}

async fn write(node: &ClusterNetworkManager, value: &[u8]) {
    let mut events = node.subscribe_to_events();
    let me = node.me();
    let held = async {
        loop {
            let state = node.role(&primary()).await.expect("it runs");
            if let Some(state) = state.filter(|state| state.holder == Some(me)) {
                return state;
            }
            let _anything = events.next().await;
        }
    };
    let state = soon(&TokioSeam::default(), "the role", held).await;
    let command = Command::Write {
        role: primary(),
        epoch: state.epoch,
        key: "key".into(),
        value: Payload::copy_from(value),
    };
    let applied = node.propose(command).await.expect("applied");
    applied.outcome.expect("written");
}

async fn read(node: &ClusterNetworkManager) -> Vec<u8> {
    node.propose(Command::Barrier).await.expect("applied");
    node.read("key")
        .await
        .expect("it runs")
        .expect("written")
        .value
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_remembers() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    for boot in 1..=3_u64 {
        let node = alone(&site).await.expect("it starts");
        assert_eq!(node.me().boot, boot);
        if boot > 1 {
            assert_eq!(read(&node).await, (boot - 1).to_string().as_bytes());
        }
        write(&node, boot.to_string().as_bytes()).await;
        if boot == 1 {
            node.shutdown().await;
        } else {
            // Dropping the last handle stops the node as well; its events end when it has.
            let mut events = node.subscribe_to_events();
            drop(node);
            let over = async { while events.next().await.is_some() {} };
            soon(&TokioSeam::default(), "the end", over).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_log_is_cut_and_a_damaged_one_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let data = site.home(1).join("data");
    let log = data.join(Segment::name(Lsn(1)));
    let node = alone(&site).await.expect("it starts");
    write(&node, b"kept").await;
    node.shutdown().await;

    // Behind the records are the zeros that were allocated ahead.
    let mut bytes = fs::read(&log).expect("it is there");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("records");
    bytes[end + 9..end + 30].fill(77);
    fs::write(&log, &bytes).expect("there is room");
    let node = alone(&site).await.expect("a torn tail is no damage");
    assert_eq!(read(&node).await, b"kept");
    node.shutdown().await;

    let mut bytes = fs::read(&log).expect("it is there");
    bytes[100] ^= 0xFF;
    fs::write(&log, &bytes).expect("there is room");
    let error = alone(&site).await.expect_err("it is damaged");
    assert!(
        matches!(&error, StartError::Disk(DiskError::Corrupt { file, corrupt })
        if *file == data && corrupt.segment == Lsn(1))
    );
    let (text, name) = (error.to_string(), Segment::name(Lsn(1)));
    assert!(text.contains(&name) && text.contains("damaged"), "{text}");
    assert_eq!(
        fs::read(&log).expect("it is there"),
        bytes,
        "a damaged log is left as it is"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_belongs_to_one_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let node = alone(&site).await.expect("it starts");
    let error = alone(&site).await.expect_err("the log is taken");
    assert!(
        matches!(error, StartError::Disk(DiskError::InUse { .. })),
        "{error}"
    );
    node.shutdown().await;
    alone(&site)
        .await
        .expect("the log is free again")
        .shutdown()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_and_start_may_be_repeated() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let node = ClusterNetworkManager::builder(address)
        .home(site.home(1))
        .identity(site.authority.papers(1, CLUSTER).identity())
        .voters([NodeId(1)]);
    let node = node.build().await.expect("a node");
    let error = node.start().await.expect_err("the port is taken");
    assert!(error.is_port_in_use(), "{error}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    drop(taken);
    node.start().await.expect("the port is free now");
    assert!(matches!(
        node.start().await,
        Err(StartError::AlreadyStarted)
    ));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_may_be_called_at_any_time_and_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let node: ClusterNetworkManager = site.node(1, 1).build().await.expect("a node");
    node.shutdown().await;
    assert_eq!(node.status().await, Err(Error::NotStarted));
    node.start().await.expect("it starts");
    let messages = node.messages();
    tokio::join!(node.shutdown(), node.shutdown());
    node.shutdown().await;
    assert_eq!(node.status().await, Err(Error::Stopped));
    assert_eq!(node.propose(Command::Barrier).await, Err(Error::Stopped));
    let target = NodeId(2);
    let asked = node
        .request(
            target,
            "x",
            MessagePriority::Normal,
            Duration::from_secs(20),
        )
        .await;
    assert_eq!(asked, Err(Error::Stopped));
    assert!(messages.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_holds_identity_configuration_and_data() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    let build = async |home: PathBuf| {
        ClusterNetworkManager::builder(([127, 0, 0, 1], 0).into())
            .home(home)
            .build()
            .await
    };

    let error = build(home.clone()).await.expect_err("nothing is there");
    assert!(matches!(
        error,
        StartError::Identity(IdentityError::Missing { .. })
    ));
    let text = error.to_string();
    for part in [
        "ca.pem",
        "node.pem",
        "node.key",
        "n<ID>.<cluster>.quorate",
        "openssl",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }

    Authority::new("test authority")
        .papers(5, CLUSTER)
        .write(&home)
        .expect("there is room");
    fs::write(
        home.join("quorate.toml"),
        "voters = [5]\n[raft]\nheartbeat = 1",
    )
    .expect("room");
    let error = build(home.clone()).await.expect_err("an unknown key");
    assert!(matches!(
        error,
        StartError::ConfigFile(ConfigFileError::Malformed { .. })
    ));
    assert!(error.to_string().contains("quorate.toml"), "{error}");

    fs::write(home.join("quorate.toml"), "voters = [5]\nzone = \"a\"\n").expect("room");
    let node = build(home.clone()).await.expect("all is there");
    node.start().await.expect("it starts");
    assert_eq!(leader(&node).await, NodeId(5));
    let members = node.get_cluster_members().await.expect("it runs");
    assert_eq!(members[0].zone.as_ref().expect("set").as_str(), "a");
    node.shutdown().await;
    assert!(home.join("data").join(LOCK_FILE).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_configuration_is_reported_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path();
    Authority::new("test authority")
        .papers(1, CLUSTER)
        .write(home)
        .expect("there is room");
    let wrong = "voters = [0, 0]\n\
        [membership]\nprobe_interval = \"0ms\"\nprobe_timeout = \"0ms\"\ngossip_fanout = 0\n\
        gossip_interval = \"0ms\"\nsuspicion_permille = 0\nretransmit_factor = 0\n\
        rejoin_interval = \"0ms\"\njoin_timeout = \"0ms\"\n\
        [raft]\nheartbeat_interval = \"0ms\"\nelection_timeout_min = \"0ms\"\n\
        election_timeout_max = \"0ms\"\nentries_per_append_max = 0\nappends_in_flight_max = 0\n\
        uncommitted_max = 0\n\
        [transport]\nmessage_bytes_max = 0\nqueue_bytes_max = 0\nhello_timeout = \"0ms\"\n\
        keepalive_interval = \"0ms\"\nidle_timeout = \"0ms\"\n\
        [control]\nforward_interval = \"0ms\"\nproposal_timeout = \"0ms\"\nproposals_max = 0\n";
    fs::write(home.join("quorate.toml"), wrong).expect("there is room");
    let node = ClusterNetworkManager::builder(([127, 0, 0, 1], 0).into())
        .home(home)
        .build()
        .await;
    let error = match node {
        Ok(node) => node.start().await.expect_err("everything is wrong"),
        Err(error) => error,
    };
    assert!(matches!(error, StartError::Config(_)), "{error}");
    let text = error.to_string();
    for key in [
        "voters",
        "membership.probe_interval",
        "membership.gossip_fanout",
        "membership.suspicion_permille",
        "raft.heartbeat_interval",
        "raft.election_timeout_min",
        "raft.entries_per_append_max",
        "transport.message_bytes_max",
        "transport.idle_timeout",
        "control.proposals_max",
    ] {
        assert!(text.contains(key), "{key} not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_an_address_that_says_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let everywhere = ClusterNetworkManager::builder(([0, 0, 0, 0], 0).into())
        .home(site.home(1))
        .identity(site.authority.papers(1, CLUSTER).identity())
        .voters([NodeId(1)]);
    let node = everywhere.build().await.expect("a node");
    match node.start().await {
        Ok(()) => {
            let members = node.get_cluster_members().await.expect("it runs");
            let port = node.local_addr().expect("it listens").port();
            assert!(!members[0].address.ip().is_unspecified());
            assert_eq!(members[0].address.port(), port);
        }
        // This host has no route to anywhere.
        Err(error) => assert!(matches!(error, StartError::NoAddress { .. }), "{error}"),
    }
}

#[test]
fn papers_that_do_not_fit_are_refused() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let papers = ours.papers(1, CLUSTER);
    let parse = |ca: &str, certificate: &str, key: &str| {
        Identity::from_pem(ca.as_bytes(), certificate.as_bytes(), key.as_bytes())
    };
    let whole = parse(&papers.ca, &papers.certificate, &papers.key).expect("they fit");
    assert_eq!(whole.name().to_string(), format!("n1.{CLUSTER}.quorate"));
    assert!(!format!("{whole:?}").contains("PRIVATE"));

    let foreign = parse(
        &theirs.papers(1, CLUSTER).ca,
        &papers.certificate,
        &papers.key,
    );
    assert!(
        matches!(foreign, Err(IdentityError::Unusable { .. })),
        "{foreign:?}"
    );
    let stolen = parse(
        &papers.ca,
        &papers.certificate,
        &ours.papers(2, CLUSTER).key,
    );
    assert!(
        matches!(stolen, Err(IdentityError::Unusable { .. })),
        "{stolen:?}"
    );
    let swapped = parse(&papers.ca, &papers.key, &papers.certificate);
    assert!(
        matches!(swapped, Err(IdentityError::Pem { .. })),
        "{swapped:?}"
    );
    for names in [
        vec!["db.example.com".to_owned()],
        vec!["n1.a.quorate".to_owned(), "n2.a.quorate".to_owned()],
        vec!["one.a.quorate".to_owned()],
    ] {
        let papers = ours.papers_for(&names);
        let error = parse(&papers.ca, &papers.certificate, &papers.key);
        assert!(
            matches!(error, Err(IdentityError::Name { .. })),
            "{names:?}: {error:?}"
        );
    }
}

/// A disk in memory that fails, or holds its breath, when told to.
#[derive(Clone, Default)]
struct Moody {
    is_broken: Arc<AtomicBool>,
    is_stuck: Arc<AtomicBool>,
    relief: Arc<tokio::sync::Notify>,
}

impl Disk for Moody {
    fn name(&self) -> PathBuf {
        "moody disk".into()
    }

    fn load(&mut self) -> Pending<'_, Vec<Segment>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn resume(&mut self, _len: u64) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn write(&mut self, _write: Write) -> Pending<'_, ()> {
        Box::pin(async {
            if self.is_stuck.load(Ordering::SeqCst) {
                self.relief.notified().await;
            }
            if self.is_broken.load(Ordering::SeqCst) {
                return Err(io::Error::other("no more"));
            }
            Ok(())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_disk_halts_the_node_for_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let disk = Moody::default();
    let node = site.node(1, 1).disk(Box::new(disk.clone())).build().await;
    let node: ClusterNetworkManager = node.expect("a node");
    node.start().await.expect("it starts");
    leader(&node).await;
    node.propose(Command::Barrier).await.expect("applied");
    let mut events = node.subscribe_to_events();
    disk.is_broken.store(true, Ordering::SeqCst);
    let proposed = soon(
        &TokioSeam::default(),
        "a verdict",
        node.propose(Command::Barrier),
    )
    .await;
    let Err(Error::Halted { reason }) = proposed else {
        panic!("acknowledged after the disk failed: {proposed:?}");
    };
    assert!(
        reason.contains("moody disk") && reason.contains("no more"),
        "{reason}"
    );
    event::<TokioSeam, _>(&mut events, "the halt", |event| {
        matches!(event, ClusterEvent::Halted { .. }).then_some(())
    })
    .await;
    disk.is_broken.store(false, Ordering::SeqCst);
    assert!(matches!(node.status().await, Err(Error::Halted { .. })));
    node.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_at_once_fails_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let disk = Moody::default();
    disk.is_broken.store(true, Ordering::SeqCst);
    let node = site.node(1, 1).disk(Box::new(disk)).build().await;
    let node: ClusterNetworkManager = node.expect("a node");
    let error = node
        .start()
        .await
        .expect_err("the boot record is not durable");
    assert!(matches!(error, StartError::Halted { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_disk_is_reported_and_acknowledges_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let disk = Moody::default();
    let node = site.node(1, 1).disk(Box::new(disk.clone())).build().await;
    let node: ClusterNetworkManager = node.expect("a node");
    node.start().await.expect("it starts");
    leader(&node).await;
    let mut events = node.subscribe_to_events();
    disk.is_stuck.store(true, Ordering::SeqCst);
    let stalled = event::<TokioSeam, _>(&mut events, "the stall", |event| {
        matches!(event, ClusterEvent::DiskStalled).then_some(())
    });
    let proposal = node.propose(Command::Barrier);
    tokio::pin!(proposal);
    tokio::select! {
        () = stalled => {}
        answer = &mut proposal => panic!("acknowledged without a disk: {answer:?}"),
    }
    disk.is_stuck.store(false, Ordering::SeqCst);
    disk.relief.notify_one();
    soon(&TokioSeam::default(), "the answer", proposal)
        .await
        .expect("applied after all");
}
