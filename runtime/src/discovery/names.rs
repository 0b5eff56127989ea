//! A name that is looked at for ever.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::or;
use quorate_core::seed::Random;

use super::{Resolver, SeedName, tell};
use crate::event::ClusterEvent;
use crate::seam::Seam;
use crate::shell::Shell;

/// The pause after the first failure; it doubles up to `refresh` or a minute, whichever is longer.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Addresses taken from one answer.
const ADDRESSES_MAX: usize = 256;

/// One name, and what is needed to look at it.
pub(super) struct Look<S: Seam> {
    pub(super) shell: Arc<Shell<S>>,
    pub(super) resolver: Resolver,
    pub(super) source: u32,
    pub(super) name: SeedName,
    pub(super) refresh: Duration,
}

impl<S: Seam> Look<S> {
    /// Looks until the node stops.
    pub(super) async fn run(self, mut random: Random) {
        let mut failures = 0;
        let mut known = None;
        loop {
            let resolved = async { Some(self.resolve().await) };
            let stopped = async {
                self.shell.stopped().await;
                None
            };
            match or(resolved, stopped).await {
                None => return,
                Some(Ok(found)) => {
                    failures = 0;
                    if known.as_ref() != Some(&found) {
                        let (node, name) = (self.shell.name.node, &self.name);
                        tracing::info!(%node, %name, ?found, "seed resolved");
                        known = Some(found.clone());
                        if !tell(&self.shell, self.source, found).await {
                            return;
                        }
                    }
                }
                Some(Err(error)) => {
                    // What was found before stays: a name server may fail where members do not.
                    if failures == 0 {
                        self.announce(&error);
                    }
                    failures += 1;
                }
            }
            let pause = pause_after(failures, self.refresh);
            let pause = self.shell.seam.sleep(random.span(pause / 2, pause * 3 / 2));
            let slept = async {
                pause.await;
                true
            };
            let stopped = async {
                self.shell.stopped().await;
                false
            };
            if !or(slept, stopped).await {
                return;
            }
        }
    }

    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (resolver, name) = (self.resolver.clone(), self.name.clone());
        let work = move || resolver(name.host(), name.port());
        let mut found = self.shell.seam.blocking(work).await??;
        // An answer lists its addresses in turning order; what counts is which they are.
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        if found.len() > ADDRESSES_MAX {
            let (name, count) = (&self.name, found.len());
            tracing::warn!(%name, count, "a seed has more addresses than are tried");
            found.truncate(ADDRESSES_MAX);
        }
        Ok(found)
    }

    fn announce(&self, error: &io::Error) {
        let shell = &self.shell;
        let (node, name) = (shell.name.node, &self.name);
        tracing::warn!(%node, %name, %error, "a seed is not resolved");
        let event = ClusterEvent::SeedUnresolved {
            name: self.name.clone(),
            reason: error.to_string(),
        };
        shell.announcer.announce(shell.seam.now(), event);
    }
}

/// The mean pause after so many failures in a row.
fn pause_after(failures: u32, refresh: Duration) -> Duration {
    match failures {
        0 => refresh,
        n => RETRY_MIN
            .saturating_mul(1 << n.min(16).saturating_sub(1))
            .min(refresh.max(RETRY_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_back_off_and_never_stop() {
        let refresh = Duration::from_secs(30);
        let pauses = [0, 1, 2, 3, 6, 7, 99, u32::MAX].map(|n| pause_after(n, refresh).as_secs());
        assert_eq!(pauses, [30, 1, 2, 4, 32, 60, 60, 60]);
        let hourly = Duration::from_secs(3600);
        assert_eq!(pause_after(20, hourly), hourly);
    }
}
