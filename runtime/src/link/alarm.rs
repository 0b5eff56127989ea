//! One timer for a deadline that moves.
//!
//! A deadline that only moves further away keeps the timer it has: setting one anew for each piece
//! that arrives costs more than the piece does on some runtimes.

use std::future::{Future, pending};
use std::pin::Pin;

use quorate_core::time::Time;

use crate::seam::Seam;

/// A timer of a runtime, set when it must be.
pub(crate) struct Alarm<'a, S: Seam> {
    seam: &'a S,
    timer: Option<(Time, Timer<'a>)>,
}

type Timer<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<'a, S: Seam> Alarm<'a, S> {
    pub(crate) fn new(seam: &'a S) -> Alarm<'a, S> {
        Alarm { seam, timer: None }
    }

    /// Completes when `deadline` is past; without one, never. Cancel-safe.
    pub(crate) async fn until(&mut self, deadline: Option<Time>) {
        let Some(deadline) = deadline else {
            return pending().await;
        };
        loop {
            match &mut self.timer {
                Some((at, timer)) if *at <= deadline => {
                    timer.await;
                    self.timer = None;
                    if deadline <= self.seam.now() {
                        return;
                    }
                }
                Some(_) | None => {
                    let timer = Box::pin(self.seam.sleep_until(deadline));
                    self.timer = Some((deadline, timer));
                }
            }
        }
    }
}
