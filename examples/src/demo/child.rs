//! One node: a process of its own that serves writes while it holds the role, reports what it sees
//! and takes orders.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use quorate_tokio::id::{ClientId, Epoch, RequestId, RoleName};
use quorate_tokio::{
    ClusterEvent, ClusterNetworkManager, DiskError, Events, Identity, Incoming, NodeId, Placement,
    Recording, Role, RoleSpec, StartError, control,
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::talk::{Order, Report, Write, Written};

/// From one look at the node's standing to the next.
const LOOK: Duration = Duration::from_millis(20);

/// How a node is started; the demo starts its nodes itself.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    /// The directory of its certificate, key and log.
    #[arg(long)]
    home: PathBuf,
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// The voters are numbered from 1 to this.
    #[arg(long)]
    voters: u64,
    /// Where the others listen.
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<SocketAddr>,
    /// Where its life is recorded.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Should its log be damaged: give it up, and be rebuilt from the others.
    #[arg(long)]
    rebuild: bool,
}

/// Why a node did not start.
pub(crate) enum Trouble {
    /// Somebody else listens on its port.
    PortBusy,
    /// Its log is damaged.
    Damaged(String),
    /// Anything else.
    Other(String),
}

/// The role of the demo.
pub(crate) fn primary() -> RoleName {
    RoleName::new("primary").unwrap_or_else(|_| unreachable!("the name is well formed"))
}

/// Starts a node of the demo.
///
/// # Errors
/// [`Trouble`] says why it does not run.
pub(crate) async fn start(
    home: &Path,
    listen: SocketAddr,
    voters: u64,
    record: Option<PathBuf>,
) -> Result<ClusterNetworkManager, Trouble> {
    let identity = Identity::load(home).map_err(|error| Trouble::Other(error.to_string()))?;
    let role = RoleSpec {
        name: primary(),
        placement: Placement::Leader,
    };
    let mut builder = ClusterNetworkManager::builder(listen)
        .identity(identity)
        .data_dir(home.join("data"))
        .configure(move |config| {
            config.voters = (1..=voters).map(NodeId).collect();
            config.roles = vec![role];
            // So few that even a short demo cuts its logs, and brings up by snapshots.
            config.raft.snapshot_bytes = 64 << 10;
        });
    if let Some(directory) = record {
        builder = builder.record(Recording::new(directory));
    }
    let manager = builder.build().await.map_err(trouble)?;
    manager.start().await.map_err(trouble)?;
    Ok(manager)
}

/// Gives up the log of a node.
async fn rebuild(home: &Path, listen: SocketAddr) -> Result<(), Trouble> {
    let builder = ClusterNetworkManager::builder(listen).data_dir(home.join("data"));
    builder.rebuild().await.map_err(trouble)
}

fn trouble(error: StartError) -> Trouble {
    if error.is_port_in_use() {
        Trouble::PortBusy
    } else if matches!(error, StartError::Disk(DiskError::Corrupt { .. })) {
        Trouble::Damaged(error.to_string())
    } else {
        Trouble::Other(error.to_string())
    }
}

/// Runs a node until its standard input ends.
pub(crate) async fn run(arguments: Arguments) -> ExitCode {
    let Arguments {
        home,
        listen,
        voters,
        record,
        ..
    } = &arguments;
    let mut started = start(home, *listen, *voters, record.clone()).await;
    if let (Err(Trouble::Damaged(why)), true) = (&started, arguments.rebuild) {
        tell(&Report::Refused { why: why.clone() });
        let gave_up = rebuild(home, *listen).await;
        started = match gave_up {
            Ok(()) => start(home, *listen, *voters, record.clone()).await,
            Err(trouble) => Err(trouble),
        };
    }
    let manager = match started {
        Ok(manager) => manager,
        Err(Trouble::PortBusy) => {
            tell(&Report::PortBusy);
            return ExitCode::SUCCESS;
        }
        Err(Trouble::Damaged(why) | Trouble::Other(why)) => {
            tell(&Report::Failed { why });
            return ExitCode::FAILURE;
        }
    };
    let events = manager.subscribe_to_events();
    let boot = manager.status().await.map_or(0, |status| status.me.boot);
    tell(&Report::Started { boot });
    tokio::spawn(watch(events));
    tokio::spawn(tell_of_vote(manager.clone()));
    tokio::spawn(serve(manager.clone()));
    let joining = manager.clone();
    let seeds = arguments
        .seeds
        .into_iter()
        .filter(|seed| *seed != arguments.listen)
        .collect();
    tokio::spawn(async move { joining.join_cluster(seeds).await });
    obey(&manager).await;
    manager.shutdown().await;
    ExitCode::SUCCESS
}

