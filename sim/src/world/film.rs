//! Showing a run to the recorder, if there is one.

use quorate_core::control::{Effect, Refused};
use quorate_core::node::{Answer, Refusal};

use super::World;
use crate::engine::des::Due;
use crate::view::Recording;
use crate::view::recorder::{Look, Recorder};
use crate::workload::Asked;

impl World {
    /// From here on everything is recorded.
    pub fn start_film(&mut self) {
        self.recorder = Some(Box::new(Recorder::new(self.hosts.len())));
    }

    /// What has been recorded, if anything was.
    pub fn take_film(&mut self) -> Option<Recording> {
        let recorder = self.recorder.take()?;
        let is_open = |(conn, end): (usize, usize)| {
            let conn = self.conns.get(conn).and_then(Option::as_ref);
            conn.is_some_and(|conn| conn.ends[1 - end].open)
        };
        Some(recorder.finish(self.now, is_open))
    }

    /// Something was due and has happened.
    pub fn film(&mut self, due: &Due) {
        let Some(recorder) = self.recorder.as_mut() else {
            return;
        };
        match due {
            Due::Fault(index) => {
                if let Some(strike) = self.plan.faults.get(*index) {
                    recorder.fault(self.now, strike);
                }
            }
            Due::HealAll => recorder.event(self.now, 0, "heal", "everything heals".into()),
            Due::Wake { .. }
            | Due::Synced { .. }
            | Due::Arrived { .. }
            | Due::LinkTick { .. }
            | Due::Opened { .. }
            | Due::DialFailed { .. }
            | Due::HungUp { .. }
            | Due::Join { .. }
            | Due::Restart { .. }
            | Due::Over(_)
            | Due::Client { .. }
            | Due::Look => {}
        }
        recorder.ways(self.now, &self.ways);
        for (index, host) in self.hosts.iter().enumerate() {
            let process = host.process.as_ref();
            let look = Look {
                node: process.map(|process| &process.node),
                born: process.map_or(0, |process| process.born),
                life: host.life,
                paused: host.paused,
                is_disk_slow: host.slow_sync_ns > 0,
            };
            recorder.look(self.now, index, look);
        }
    }

    /// A client has its answer.
    pub(super) fn record_answer(
        &mut self,
        host: usize,
        asked: &Asked,
        answer: &Result<Answer, Refusal>,
    ) {
        let Some(recorder) = self.recorder.as_mut() else {
            return;
        };
        let Ok(Answer::Applied { index, outcome }) = answer else {
            return;
        };
        let (kind, became) = match outcome {
            Ok(Effect::Written { .. }) => ("acked", format!("written at {index}")),
            Err(Refused::StaleEpoch { .. }) => ("stale", "refused: its epoch is stale".into()),
            Ok(_) | Err(_) => return,
        };
        let text = format!(
            "{} {} {became}, says n{}",
            asked.id,
            asked.request,
            host + 1
        );
        recorder.event(self.now, 0, kind, text);
    }
}
