//! Quorate on smol: turns the processes of a database into one highly available cluster.
//!
//! ```no_run
//! use quorate_smol::{ClusterNetworkManager, MessagePriority};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     smol::block_on(async {
//!         // Reads ca.pem, node.pem, node.key and quorate.toml from $QUORATE_HOME or ./quorate.
//!         let manager = ClusterNetworkManager::new("10.0.0.2:7000".parse()?).await?;
//!         manager.start().await?;
//!         manager.join_cluster(vec!["10.0.0.1:7000".parse()?]).await?;
//!         let target = manager.route_query("select 1", MessagePriority::Normal).await?;
//!         println!("ask {target}");
//!         manager.shutdown().await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Everything but the seam to smol comes from `quorate-runtime`, re-exported here. Tasks run on
//! smol's global executor, which has one thread unless the environment variable `SMOL_THREADS`
//! asks for more: with two, a busy connection is read and written at once.

pub mod seam;

pub use quorate_runtime::*;
pub use seam::SmolSeam;

/// One node of a cluster, on smol.
pub type ClusterNetworkManager = quorate_runtime::ClusterNetworkManager<SmolSeam>;
/// Chooses the parts of a node, on smol.
pub type Builder = quorate_runtime::Builder<SmolSeam>;