fn tell(report: &Report) {
    if let Ok(line) = serde_json::to_string(report) {
        println!("{line}");
    }
}

/// Waits until this node votes, which one that is rebuilt does not for a while.
async fn tell_of_vote(manager: ClusterNetworkManager) {
    while let Ok(status) = manager.status().await {
        if status.role != Role::Learner && !status.voters.is_joint() {
            return tell(&Report::Votes);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reports what happens in the cluster.
#[allow(clippy::wildcard_enum_match_arm)] // The runtime's events are an open set.
async fn watch(mut events: Events) {
    while let Some(event) = events.next().await {
        let Ok(happened) = event else { continue };
        match happened.event {
            ClusterEvent::Joined(member) => {
                let peer = member.peer();
                tell(&Report::Joined {
                    node: peer.node.0,
                    boot: peer.boot,
                });
            }
            ClusterEvent::Suspected { peer, .. } => {
                tell(&Report::Suspected {
                    node: peer.node.0,
                    boot: peer.boot,
                });
            }
            ClusterEvent::Died { peer, .. } => {
                tell(&Report::Died {
                    node: peer.node.0,
                    boot: peer.boot,
                });
            }
            ClusterEvent::LeaderChanged { term, leader } => {
                tell(&Report::Leader {
                    node: leader.map(|leader| leader.0),
                    term: term.0,
                });
            }
            ClusterEvent::RoleChanged {
                role,
                holder,
                epoch,
            } => {
                let (role, holder) = (role.to_string(), holder.map(|holder| holder.node.0));
                tell(&Report::Role {
                    role,
                    holder,
                    epoch: epoch.0,
                });
            }
            // The demo's story does not need the rest, nor whatever will be added.
            _ => {}
        }
    }
}

/// Answers the clients' writes.
async fn serve(manager: ClusterNetworkManager) {
    let messages = manager.messages();
    while let Some(incoming) = messages.next().await {
        let manager = manager.clone();
        tokio::spawn(async move { answer(&manager, incoming).await });
    }
}

async fn answer(manager: &ClusterNetworkManager, incoming: Incoming) {
    let Some(reply) = incoming.reply else { return };
    let written = match serde_json::from_slice::<Write>(&incoming.payload) {
        Ok(write) => write_as_holder(manager, write).await,
        Err(error) => Written::Again {
            why: error.to_string(),
        },
    };
    if let Ok(bytes) = serde_json::to_vec(&written) {
        // A requester that is gone asks again.
        let _ = reply.send(&bytes);
    }
}

/// Writes under the epoch this node holds the role under. Should the role move in the meantime, the
/// log refuses it.
async fn write_as_holder(manager: &ClusterNetworkManager, write: Write) -> Written {
    let role = manager.role(&primary()).await.ok().flatten();
    let Some(state) = role else {
        return Written::Elsewhere { holder: None };
    };
    if state.holder != Some(manager.me()) {
        return Written::Elsewhere {
            holder: state.holder.map(|holder| holder.node.0),
        };
    }
    let command = control::Command::Write {
        role: primary(),
        epoch: state.epoch,
        key: write.key,
        value: write.value.into_bytes().into(),
    };
    let (client, request) = (ClientId(write.client), RequestId(write.request));
    match manager.propose_as(client, request, command).await {
        Ok(applied) => match applied.outcome {
            Ok(control::Effect::Written { version }) => Written::Acknowledged { version },
            Ok(other) => Written::Again {
                why: format!("{other:?}"),
            },
            Err(refused) => Written::Again {
                why: refused.to_string(),
            },
        },
        Err(error) => Written::Again {
            why: error.to_string(),
        },
    }
}

/// Takes orders until there will be none any more.
async fn obey(manager: &ClusterNetworkManager) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(Order::WriteUnder { epoch }) = serde_json::from_str(&line) else {
            continue;
        };
        let command = control::Command::Write {
            role: primary(),
            epoch: Epoch(epoch),
            key: "zombie".into(),
            value: b"from the past".to_vec().into(),
        };
        let (accepted, why) = match manager.propose(command).await {
            Ok(applied) => match applied.outcome {
                Ok(effect) => (true, format!("{effect:?}")),
                Err(refused) => (false, refused.to_string()),
            },
            // No answer is no refusal.
            Err(error) => (true, error.to_string()),
        };
        tell(&Report::Wrote { accepted, why });
    }
}
