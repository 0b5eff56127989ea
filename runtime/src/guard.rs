//! Watches over papers while the node runs: those of the peers it is connected to, and its own.

use std::sync::Arc;
use std::time::Duration;

use crate::error::PeerRefusal;
use crate::event::ClusterEvent;
use crate::link::pump;
use crate::seam::Seam;
use crate::shell::Shell;

/// How often papers are looked at again.
const INTERVAL: Duration = Duration::from_secs(60);
/// A certificate that ends sooner is announced, each time.
const WARNED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Looks at all papers now and then until the node stops.
pub(crate) async fn watch<S: Seam>(shell: Arc<Shell<S>>) {
    loop {
        announce_own(&shell);
        let stopped = async {
            shell.stopped().await;
            true
        };
        let waited = async {
            shell.seam.sleep(INTERVAL).await;
            false
        };
        if futures_lite::future::or(stopped, waited).await {
            return;
        }
        turn_out(&shell);
    }
}

/// Ends the connections to peers that would not be let in now: their certificates have ended, or
/// the authorities and lists are others than when they came.
pub(crate) fn turn_out<S: Seam>(shell: &Shell<S>) {
    let settings = shell.settings();
    for connection in shell.connections() {
        if let Err(error) = settings.recheck(connection.certificates()) {
            pump::refuse(shell, connection.address(), PeerRefusal::of_tls(&error));
            connection.cut();
        }
    }
}

fn announce_own<S: Seam>(shell: &Shell<S>) {
    let Some(left) = shell.settings().validity_left() else {
        return;
    };
    if left < WARNED_BEFORE {
        let days = left.as_secs() / (24 * 3600);
        tracing::warn!(node = %shell.name.node, days, "our certificate ends soon");
        let event = ClusterEvent::CertificateEnds { left };
        shell.announcer.announce(shell.seam.now(), event);
    }
}
