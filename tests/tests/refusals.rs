//! Who is not let in, and what a node does about nonsense: it refuses with a reason, and goes on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use quorate_tests::cluster::{CLUSTER, Site, event, leader, soon};
use quorate_tests::pki::{Authority, Papers};
use quorate_tests::stranger::Stranger;
use quorate_tokio::control::Command;
use quorate_tokio::core::time::Time;
use quorate_tokio::core::transport::{
    CloseReason, Hello, Link, LinkFault, Session, Unacknowledged, VersionRange,
};
use quorate_tokio::core::wire::DecodeError;
use quorate_tokio::id::ClusterId;
use quorate_tokio::seam::TokioSeam;
use quorate_tokio::{
    ClusterEvent, ClusterNetworkManager, Config, Error, MessagePriority, NodeId, Payload, Peer,
    PeerRefusal, Refusal,
};
use tempfile::TempDir;

/// A node that is its own cluster, and the door strangers knock at.
struct Fortress {
    _directory: TempDir,
    site: Site,
    node: ClusterNetworkManager,
    address: SocketAddr,
}

impl Fortress {
    async fn new() -> Fortress {
        Fortress::patient(Duration::from_secs(2)).await
    }

    /// One that waits so long for strangers to say who they are.
    async fn patient(hello_timeout: Duration) -> Fortress {
        let directory = tempfile::tempdir().expect("a directory");
        let site = Site::new(directory.path());
        let node = site.node(1, 1).configure(move |config| {
            config.transport.hello_timeout = hello_timeout;
        });
        let node: ClusterNetworkManager = node.build().await.expect("a node");
        node.start().await.expect("it starts");
        assert_eq!(leader(&node).await, NodeId(1));
        let address = node.local_addr().expect("it listens");
        Fortress {
            _directory: directory,
            site,
            node,
            address,
        }
    }

    /// Lets a stranger do something, and returns why the node refused it. The node must go on.
    async fn refusal_of(
        &self,
        act: impl FnOnce(SocketAddr) -> io::Result<()> + Send + 'static,
    ) -> PeerRefusal {
        let mut events = self.node.subscribe_to_events();
        let address = self.address;
        let acting = tokio::task::spawn_blocking(move || act(address));
        let reason = event::<TokioSeam, _>(&mut events, "a refusal", refused);
        let reason = reason.await;
        let acted = soon(&TokioSeam::default(), "the stranger", acting).await;
        acted
            .expect("no panic")
            .expect("the stranger did what it came for");
        let barrier = self.node.propose(Command::Barrier);
        let barrier = soon(&TokioSeam::default(), "barrier", barrier).await;
        barrier.expect("the node goes on");
        reason
    }
}

fn refused(event: ClusterEvent) -> Option<PeerRefusal> {
    if let ClusterEvent::PeerRefused { reason, .. } = event {
        Some(reason)
    } else {
        None
    }
}

