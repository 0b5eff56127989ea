//! Clusters of real nodes on loopback: they join, elect, agree, talk, and go on when one of them is
//! gone.

use std::time::Duration;

use quorate_runtime::seam::Seam;
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{Site, event, leader, members, soon};
use quorate_tokio::control::{Command, Effect};
use quorate_tokio::id::{ClientId, RequestId, RoleName};
use quorate_tokio::seam::TokioSeam;
use quorate_tokio::{
    ClusterEvent, ClusterNetworkManager, Error, MessagePriority, NodeId, Placement, Request,
};

type Tokio = quorate_runtime::ClusterNetworkManager<TokioSeam>;

fn primary() -> RoleName {
    RoleName::new("primary").expect("a name")
}

/// A node with the role `primary`, started and joined through the first one.
async fn member<S: Seam>(
    site: &Site,
    node: u64,
    seeds: &[std::net::SocketAddr],
) -> quorate_runtime::ClusterNetworkManager<S> {
    let builder = site.node::<S>(node, 3).role(primary(), Placement::Leader);
    let manager = builder.build().await.expect("a node");
    manager.start().await.expect("it starts");
    if !seeds.is_empty() {
        let joined = soon(&S::default(), "join", manager.join_cluster(seeds.to_vec())).await;
        joined.expect("a member answered");
    }
    manager
}

async fn three(site: &Site) -> [Tokio; 3] {
    let first = member::<TokioSeam>(site, 1, &[]).await;
    let seed = [first.local_addr().expect("it listens")];
    let second = member(site, 2, &seed).await;
    let third = member(site, 3, &seed).await;
    let all = [first, second, third];
    for manager in &all {
        members(manager, 3).await;
        leader(manager).await;
    }
    all
}

/// The role's holder writes a register under its epoch; whoever is asked forwards it to the leader.
async fn write<S: Seam>(
    manager: &quorate_runtime::ClusterNetworkManager<S>,
    key: &str,
    value: &str,
) {
    let mut events = manager.subscribe_to_events();
    let holder = async {
        loop {
            if let Ok(Some(state)) = manager.role(&primary()).await
                && state.holder.is_some()
            {
                return state;
            }
            let _anything = events.next().await;
        }
    };
    let state = soon(&S::default(), "the role is held", holder).await;
    let command = Command::Write {
        role: primary(),
        epoch: state.epoch,
        key: key.into(),
        value: value.as_bytes().to_vec().into(),
    };
    let applied = soon(&S::default(), "write", manager.propose(command))
        .await
        .expect("applied");
    assert!(
        matches!(applied.outcome, Ok(Effect::Written { .. })),
        "{:?}",
        applied.outcome
    );
}

