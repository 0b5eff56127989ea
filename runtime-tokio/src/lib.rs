//! Quorate on tokio: turns the processes of a database into one highly available cluster.
//!
//! ```no_run
//! use quorate_tokio::{ClusterNetworkManager, MessagePriority};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Reads ca.pem, node.pem, node.key and quorate.toml from $QUORATE_HOME or ./quorate.
//!     let manager = ClusterNetworkManager::new("10.0.0.2:7000".parse()?).await?;
//!     let mut events = manager.subscribe_to_events();
//!     manager.start().await?;
//!     manager.join_cluster(vec!["10.0.0.1:7000".parse()?]).await?;
//!
//!     for member in manager.get_alive_members().await? {
//!         println!("{} at {}", member.node, member.address);
//!     }
//!     let sql = "select name from users where id = 7";
//!     let target = manager.route_query(sql, MessagePriority::Normal).await?;
//!     let addr = "10.0.0.1:7000".parse()?;
//!     manager.send_message(target, addr, sql).await?;
//!
//!     while let Some(event) = events.next().await {
//!         println!("{event:?}");
//!     }
//!     manager.shutdown().await;
//!     Ok(())
//! }
//! ```
//!
//! Everything but the seam to tokio comes from `quorate-runtime`, re-exported here. All calls must
//! be made inside a tokio runtime with its I/O and time drivers enabled.

pub mod seam;

pub use quorate_runtime::*;
pub use seam::TokioSeam;

/// One node of a cluster, on tokio.
pub type ClusterNetworkManager = quorate_runtime::ClusterNetworkManager<TokioSeam>;
/// Chooses the parts of a node, on tokio.
pub type Builder = quorate_runtime::Builder<TokioSeam>;

/// The program of the front page must compile too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
