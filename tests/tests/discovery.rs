//! Nodes that find their cluster by names and by announcements on the LAN, on both runtimes.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quorate_runtime::seam::Seam;
use quorate_runtime::{
    ClusterEvent, ClusterNetworkManager, Discovery, Multicast, NodeId, SeedName, State,
};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{CLUSTER, PATIENCE, Site, event, members};
use quorate_tokio::seam::TokioSeam;

/// A node that looks at `name` often.
fn looking(name: &str) -> Discovery {
    Discovery {
        seeds: vec![name.parse::<SeedName>().expect("a seed")],
        refresh: Duration::from_secs(1),
        multicast: None,
    }
}

/// An address of the loopback where nobody listens.
fn nowhere() -> SocketAddr {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("it is bound")
}

async fn a_name_is_looked_at_until_it_leads_somewhere<S: Seam>() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let first = site.started::<S>(1, 1).await;
    let there = first.local_addr().expect("it listens");

    // A name server that fails, then knows a dead address only, then a live one beside it.
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let answers = move |host: &str, port: u16| {
        assert_eq!((host, port), ("db-headless", 7000));
        match counter.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("no such name")),
            1 => Ok(Vec::new()),
            2 => Ok(vec![nowhere()]),
            _ => Ok(vec![nowhere(), there, there]),
        }
    };
    let builder = site.node::<S>(2, 1).discover(looking("db-headless:7000"));
    let second = builder.resolver(answers).build().await.expect("a node");
    let mut events = second.subscribe_to_events();
    second
        .start()
        .await
        .expect("an unresolved seed is not fatal");
    let unresolved = |event| {
        let ClusterEvent::SeedUnresolved { name, reason } = event else {
            return None;
        };
        Some((name.to_string(), reason))
    };
    let told = event::<S, _>(&mut events, "the name is not resolved", unresolved).await;
    assert_eq!(
        told,
        ("db-headless:7000".to_string(), "no such name".to_string())
    );
    for manager in [&first, &second] {
        members(manager, 2).await;
    }
    assert!(asked.load(Ordering::SeqCst) >= 4);
    for manager in [second, first] {
        manager.shutdown().await;
    }
}

async fn localhost_is_a_name_like_any_other<S: Seam>() {
    let directory = tempfile::tempdir().expect("a directory");
    let site = Site::new(directory.path());
    let first = site.started::<S>(1, 1).await;
    let port = first.local_addr().expect("it listens").port();
    let home = site.home(2);
    std::fs::create_dir_all(&home).expect("a directory");
    let file = format!("[discovery]\nseeds = [\"localhost:{port}\"]\n");
    std::fs::write(home.join("quorate.toml"), file).expect("written");
    let second = site.started::<S>(2, 1).await;
    for manager in [&first, &second] {
        members(manager, 2).await;
    }
    for manager in [second, first] {
        manager.shutdown().await;
    }
}

/// A group on the loopback that no other test uses.
fn group() -> Multicast {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = socket.local_addr().expect("it is bound").port();
    Multicast {
        group: (Ipv4Addr::new(239, 255, 81, 84), port).into(),
        interface: Some(Ipv4Addr::LOCALHOST),
        interval: Duration::from_millis(100),
    }
}

async fn announcing<S: Seam>(
    site: &Site,
    node: u64,
    group: &Multicast,
) -> ClusterNetworkManager<S> {
    let discovery = Discovery {
        multicast: Some(group.clone()),
        ..Discovery::default()
    };
    let builder = site.node::<S>(node, 1).discover(discovery);
    let manager = builder.build().await.expect("a node");
    manager.start().await.expect("it starts");
    manager
}

async fn nodes_of_a_lan_find_each_other<S: Seam>() {
    let directory = tempfile::tempdir().expect("a directory");
    let (site, group) = (Site::new(directory.path()), group());
    let mut all = Vec::new();
    for node in 1..=3 {
        all.push(announcing::<S>(&site, node, &group).await);
    }
    for manager in &all {
        members(manager, 3).await;
    }
    for manager in all {
        manager.shutdown().await;
    }
}

async fn a_forged_announcement_costs_a_refused_dial<S: Seam>() {
    let directory = tempfile::tempdir().expect("a directory");
    let (site, group) = (Site::new(directory.path()), group());
    let node = announcing::<S>(&site, 1, &group).await;
    let mut events = node.subscribe_to_events();

    // Another authority's node of the same cluster's name, where the forged announcement leads.
    let elsewhere = Site::new(&directory.path().join("elsewhere"));
    let stranger = elsewhere.started::<S>(9, 1).await;
    let port = stranger.local_addr().expect("it listens").port();
    let mut forged = b"Qrt1".to_vec();
    forged.extend_from_slice(&9_u64.to_le_bytes());
    forged.extend_from_slice(&port.to_le_bytes());
    forged.push(u8::try_from(CLUSTER.len()).expect("a short name"));
    forged.extend_from_slice(CLUSTER.as_bytes());
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    for bytes in [&b"garbage"[..], &forged[..14], &[0; 600], &forged] {
        let sent = socket.send_to(bytes, group.group).expect("sent");
        assert_eq!(sent, bytes.len());
    }
    let refused = |event| {
        let ClusterEvent::PeerRefused { address, .. } = event else {
            return None;
        };
        Some(address)
    };
    let address = event::<S, _>(&mut events, "a refused dial", refused).await;
    assert_eq!(address.port(), port);
    let known = node.get_cluster_members().await.expect("it runs");
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!((known[0].node, known[0].state), (NodeId(1), State::Alive));
    for manager in [stranger, node] {
        manager.shutdown().await;
    }
}

macro_rules! on_both {
    ($($test:ident: $tokio:ident, $smol:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $tokio() {
                tokio::time::timeout(PATIENCE, $test::<TokioSeam>()).await.expect("in time");
            }

            #[tokio::test]
            async fn $smol() {
                tokio::time::timeout(PATIENCE, $test::<SmolSeam>()).await.expect("in time");
            }
        )+
    };
}

on_both! {
    a_name_is_looked_at_until_it_leads_somewhere: names_on_tokio, names_on_smol;
    localhost_is_a_name_like_any_other: localhost_on_tokio, localhost_on_smol;
    nodes_of_a_lan_find_each_other: multicast_on_tokio, multicast_on_smol;
    a_forged_announcement_costs_a_refused_dial: forgery_on_tokio, forgery_on_smol;
}
