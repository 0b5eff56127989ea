//! One recording, lived again to its end.

use std::path::{Path, PathBuf};

use quorate_core::id::Peer;
use quorate_core::journal::{Fingerprint, Replay, ReplayError, Start, Tail};
use quorate_core::node::{Action, Event};
use quorate_core::time::{Time, Wake};

use super::clock::Place;
use super::{FlightError, Tape};
use crate::wording;

/// A step of a life, with all that came of it.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) now: Time,
    pub(super) event: Event,
    /// Which timer was due, if the event is a tick.
    pub(super) due: Option<Wake>,
    pub(super) actions: Vec<Action>,
}

/// A life, lived again.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) file: PathBuf,
    pub(super) peer: Peer,
    pub(super) start: Start,
    pub(super) unix_ns: Option<u64>,
    pub(super) steps: Vec<Taken>,
    pub(super) tail: Tail,
    made_by: String,
    fingerprint: Fingerprint,
}

impl Life {
    pub(super) fn read(file: &Path) -> Result<Life, FlightError> {
        let bytes = std::fs::read(file).map_err(|error| FlightError::Unreadable {
            path: file.to_owned(),
            error,
        })?;
        let broken = |error| FlightError::Replay {
            file: file.to_owned(),
            error,
            instead: None,
        };
        let mut replay = Replay::open(&bytes).map_err(broken)?;
        let mut steps = Vec::new();
        loop {
            let deadline = replay.node().deadline();
            match replay.step() {
                Ok(Some(step)) => steps.push(Taken {
                    now: step.now,
                    event: step.event.clone(),
                    due: deadline
                        .filter(|_| matches!(step.event, Event::Tick))
                        .map(|deadline| deadline.why),
                    actions: step.actions.to_vec(),
                }),
                Ok(None) => break,
                Err(error) => {
                    let instead = instead(&replay, &error);
                    return Err(FlightError::Replay {
                        file: file.to_owned(),
                        error,
                        instead,
                    });
                }
            }
        }
        Ok(Life {
            file: file.to_owned(),
            peer: replay.node().view().me(),
            start: replay.start().clone(),
            unix_ns: replay.unix_ns(),
            steps,
            tail: replay.tail().unwrap_or(Tail::Cut { torn: 0 }),
            made_by: replay.made_by().to_string(),
            fingerprint: replay.fingerprint(),
        })
    }

    /// The moment after its last step, by its own clock.
    pub(super) fn end(&self) -> Time {
        self.steps.last().map_or(self.start.now, |step| step.now)
    }

    /// Whether the process was over when the recording was.
    pub(super) fn is_over(&self) -> bool {
        use quorate_core::journal::End;
        match self.tail {
            Tail::Ended(End::Stopped | End::Halted) | Tail::Cut { .. } => true,
            Tail::Ended(End::Full | End::Behind | End::TooLong) => false,
        }
    }

    pub(super) fn tape(&self, place: Place) -> Tape {
        Tape {
            file: self.file.clone(),
            life: self.peer,
            made_by: self.made_by.clone(),
            steps: self.steps.len() as u64,
            fingerprint: self.fingerprint,
            tail: self.tail,
            place,
        }
    }
}

/// What a node that diverged was told and did.
fn instead(replay: &Replay<'_>, error: &ReplayError) -> Option<String> {
    let ReplayError::Diverged { .. } = error else {
        return None;
    };
    let step = replay.last()?;
    let mut text = format!("\n    told: {}", wording::event(step.event, None, None));
    for action in step.actions.iter().filter_map(wording::action) {
        text.push_str("\n    did now: ");
        text.push_str(&action);
    }
    Some(text)
}