/// Knocks with some papers and waits to be turned away.
fn knock(papers: Option<Papers>) -> impl FnOnce(SocketAddr) -> io::Result<()> + Send {
    move |address| {
        // In TLS 1.3 the client is done before the server judges it, so the refusal may come while
        // connecting or later.
        let Ok(mut stranger) = Stranger::connect(address, papers.as_ref()) else {
            return Ok(());
        };
        if stranger.is_hung_up_on() {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

/// Knocks with proper papers, says something, and waits to be hung up on.
fn talk(papers: Papers, bytes: Vec<u8>) -> impl FnOnce(SocketAddr) -> io::Result<()> + Send {
    move |address| {
        let mut stranger = Stranger::connect(address, Some(&papers))?;
        let _hung_up_already = stranger.say(&bytes);
        if stranger.is_hung_up_on() {
            Ok(())
        } else {
            Err(io::ErrorKind::TimedOut.into())
        }
    }
}

/// A link that introduces itself as `node`, whoever holds the connection.
fn link_of(node: u64, cluster: &str) -> (Link, Session) {
    let cluster = ClusterId::new(cluster).expect("a name");
    let address = ([127, 0, 0, 1], 9).into();
    let hello = Hello {
        versions: VersionRange::OURS,
        cluster: cluster.clone(),
        peer: Peer {
            node: NodeId(node),
            boot: 1,
        },
        address,
    };
    let config = Config::lan(cluster, NodeId(node), address).transport;
    let session = Session::new(config.clone());
    (Link::new(config, hello, None, Time::ZERO), session)
}

/// Everything that a link has to say.
fn said(link: &mut Link, session: &mut Session) -> Vec<u8> {
    let (mut bytes, mut memory) = (Vec::new(), Vec::new());
    while link.transmit(Time::ZERO, session, &mut memory, |it| bytes.extend(it)) > 0 {}
    bytes
}

fn hello_of(node: u64, cluster: &str) -> Vec<u8> {
    let (mut link, mut session) = link_of(node, cluster);
    said(&mut link, &mut session)
}

/// A hello of `node`, followed by one frame.
fn hello_and(node: u64, frame: Unacknowledged) -> Vec<u8> {
    hello_and_all(node, [frame])
}

fn hello_and_all<const N: usize>(node: u64, frames: [Unacknowledged; N]) -> Vec<u8> {
    let (mut here, mut session) = link_of(node, CLUSTER);
    let mut bytes = said(&mut here, &mut session);
    let answer = hello_of(1, CLUSTER);
    here.receive(Time::ZERO, &answer, &mut session, &mut |_| {});
    for frame in frames {
        here.submit(MessagePriority::Normal, frame)
            .expect("it is up");
    }
    bytes.extend(said(&mut here, &mut session));
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_for_a_reason() {
    let fortress = Fortress::new().await;
    let ours = &fortress.site.authority;
    assert_eq!(
        fortress.refusal_of(knock(None)).await,
        PeerRefusal::NoCertificate
    );

    let foreign = Authority::new("another authority").papers(2, CLUSTER);
    assert_eq!(
        fortress.refusal_of(knock(Some(foreign))).await,
        PeerRefusal::UnknownAuthority
    );
    // An impostor that calls itself as the real authority does is no better.
    let impostor = Authority::new("test authority").papers(2, CLUSTER);
    assert_eq!(
        fortress.refusal_of(knock(Some(impostor))).await,
        PeerRefusal::UnknownAuthority
    );

    let elsewhere = ours.papers(2, "elsewhere");
    let (one, other) = (ClusterId::new(CLUSTER), ClusterId::new("elsewhere"));
    let expected = PeerRefusal::WrongCluster {
        ours: one.expect("a name"),
        theirs: other.expect("a name"),
    };
    assert_eq!(fortress.refusal_of(knock(Some(elsewhere))).await, expected);

    let nobody = ours.papers_for(&["db.example.com".into()]);
    let refused = fortress.refusal_of(knock(Some(nobody))).await;
    assert!(matches!(refused, PeerRefusal::NoName(_)), "{refused}");

    let twin = ours.papers(1, CLUSTER);
    let refused = fortress.refusal_of(knock(Some(twin))).await;
    assert_eq!(refused, PeerRefusal::OurOwnId { node: NodeId(1) });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_must_introduce_itself_as_its_certificate_says() {
    let fortress = Fortress::new().await;
    let papers = fortress.site.authority.papers(7, CLUSTER);
    let (expected, found) = (NodeId(7), NodeId(2));
    let refused = fortress
        .refusal_of(talk(papers.clone(), hello_of(2, CLUSTER)))
        .await;
    assert_eq!(refused, PeerRefusal::WrongNode { expected, found });
    let refused = fortress
        .refusal_of(talk(papers.clone(), hello_of(7, "elsewhere")))
        .await;
    assert!(
        matches!(refused, PeerRefusal::WrongCluster { .. }),
        "{refused}"
    );
    assert_eq!(
        fortress.refusal_of(talk(papers, Vec::new())).await,
        PeerRefusal::NoHello
    );
}

fn fault(refusal: &PeerRefusal) -> Option<LinkFault> {
    let PeerRefusal::Protocol(CloseReason::Fault(fault)) = refusal else {
        panic!("another refusal: {refusal}");
    };
    Some(*fault)
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_ends_the_connection_and_nothing_else() {
    let fortress = Fortress::new().await;
    let papers = fortress.site.authority.papers(7, CLUSTER);
    // Bytes that are not even TLS.
    let plain = fortress.refusal_of(|address| {
        use std::io::{Read, Write};
        let mut socket = std::net::TcpStream::connect(address)?;
        socket.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        socket.read_to_end(&mut Vec::new()).map(drop)
    });
    assert!(matches!(plain.await, PeerRefusal::Tls(_)));

    // Pseudo-random bytes instead of a hello, and behind one.
    let mut word = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = move || {
        let mut bytes = vec![0xFF];
        bytes.resize_with(4000, || {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            word.to_be_bytes()[0]
        });
        bytes
    };
    for _ in 0..10 {
        let refused = fortress.refusal_of(talk(papers.clone(), noise())).await;
        assert!(fault(&refused).is_some());
    }
    for _ in 0..10 {
        let bytes = [hello_of(7, CLUSTER), noise()].concat();
        let refused = fortress.refusal_of(talk(papers.clone(), bytes)).await;
        assert!(fault(&refused).is_some());
    }

    // A frame longer than allowed, refused by its header.
    let body = Payload::copy_from(b"x");
    let mut bytes = hello_and(7, Unacknowledged::Datagram { body });
    let length = bytes.len() - 13;
    bytes[length..length + 2].copy_from_slice(&16_369u16.to_le_bytes());
    let refused = fortress.refusal_of(talk(papers.clone(), bytes)).await;
    assert_eq!(fault(&refused), Some(LinkFault::Oversized));

    // A message of a later version is no fault; one of a known type whose body is none is.
    let frames = [250, 0x10].map(|code| Unacknowledged::Node {
        code,
        body: Payload::copy_from(b"?"),
    });
    let refused = fortress
        .refusal_of(talk(papers.clone(), hello_and_all(7, frames)))
        .await;
    let malformed = PeerRefusal::Undecodable(DecodeError::Malformed);
    assert_eq!(refused, malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_and_then_nothing_is_a_death() {
    let fortress = Fortress::new().await;
    let papers = fortress.site.authority.papers(7, CLUSTER);
    // Half a frame and then nothing is no fault: the peer just died.
    let bytes = hello_and(
        7,
        Unacknowledged::Datagram {
            body: Payload::copy_from(b"never complete"),
        },
    );
    let mut events = fortress.node.subscribe_to_events();
    let address = fortress.address;
    tokio::task::spawn_blocking(move || {
        let mut stranger = Stranger::connect(address, Some(&papers)).expect("proper papers");
        stranger.say(&bytes[..bytes.len() - 5]).expect("it listens");
    });
    event::<TokioSeam, _>(&mut events, "its end", |event| {
        matches!(event, ClusterEvent::Disconnected { peer } if peer.node == NodeId(7)).then_some(())
    })
    .await;
    fortress
        .node
        .propose(Command::Barrier)
        .await
        .expect("the node goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_to_the_wrong_node_or_cluster_says_so() {
    let fortress = Fortress::new().await;
    let mut events = fortress.node.subscribe_to_events();
    let other: ClusterNetworkManager = fortress.site.started(2, 1).await;
    let address = other.local_addr().expect("it listens");
    let wrong = fortress
        .node
        .send_message(NodeId(3), address, "for n3")
        .await;
    assert_eq!(
        wrong,
        Err(Error::Unreachable {
            target: NodeId(3),
            address: Some(address)
        })
    );
    let (expected, found) = (NodeId(3), NodeId(2));
    assert_eq!(
        event::<TokioSeam, _>(&mut events, "a refusal", refused).await,
        PeerRefusal::WrongNode { expected, found }
    );

    let papers = fortress.site.authority.papers(3, "elsewhere");
    let foreigner = ClusterNetworkManager::builder(([127, 0, 0, 1], 0).into())
        .home(fortress.site.home(3))
        .identity(papers.identity())
        .configure(|config| {
            config.voters = vec![NodeId(3)];
            config.membership.join_timeout = Duration::from_secs(1);
        });
    let foreigner = foreigner.build().await.expect("a node");
    foreigner.start().await.expect("it starts");
    let mut events = foreigner.subscribe_to_events();
    let joined = foreigner.join_cluster(vec![fortress.address]).await;
    assert!(
        matches!(joined, Err(Error::Refused(Refusal::NobodyAnswered { .. }))),
        "{joined:?}"
    );
    let reason = event::<TokioSeam, _>(&mut events, "a refusal", refused).await;
    assert!(
        matches!(reason, PeerRefusal::WrongCluster { .. }),
        "{reason}"
    );
}

/// Connects from an address of the loopback and says nothing.
fn lurk(from: [u8; 4], at: SocketAddr) -> io::Result<socket2::Socket> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&at.into())?;
    Ok(socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_from_one_address_locks_nobody_else_out() {
    // None of the first may give way to a later one before all have come.
    let fortress = Fortress::patient(Duration::from_secs(60)).await;
    let at = fortress.address;
    let mut events = fortress.node.subscribe_to_events();
    let storm = tokio::task::spawn_blocking(move || -> io::Result<Vec<_>> {
        (0..300).map(|_| lurk([127, 0, 0, 2], at)).collect()
    });
    let lurkers = storm.await.expect("no panic").expect("it listens");
    let reason = event::<TokioSeam, _>(&mut events, "a refusal", refused).await;
    assert_eq!(reason, PeerRefusal::TooManyHandshakesOfAddress(32));
    // Another address is let in meanwhile: its refusal is about its papers.
    let of_another = |event| {
        if let ClusterEvent::PeerRefused { reason, address } = event {
            (address.ip() != IpAddr::from([127, 0, 0, 2])).then_some(reason)
        } else {
            None
        }
    };
    let knocking = tokio::task::spawn_blocking(move || knock(None)(at));
    let reason = event::<TokioSeam, _>(&mut events, "another refusal", of_another).await;
    assert_eq!(reason, PeerRefusal::NoCertificate);
    knocking
        .await
        .expect("no panic")
        .expect("it was turned away");
    // Nobody waits at the door for ever, and all that were dropped are counted.
    let metrics = fortress.node.get_all_metrics();
    assert_eq!(metrics.turned_away, 300 - 32);
    drop(lurkers);
}