/// What a register holds once everything decided before is applied here.
async fn read<S: Seam>(manager: &quorate_runtime::ClusterNetworkManager<S>, key: &str) -> Vec<u8> {
    let barrier = soon(&S::default(), "barrier", manager.propose(Command::Barrier)).await;
    barrier.expect("applied");
    manager
        .read(key)
        .await
        .expect("it runs")
        .expect("written")
        .value
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_agree_and_survive_the_loss_of_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = three(&Site::new(directory.path())).await;
    assert!(all[0].has_quorum().await.expect("it runs"));
    write(&all[1], "city", "Utrecht").await;
    for manager in &all {
        let latest = soon(&TokioSeam::default(), "read", manager.read_latest("city")).await;
        let register = latest.expect("confirmed").expect("written");
        assert_eq!(&*register.value, b"Utrecht");
        assert_eq!(read(manager, "city").await, b"Utrecht");
    }
    let first = leader(&all[0]).await;
    let request = Request {
        role: Some(primary()),
    };
    let chosen = all[2].pick(&request).expect("the role is held");
    assert!(chosen.epoch.is_some());

    let (gone, left): (Vec<&Tokio>, Vec<&Tokio>) =
        all.iter().partition(|manager| manager.name().node == first);
    let mut events = left[0].subscribe_to_events();
    gone[0].shutdown().await;
    let next = event::<TokioSeam, _>(&mut events, "another leader", |event| {
        if let ClusterEvent::LeaderChanged {
            leader: Some(leader),
            ..
        } = event
        {
            return (leader != first).then_some(leader);
        }
        None
    });
    assert_ne!(next.await, first);
    event::<TokioSeam, _>(&mut events, "its death", |event| {
        matches!(event, ClusterEvent::Died { peer, .. } if peer.node == first).then_some(())
    })
    .await;
    write(left[0], "city", "Delft").await;
    assert_eq!(read(left[1], "city").await, b"Delft");
    for manager in left {
        manager.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_proposal_takes_effect_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = three(&Site::new(directory.path())).await;
    write(&all[0], "count", "0").await;
    let epoch = all[0]
        .role(&primary())
        .await
        .expect("it runs")
        .expect("granted")
        .epoch;
    let command = || Command::Write {
        role: primary(),
        epoch,
        key: "count".into(),
        value: b"1".to_vec().into(),
    };
    let (client, request) = (ClientId(7), RequestId(1));
    let first = all[1]
        .propose_as(client, request, command())
        .await
        .expect("applied");
    let again = all[2]
        .propose_as(client, request, command())
        .await
        .expect("applied");
    assert_eq!(first.outcome, again.outcome);
    all[0].propose(Command::Barrier).await.expect("applied");
    assert_eq!(
        all[0]
            .read("count")
            .await
            .expect("it runs")
            .expect("written")
            .version,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_exchange_messages_and_requests() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = three(&Site::new(directory.path())).await;
    let address = all[1].local_addr().expect("it listens");
    for number in 0..100_u32 {
        let sent = all[0].send_message(NodeId(2), address, number.to_le_bytes());
        soon(&TokioSeam::default(), "send", sent)
            .await
            .expect("confirmed");
    }
    let messages = all[1].messages();
    for number in 0..100_u32 {
        let incoming = soon(&TokioSeam::default(), "message", messages.next()).await;
        let incoming = incoming.expect("it runs");
        assert_eq!(
            (incoming.from, &*incoming.payload),
            (NodeId(1), &number.to_le_bytes()[..])
        );
        assert!(incoming.reply.is_none());
    }
    let host = tokio::spawn(async move {
        while let Some(incoming) = messages.next().await {
            match (incoming.reply, &*incoming.payload) {
                (Some(reply), b"ignore me") => drop(reply),
                (Some(reply), payload) => reply.send(&[payload, b"!"].concat()).expect("queued"),
                (None, _) => {}
            }
        }
    });
    let ask = |text: &'static str| {
        all[2].request(
            NodeId(2),
            text,
            MessagePriority::High,
            Duration::from_secs(20),
        )
    };
    assert_eq!(ask("hello").await.expect("a reply").to_vec(), b"hello!");
    assert_eq!(
        ask("ignore me").await,
        Err(Error::Unanswered { target: NodeId(2) })
    );
    let target = NodeId(2);
    let sent = all[0].send_message(target, address, vec![0; 3 << 20]).await;
    assert_eq!(sent, Ok(()), "a long message goes over a stream");
    let long = vec![0; (64 << 20) + 1];
    let refused = all[0]
        .send_message(target, address, long)
        .await
        .expect_err("too long");
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    // A host can also talk to itself.
    let own = all[1].request(
        target,
        "own",
        MessagePriority::Normal,
        Duration::from_secs(20),
    );
    assert_eq!(own.await.expect("a reply").to_vec(), b"own!");
    all[1].shutdown().await;
    soon(&TokioSeam::default(), "the queue ends", host)
        .await
        .expect("no panic");
    let dead = all[0].request(
        target,
        "x",
        MessagePriority::Normal,
        Duration::from_millis(300),
    );
    assert!(dead.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_takes_nothing_pushes_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let sender: ClusterNetworkManager = site.started(1, 1).await;
    let sleeper: ClusterNetworkManager = site.started(2, 1).await;
    let (target, address) = (NodeId(2), sleeper.local_addr().expect("it listens"));
    let payload = vec![0; 60 * 1024];
    let sent = sender.send_message(target, address, &payload);
    soon(&TokioSeam::default(), "send", sent)
        .await
        .expect("there is room");
    let mut accepted: u32 = 1;
    // What finds no room on the way waits for acknowledgements; what the host owes, for the host.
    let refused = loop {
        match sender.try_send_message(target, MessagePriority::Normal, &payload) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 10_000, "the inbox has no bound");
    };
    assert_eq!(refused, Error::Backlog { target });
    // Whoever waits waits; another class is not concerned.
    let waiting = sender.send_message(target, address, &payload);
    let limit = Duration::from_millis(200);
    let still = TokioSeam::default().within(limit, waiting).await;
    assert_eq!(still, None);
    let (class, other) = (MessagePriority::High, vec![b"urgent".to_vec()]);
    let sent = sender.send_messages(target, address, class, &other);
    soon(&TokioSeam::default(), "send", sent)
        .await
        .expect("another class");
    // Nothing that was accepted is lost, and there is room again.
    let messages = sleeper.messages();
    let mut lens = Vec::new();
    for _ in 0..=accepted {
        let incoming = soon(&TokioSeam::default(), "message", messages.next()).await;
        lens.push(incoming.expect("it runs").payload.len());
    }
    let long = lens.iter().filter(|len| **len == payload.len());
    assert_eq!(long.count(), accepted as usize);
    let sent = sender.send_message(target, address, "at last");
    soon(&TokioSeam::default(), "send", sent)
        .await
        .expect("confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_go_round_the_live_nodes() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = three(&Site::new(directory.path())).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let target = all[0]
            .route_query("select 1", MessagePriority::Normal)
            .await;
        seen.insert(target.expect("three are alive"));
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_tokio_and_on_smol_form_one_cluster() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let first = member::<TokioSeam>(&site, 1, &[]).await;
    let seed = [first.local_addr().expect("it listens")];
    let second = member::<SmolSeam>(&site, 2, &seed).await;
    let third = member::<SmolSeam>(&site, 3, &seed).await;
    members(&first, 3).await;
    members(&second, 3).await;
    members(&third, 3).await;
    assert_eq!(leader(&first).await, leader(&second).await);
    write(&second, "spoken", "by smol").await;
    assert_eq!(read(&first, "spoken").await, b"by smol");
    let messages = second.messages();
    let sent = first.send_message(NodeId(2), second.local_addr().expect("it listens"), "hi");
    soon(&TokioSeam::default(), "send", sent)
        .await
        .expect("confirmed");
    let incoming = soon(&SmolSeam::default(), "message", messages.next()).await;
    assert_eq!(incoming.expect("it runs").payload.to_vec(), b"hi");
    second.shutdown().await;
    third.shutdown().await;
    first.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_not_taken_for_dead() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = three(&Site::new(directory.path())).await;
    let mut events = all[0].subscribe_to_events();
    soon(&TokioSeam::default(), "leave", all[2].leave())
        .await
        .expect("spread");
    all[2].shutdown().await;
    let how = event::<TokioSeam, _>(&mut events, "its leave", |event| {
        if let ClusterEvent::Left { peer } = event {
            return (peer.node == NodeId(3)).then_some("left");
        }
        matches!(event, ClusterEvent::Died { .. }).then_some("died")
    });
    assert_eq!(how.await, "left");
    assert_eq!(all[0].get_alive_members().await.expect("it runs").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_learns_how_much_it_missed() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let node: ClusterNetworkManager = site.started(1, 1).await;
    let mut slow = node.subscribe_to_events();
    let mut quick = node.subscribe_to_events();
    let address = node.local_addr().expect("it listens");
    let mut seen: u64 = 0;
    // Each knock without TLS makes one event; nobody takes them from the slow subscriber.
    while seen < 1500 {
        let knocks = std::thread::spawn(move || {
            for _ in 0..50 {
                use std::io::{Read, Write};
                let mut socket = std::net::TcpStream::connect(address).expect("it listens");
                let _hung_up = socket.write_all(b"GET / HTTP/1.0\r\n\r\n");
                let _until_hung_up = socket.read_to_end(&mut Vec::new());
            }
        });
        let refused = |event| matches!(event, ClusterEvent::PeerRefused { .. }).then_some(());
        for _ in 0..50 {
            event::<TokioSeam, _>(&mut quick, "a refusal", refused).await;
        }
        knocks.join().expect("no panic");
        seen += 50;
    }
    let first = soon(&TokioSeam::default(), "an event", slow.next())
        .await
        .expect("it runs");
    let missed = first.expect_err("it is far behind");
    assert!(missed.count >= 1500 - 1024, "{missed}");
    assert!(slow.next().await.expect("it runs").is_ok());
}
