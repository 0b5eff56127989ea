//! How a node is put together before it starts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use quorate_core::failover::{Placement, RoleSpec};
use quorate_core::id::{NodeId, RoleName, Zone};
use quorate_core::node::{Config, ConfigError};
use quorate_core::seed::Seed;
use rustls::crypto::CryptoProvider;

use crate::config::{self, CONFIG_FILE, FromFile};
use crate::discovery::{self, Discovery, Resolver};
use crate::disk::{Disk, FileDisk};
use crate::error::StartError;
use crate::handle::{ClusterNetworkManager, Setup};
use crate::identity::Identity;
use crate::recorder::Recording;
use crate::seam::Seam;
use crate::tls::{self, Settings};

/// The environment variable that names the home directory.
pub const HOME_VARIABLE: &str = "QUORATE_HOME";
/// The home directory when the variable is not set.
pub const HOME_DEFAULT: &str = "quorate";
/// The data directory inside the home directory.
pub const DATA_DIRECTORY: &str = "data";

type Adjustment = Box<dyn FnOnce(&mut Config) + Send>;

/// Chooses the parts of a node. Everything has a default: the files of the home directory.
pub struct Builder<S: Seam> {
    seam: S,
    home: Option<PathBuf>,
    listen: SocketAddr,
    advertise: Option<SocketAddr>,
    identity: Option<Identity>,
    adjustments: Vec<Adjustment>,
    data: Option<PathBuf>,
    disk: Option<Box<dyn Disk>>,
    seed: Option<Seed>,
    recording: Option<Recording>,
    discovery: Option<Discovery>,
    resolver: Resolver,
    provider: Option<Arc<CryptoProvider>>,
}

