//! A whole node on tokio: a single voter, and clients that wait for each proposal before the next.

use std::path::Path;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use quorate_tokio::{
    ClusterNetworkManager, Disk, Identity, NodeId, Placement, Recording, control, id,
};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// What a node is put to.
pub struct Work {
    /// All in all.
    pub proposals: u64,
    /// Proposals under way.
    pub clients: u64,
    /// Of each value.
    pub value_bytes: usize,
    /// Whether the flight recorder runs.
    pub is_recorded: bool,
}

/// What that took.
pub struct Took {
    /// By the clock.
    pub wall: Duration,
    /// Of the processors: client, driver and recorder together.
    pub processor: Duration,
    /// Of each proposal, by the clock.
    pub each: Vec<Duration>,
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

/// Runs a node with that home and log through it. `begun` is called before the first proposal.
pub fn run(work: &Work, home: &Path, disk: Box<dyn Disk>, begun: impl FnOnce()) -> Took {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(propose(work, home, disk, begun))
}

async fn propose(work: &Work, home: &Path, disk: Box<dyn Disk>, begun: impl FnOnce()) -> Took {
    let role = id::RoleName::new("primary").expect("a name");
    let mut builder = ClusterNetworkManager::builder(([127, 0, 0, 1], 0).into())
        .home(home)
        .identity(identity())
        .voters([NodeId(1)])
        .role(role.clone(), Placement::Leader)
        .disk(disk);
    if work.is_recorded {
        builder = builder.record(Recording::new(home.join("recordings")));
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
    begun();
    let (begun, processor) = (Instant::now(), ProcessTime::now());
    let workers = (0..work.clients).map(|worker| {
        let (manager, role) = (manager.clone(), role.clone());
        let value = quorate_tokio::Payload::from(vec![7; work.value_bytes]);
        let count = work.proposals / work.clients;
        tokio::spawn(async move {
            let mut each = Vec::new();
            for _ in 0..count {
                let command = control::Command::Write {
                    role: role.clone(),
                    epoch,
                    key: format!("k{worker}"),
                    value: value.clone(),
                };
                let asked = Instant::now();
                let applied = manager.propose(command).await.expect("applied");
                applied.outcome.expect("written");
                each.push(asked.elapsed());
            }
            each
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut each = Vec::new();
    for worker in workers {
        each.extend(worker.await.expect("done"));
    }
    let took = Took {
        wall: begun.elapsed(),
        processor: processor.elapsed(),
        each,
    };
    manager.shutdown().await;
    took
}
