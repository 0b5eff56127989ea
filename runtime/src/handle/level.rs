//! The feature level: what a cluster may use once all of it is upgraded.

use quorate_core::control;
use quorate_core::level::Level;

use super::ClusterNetworkManager;
use super::members::decided;
use crate::error::Error;
use crate::seam::Seam;

impl<S: Seam> ClusterNetworkManager<S> {
    /// Raises the feature level to exactly this one, for good: the last step of an upgrade, when
    /// every node runs the new build and nobody wants back. Returns when it is applied here.
    /// [`status`](Self::status) tells the level in force and what this build knows;
    /// `docs/upgrade.md` tells when to do it.
    ///
    /// # Errors
    /// [`Error::NotDecided`] with `Refused::Level` says who does not know the level yet, or that it
    /// is in force; [`Error::Refused`] when there is no quorum to decide it.
    pub async fn raise_level(&self, to: Level) -> Result<(), Error> {
        let raise = control::Command::RaiseLevel { to };
        decided(self.propose(raise).await?)?;
        Ok(())
    }
}