impl<S: Seam> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("home", &self.home)
            .field("listen", &self.listen)
            .field("advertise", &self.advertise)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl<S: Seam> Builder<S> {
    pub(crate) fn new(seam: S, listen: SocketAddr) -> Builder<S> {
        Builder {
            seam,
            home: None,
            listen,
            advertise: None,
            identity: None,
            adjustments: Vec::new(),
            data: None,
            disk: None,
            seed: None,
            recording: None,
            discovery: None,
            resolver: discovery::system_resolver(),
            provider: None,
        }
    }

    /// The directory with the identity, `quorate.toml` and the data. Default: `$QUORATE_HOME`, or
    /// `./quorate`.
    #[must_use]
    pub fn home(mut self, directory: impl Into<PathBuf>) -> Self {
        self.home = Some(directory.into());
        self
    }

    /// Where the other nodes reach this one. Default: `address` of `quorate.toml`, or where it
    /// listens; if that is every interface, the one that leads out of this host.
    #[must_use]
    pub fn advertise(mut self, address: SocketAddr) -> Self {
        self.advertise = Some(address);
        self
    }

    /// Who this node is. Default: the files of the home directory.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Changes the configuration, after `quorate.toml` is read. May be called several times.
    /// Cluster and node come from the certificate and the address from
    /// [`advertise`](Self::advertise), whatever is set here.
    #[must_use]
    pub fn configure(mut self, adjust: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.adjustments.push(Box::new(adjust));
        self
    }

    /// The nodes that vote; equal on all nodes.
    #[must_use]
    pub fn voters(self, voters: impl IntoIterator<Item = NodeId>) -> Self {
        let voters: Vec<NodeId> = voters.into_iter().collect();
        self.configure(move |config| config.voters = voters)
    }

    /// A role that the cluster keeps placed.
    #[must_use]
    pub fn role(self, name: RoleName, placement: Placement) -> Self {
        self.configure(move |config| config.roles.push(RoleSpec { name, placement }))
    }

    /// This node's failure domain.
    #[must_use]
    pub fn zone(self, zone: Zone) -> Self {
        self.configure(move |config| config.zone = Some(zone))
    }

    /// This node keeps the control log and votes, and holds no data: no role and no request goes
    /// there, and it leads only where nobody else could.
    #[must_use]
    pub fn witness(self) -> Self {
        self.configure(|config| config.witness = true)
    }

    /// Where the write-ahead log lives. Default: `data` in the home directory.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data = Some(directory.into());
        self
    }

    /// Another place for the write-ahead log than a file.
    #[must_use]
    pub fn disk(mut self, disk: Box<dyn Disk>) -> Self {
        self.disk = Some(disk);
        self
    }

    /// What the node's randomness comes from. Default: new at each start. A simulation gives its
    /// own.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Records the node's life, so that it can be lived again offline. Default: `recorder` of
    /// `quorate.toml`; without that, nothing is recorded.
    #[must_use]
    pub fn record(mut self, recording: Recording) -> Self {
        self.recording = Some(recording);
        self
    }

    /// Where other members may be found. Default: `discovery` of `quorate.toml`; without that,
    /// nowhere but where `join_cluster` and `add_node` say.
    #[must_use]
    pub fn discover(mut self, discovery: Discovery) -> Self {
        self.discovery = Some(discovery);
        self
    }

    /// Another resolver of the names of seeds than the operating system's, such as a client of a
    /// service registry. It may block.
    #[must_use]
    pub fn resolver(
        mut self,
        resolve: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.resolver = Arc::new(resolve);
        self
    }

    /// Another implementation of cryptography than ring's. It is used for this node's connections
    /// only.
    #[must_use]
    pub fn crypto(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Gives up a damaged or lost log: the node is rebuilt from its peers when it is started next,
    /// by `build` and `start`, as always, and then by `join_cluster`. Somebody must ask for it,
    /// once, when a disk was replaced or a start has failed with
    /// [`DiskError::Corrupt`](crate::DiskError::Corrupt); it is no part of an ordinary start.
    ///
    /// Such a node takes no part in decisions before a majority of the other voters has taken its
    /// old vote, so it breaks no promise it cannot remember. Where no such majority is left, it
    /// waits for ever. The damaged segments stay in the data directory, in `set-aside-1` and so on.
    /// `docs/wal.md` tells more.
    ///
    /// # Errors
    /// [`StartError`]; [`DiskError::Whole`](crate::DiskError::Whole) when there is nothing to
    /// rebuild, also after an earlier rebuild. When a write fails, the node does not start until
    /// this has succeeded.
    pub async fn rebuild(self) -> Result<(), StartError> {
        let seam = self.seam.clone();
        let home = self.home.unwrap_or_else(default_home);
        let data = self.data.unwrap_or_else(|| home.join(DATA_DIRECTORY));
        let disk = self.disk;
        let mut disk = disk.unwrap_or_else(|| Box::new(FileDisk::new(seam.clone(), data)));
        let mut token = [0; 8];
        token.copy_from_slice(&seam.entropy()[..8]);
        let token = u64::from_le_bytes(token);
        // Above the number of any start before, which counts from 1, and of an earlier rebuild.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let boot = since.map_or(0, |since| since.as_secs());
        Ok(crate::disk::rebuild(disk.as_mut(), boot, token).await?)
    }

    /// Reads what has to be read and checks it; nothing is bound or written yet.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn build(self) -> Result<ClusterNetworkManager<S>, StartError> {
        let Builder {
            seam,
            listen,
            identity,
            adjustments,
            disk,
            seed,
            recording,
            discovery,
            resolver,
            ..
        } = self;
        let home = self.home.unwrap_or_else(default_home);
        let data = self.data.unwrap_or_else(|| home.join(DATA_DIRECTORY));
        let unread = |error| {
            StartError::Identity(crate::IdentityError::Unreadable {
                file: PathBuf::new(),
                error,
            })
        };
        let read = seam
            .blocking(move || read_home(home, identity, listen))
            .await;
        let (identity, from_file) = read.map_err(unread)??;
        let FromFile {
            mut config,
            sets_address,
            ..
        } = from_file;
        let recording = recording.or(from_file.recording);
        let discovery = discovery.unwrap_or(from_file.discovery);
        let mut problems = recording.as_ref().map_or(Vec::new(), Recording::problems);
        problems.extend(discovery.problems());
        if !problems.is_empty() {
            return Err(ConfigError { problems }.into());
        }
        for adjust in adjustments {
            adjust(&mut config);
        }
        let name = identity.name().clone();
        config.cluster = name.cluster.clone();
        config.node = name.node;
        let stated = sets_address.then_some(config.address);
        let provider = self.provider.unwrap_or_else(tls::provider);
        let settings = Settings::new(&identity, provider.clone())?;
        let setup = Setup {
            config,
            listen,
            advertise: self.advertise.or(stated),
            settings,
            disk: disk.unwrap_or_else(|| Box::new(FileDisk::new(seam.clone(), data))),
            seed: seed.unwrap_or_else(|| Seed::from_bytes(seam.entropy())),
            recording,
            discovery,
            resolver,
        };
        Ok(ClusterNetworkManager::from_setup(
            seam, name, provider, setup,
        ))
    }
}

fn default_home() -> PathBuf {
    std::env::var_os(HOME_VARIABLE).map_or_else(|| PathBuf::from(HOME_DEFAULT), PathBuf::from)
}

fn read_home(
    home: PathBuf,
    identity: Option<Identity>,
    listen: SocketAddr,
) -> Result<(Identity, FromFile), StartError> {
    let identity = match identity {
        Some(identity) => identity,
        None => Identity::load(&home)?,
    };
    let name = identity.name();
    let preset = Config::lan(name.cluster.clone(), name.node, listen);
    let from_file = config::load(&home.join(CONFIG_FILE), preset, name)?;
    Ok((identity, from_file))
}
