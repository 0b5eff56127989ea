//! Looks after the session with one peer for as long as the node runs: without progress it asks the
//! other end, then reconnects, and in the end gives up.

use std::sync::Arc;

use futures_lite::future::or;
use quorate_core::transport::Stall;

use super::alarm::Alarm;
use super::peer::Peer;
use super::pump;
use crate::seam::Seam;
use crate::shell::Shell;

pub(crate) async fn keep<S: Seam>(shell: Arc<Shell<S>>, peer: Arc<Peer>) {
    let mut alarm = Alarm::new(&shell.seam);
    loop {
        let watched = peer.on_watched();
        let deadline = peer.deadline();
        let due = async {
            alarm.until(deadline).await;
            true
        };
        let again = async {
            watched.await;
            true
        };
        let stopped = async {
            shell.stopped().await;
            false
        };
        if !or(due, or(again, stopped)).await {
            return;
        }
        match peer.tick() {
            None => {}
            Some(Stall::Probe) => match peer.carrier() {
                Some(_) => peer.flush(),
                None => redial(&shell, &peer),
            },
            Some(Stall::Reconnect) => {
                if let Some(carrier) = peer.carrier() {
                    carrier.cut();
                }
                redial(&shell, &peer);
            }
            Some(Stall::Failed { frames }) => {
                let (node, to) = (shell.name.node, peer.node());
                tracing::warn!(%node, %to, frames, "given up: it is unknown whether they arrived");
            }
        }
    }
}

/// See [`reach_again`]; a plain function, since a connection that breaks starts the next.
pub(super) fn hasten<S: Seam>(shell: &Arc<Shell<S>>, peer: &Arc<Peer>) {
    shell.spawn(reach_again(shell.clone(), peer.clone()));
}

/// A connection broke. If somebody waits for the peer and no other connection goes on, one is made
/// again; if that cannot be done, those who wait are told.
async fn reach_again<S: Seam>(shell: Arc<Shell<S>>, peer: Arc<Peer>) {
    for _ in 0..shell.transport.attempts {
        if !peer.is_awaited() || peer.is_connected() {
            return;
        }
        let interval = shell.transport.retry_interval;
        redial(&shell, &peer);
        let again = async {
            shell.seam.sleep(interval).await;
        };
        let reached = async {
            shell.directory.wait_for(peer.node()).await;
        };
        or(reached, or(again, shell.stopped())).await;
    }
    if peer.is_awaited() && !peer.is_connected() {
        peer.give_up();
    }
}

/// Connects again, where the node was reached last; if that is not known, the core will.
fn redial<S: Seam>(shell: &Arc<Shell<S>>, peer: &Arc<Peer>) {
    let known = peer.address().or_else(|| shell.address_of(peer.node()));
    let Some(address) = known else {
        return;
    };
    let dial = pump::dial(shell.clone(), address, Some(peer.node()), false);
    shell.spawn(dial);
}
