//! Certificates while a node runs: taken into force, refused, taken away.

use std::net::SocketAddr;

use quorate_runtime::seam::Seam;
use quorate_runtime::{
    ClusterEvent, ClusterNetworkManager, Error, Identity, NodeId, PeerRefusal, ReloadError,
};
use quorate_smol::SmolSeam;
use quorate_tests::cluster::{CLUSTER, Site, event, soon};
use quorate_tests::pki::{Authority, Papers};
use quorate_tokio::seam::TokioSeam;

/// Two nodes with papers of the same authority, connected.
struct Two<S: Seam> {
    a: ClusterNetworkManager<S>,
    b: ClusterNetworkManager<S>,
    address: SocketAddr,
    site: Site,
    _directory: tempfile::TempDir,
}

impl<S: Seam> Two<S> {
    async fn new() -> Two<S> {
        let directory = tempfile::tempdir().expect("a directory");
        let site = Site::new(directory.path());
        let (a, b) = (site.started(1, 1).await, site.started(2, 1).await);
        let address = b.local_addr().expect("it listens");
        let two = Two {
            a,
            b,
            address,
            site,
            _directory: directory,
        };
        two.say("hello").await.expect("they trust each other");
        two
    }

    async fn say(&self, text: &str) -> Result<(), Error> {
        let sent = self.a.send_message(NodeId(2), self.address, text);
        soon(&S::default(), "send", sent).await
    }

    async fn end(self) {
        self.a.shutdown().await;
        self.b.shutdown().await;
    }
}

/// The papers of one authority with the certificates of several.
fn trusting(papers: &Papers, authorities: &[&Papers]) -> Identity {
    let ca: String = authorities
        .iter()
        .map(|papers| papers.ca.as_str())
        .collect();
    let papers = Papers {
        ca,
        ..papers.clone()
    };
    papers.identity()
}

async fn refused<S: Seam>(manager: &ClusterNetworkManager<S>, cause: impl FnOnce()) -> PeerRefusal {
    let mut events = manager.subscribe_to_events();
    cause();
    let reason = |event| {
        if let ClusterEvent::PeerRefused { reason, .. } = event {
            return Some(reason);
        }
        None
    };
    event::<S, _>(&mut events, "a refusal", reason).await
}

async fn authorities_change_without_a_pause<S: Seam>() {
    let two = Two::<S>::new().await;
    let (old, new) = (&two.site.authority, Authority::new("the next authority"));
    let old_papers = [old.papers(1, CLUSTER), old.papers(2, CLUSTER)];
    let new_papers = [new.papers(1, CLUSTER), new.papers(2, CLUSTER)];
    let nodes = [&two.a, &two.b];
    let take = |papers: &[Papers; 2], authorities: &[&Papers]| {
        for (node, papers) in nodes.iter().zip(papers) {
            let identity = trusting(papers, authorities);
            node.reload_identity(&identity).expect("in order");
        }
    };
    let (one, other) = (&old_papers[0], &new_papers[0]);
    take(&old_papers, &[one, other]);
    two.say("both are trusted").await.expect("still connected");
    take(&new_papers, &[one, other]);
    two.say("new certificates").await.expect("still connected");
    // The connection was made with old certificates: it ends with their authority, and the next
    // one is made with new ones.
    take(&new_papers, &[other]);
    two.say("the old authority is gone")
        .await
        .expect("connected again");
    assert_eq!(two.a.get_all_metrics().dropped, 0);
    two.end().await;
}

async fn who_is_not_let_in_any_more_is_turned_out<S: Seam>() {
    let two = Two::<S>::new().await;
    let papers = two.site.authority.papers(2, CLUSTER);
    let wary = papers.identity().allow_only([NodeId(2), NodeId(3)]);
    let reason = refused(&two.b, || two.b.reload_identity(&wary).expect("in order")).await;
    assert_eq!(reason, PeerRefusal::NotAllowed { node: NodeId(1) });
    two.b.reload_identity(&papers.identity()).expect("in order");
    two.say("welcome back").await.expect("let in again");
    two.end().await;
}

async fn what_is_wrong_changes_nothing<S: Seam>() {
    let two = Two::<S>::new().await;
    let stranger = two.site.authority.papers(3, CLUSTER).identity();
    let wrong = two.a.reload_identity(&stranger);
    assert!(matches!(wrong, Err(ReloadError::WrongName { .. })));
    // Files that do not go together make no identity in the first place.
    let (mine, yours) = (
        two.site.authority.papers(1, CLUSTER),
        two.site.authority.papers(1, CLUSTER),
    );
    let parts = (mine.ca.as_bytes(), mine.certificate.as_bytes());
    assert!(Identity::from_pem(parts.0, parts.1, yours.key.as_bytes()).is_err());
    assert!(Identity::from_pem(parts.0, &parts.1[..50], mine.key.as_bytes()).is_err());
    two.say("as before").await.expect("still connected");
    let left = two.a.get_all_metrics().certificate_left;
    assert!(left.is_some_and(|left| left.as_secs() > 3600));
    two.end().await;
}

macro_rules! on_both {
    ($($test:ident => $tokio:ident, $smol:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $tokio() {
                $test::<TokioSeam>().await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn $smol() {
                $test::<SmolSeam>().await;
            }
        )+
    };
}

on_both! {
    authorities_change_without_a_pause => authorities_on_tokio, authorities_on_smol;
    who_is_not_let_in_any_more_is_turned_out => turned_out_on_tokio, turned_out_on_smol;
    what_is_wrong_changes_nothing => nothing_on_tokio, nothing_on_smol;
}
