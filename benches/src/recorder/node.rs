//! A whole node on tokio: a single voter whose log is in memory, and a client with 64 proposals
//! under way.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use quorate_tokio::{
    ClusterNetworkManager, Disk, Identity, NodeId, Pending, Placement, Recording, Segment, Write,
    control, id,
};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Proposals under way.
const IN_FLIGHT: u64 = 64;
/// Bytes of a value.
const VALUE_BYTES: usize = 100;

/// What so many proposals took.
pub struct Took {
    /// By the clock.
    pub wall: Duration,
    /// Of the processors: client, driver and recorder together.
    pub processor: Duration,
}

/// A log that is durable at once.
struct Memory(Vec<Segment>);

impl Disk for Memory {
    fn name(&self) -> PathBuf {
        "memory".into()
    }

    fn load(&mut self) -> Pending<'_, Vec<Segment>> {
        let segments = self.0.clone();
        Box::pin(async { Ok::<_, io::Error>(segments) })
    }

    fn resume(&mut self, len: u64) -> Pending<'_, ()> {
        if let Some(last) = self.0.last_mut() {
            last.bytes
                .truncate(usize::try_from(len).unwrap_or(usize::MAX));
        }
        Box::pin(async { Ok(()) })
    }

    fn write(&mut self, write: Write) -> Pending<'_, ()> {
        write.perform(&mut self.0);
        Box::pin(async { Ok(()) })
    }
}

fn identity() -> Identity {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let names = ["n1.bench.quorate".to_string()];
    let mut params = CertificateParams::new(names).expect("names");
    params.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let (ca, chain, key) = (issuer.pem(), certificate.pem(), key.serialize_pem());
    Identity::from_pem(ca.as_bytes(), chain.as_bytes(), key.as_bytes()).expect("an identity")
}

/// Runs a node through so many proposals.
pub fn run(proposals: u64, is_recorded: bool) -> Took {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(propose(proposals, is_recorded))
}

async fn propose(proposals: u64, is_recorded: bool) -> Took {
    let directory = tempfile::tempdir().expect("a directory");
    let role = id::RoleName::new("primary").expect("a name");
    let mut builder = ClusterNetworkManager::builder(([127, 0, 0, 1], 0).into())
        .home(directory.path())
        .identity(identity())
        .voters([NodeId(1)])
        .role(role.clone(), Placement::Leader)
        .disk(Box::new(Memory(Vec::new())));
    if is_recorded {
        builder = builder.record(Recording::new(directory.path().join("recordings")));
    }
    let manager = builder.build().await.expect("a node");
    manager.start().await.expect("it starts");
    let epoch = loop {
        let state = manager.role(&role).await.expect("it runs");
        if let Some(state) = state.filter(|state| state.holder.is_some()) {
            break state.epoch;
        }
        tokio::task::yield_now().await;
    };
    let (begun, processor) = (Instant::now(), ProcessTime::now());
    let workers = (0..IN_FLIGHT).map(|worker| {
        let (manager, role) = (manager.clone(), role.clone());
        let value = quorate_tokio::Payload::from(vec![7; VALUE_BYTES]);
        tokio::spawn(async move {
            for _ in 0..proposals / IN_FLIGHT {
                let command = control::Command::Write {
                    role: role.clone(),
                    epoch,
                    key: format!("k{worker}"),
                    value: value.clone(),
                };
                let applied = manager.propose(command).await.expect("applied");
                applied.outcome.expect("written");
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    for worker in workers {
        worker.await.expect("done");
    }
    let took = Took {
        wall: begun.elapsed(),
        processor: processor.elapsed(),
    };
    manager.shutdown().await;
    took
}
