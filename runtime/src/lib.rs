//! What every adapter of Quorate shares, written once: the handle, the driver of the state machine,
//! connections over TLS, the disk, configuration and identity. It is generic over one small
//! [`seam`] and names no async runtime, thread or clock, so that it runs on tokio, on smol and
//! inside a simulation.
//!
//! Hosts use an adapter (`quorate-tokio`, `quorate-smol`), which re-exports all of this with its
//! own seam.

pub mod seam;

mod builder;
mod config;
mod discovery;
mod disk;
mod driver;
mod error;
mod event;
mod guard;
mod handle;
mod identity;
mod inbox;
mod journal;
mod link;
mod message;
mod metrics;
mod recorder;
mod shell;
mod stream;
pub mod tls;
mod trace;

pub use builder::{Builder, DATA_DIRECTORY, HOME_DEFAULT, HOME_VARIABLE};
pub use config::CONFIG_FILE;
pub use discovery::{Discovery, Multicast, SeedName, SeedNameError};
pub use disk::{ASIDE_PREFIX, Disk, DiskError, FileDisk, LOCK_FILE, Pending};
pub use error::{ConfigFileError, Error, PeerRefusal, ReloadError, StartError};
pub use event::{ClusterEvent, Events, Happened, Missed, StateChange, StateWatch};
pub use handle::{Applied, Chosen, ClusterNetworkManager};
pub use identity::{
    CA_FILE, CERTIFICATE_FILE, Identity, IdentityError, KEY_FILE, Name, NameProblem,
};
pub use inbox::Messages;
pub use message::{Incoming, Reply};
pub use metrics::Metrics;
/// The state machine and its vocabulary.
pub use quorate_core as core;
pub use quorate_core::balance::{Request, Snapshot};
pub use quorate_core::durable::segments::{Segment, Write};
pub use quorate_core::failover::{Placement, RoleSpec};
pub use quorate_core::gossip::{StateEntry, StateRefused};
pub use quorate_core::health::{PartitionStatus, Unheard};
pub use quorate_core::id::{self, NodeId, Peer};
pub use quorate_core::level::{Level, LevelRange};
pub use quorate_core::membership::{Member, Reason, State, View};
pub use quorate_core::metrics::{Metric, Metrics as NodeMetrics};
pub use quorate_core::node::{Config, ConfigError, Quorum, Refusal, Status};
pub use quorate_core::payload::Payload;
pub use quorate_core::quorum::Shortfall;
pub use quorate_core::raft::Role;
pub use quorate_core::transport::Priority as MessagePriority;
pub use quorate_core::voters::Voters;
pub use quorate_core::{control, seed};
pub use recorder::{RECORDINGS_DIRECTORY, Recording, RecordingError, recordings, replay_file};
pub use stream::{IncomingStream, OutgoingStream, StreamAborted};
