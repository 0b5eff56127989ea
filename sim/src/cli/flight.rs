//! Recordings of real nodes under the verbs that take a run apart.

use std::path::{Path, PathBuf};

use quorate_core::id::NodeId;
use serde_json::json;

use super::debugging::{self, Asked, Replay};
use super::{NONDETERMINISTIC, OK, complain, say, usage};
use crate::flight::{self, Flight, Tape};
use crate::view::{Caption, Window, render, stage};
use crate::wording;

/// Reads recordings; on a failure the exit code, and why on the error output.
fn read(paths: &[PathBuf]) -> Result<Flight, u8> {
    flight::read(paths).map_err(|error| {
        if error.is_nondeterminism() {
            complain(&format!("nondeterminism, or other code: {error}"));
            return NONDETERMINISTIC;
        }
        usage(&error.to_string())
    })
}

pub(super) fn replay(paths: &[PathBuf], asked: &Replay, json: bool) -> u8 {
    let flight = match read(paths) {
        Ok(flight) => flight,
        Err(code) => return code,
    };
    let story = match asked.tell(&flight.record, json) {
        Ok(story) => story,
        Err(code) => return code,
    };
    let fingerprint = flight.fingerprint();
    if json {
        let object = json!({
            "ok": true,
            "recordings": flight.tapes,
            "unix_ns": flight.unix_ns,
            "drift_ns": flight.drift_ns,
            "fingerprint": fingerprint,
            "story": story,
        });
        say(&object.to_string());
    } else {
        story.iter().for_each(|line| say(line));
        tell(&flight);
        say(&format!("fingerprint {fingerprint}"));
    }
    match asked
        .expected()
        .filter(|expected| **expected != fingerprint)
    {
        Some(expected) => {
            complain(&format!(
                "other recordings, or other code: --expect has {expected}"
            ));
            NONDETERMINISTIC
        }
        None => OK,
    }
}

fn tell(flight: &Flight) {
    let many = if flight.tapes.len() == 1 { "" } else { "s" };
    say(&format!(
        "{} recording{many} lived again; every step agrees",
        flight.tapes.len()
    ));
    flight.tapes.iter().for_each(|tape| say(&line(tape)));
    if let Some(unix_ns) = flight.unix_ns {
        let (seconds, millis) = (unix_ns / 1_000_000_000, unix_ns / 1_000_000 % 1_000);
        say(&format!(
            "t=0 is second {seconds}.{millis:03} of Unix time by the wall clocks"
        ));
    }
    if flight.drift_ns > 0 {
        say(&format!(
            "the clocks drifted apart: moments of different nodes are comparable to {} only",
            span(flight.drift_ns)
        ));
    }
}

fn line(tape: &Tape) -> String {
    let place = &tape.place;
    let sure = match (place.earlier_ns, place.later_ns) {
        (Some(0), Some(0)) => "the measure of the others".to_string(),
        (Some(earlier), Some(later)) => format!("true within -{} +{}", span(earlier), span(later)),
        (Some(earlier), None) => format!("at most {} earlier, no bound on later", span(earlier)),
        (None, Some(later)) => format!("at most {} later, no bound on earlier", span(later)),
        (None, None) => "placed by its wall clock alone".to_string(),
    };
    let moved = match place.moved_ns {
        0 => String::new(),
        moved => format!(", moved +{}", span(moved)),
    };
    format!(
        "  {:<6} {}..{} {:>7} steps  {}  {sure}{moved}; {}  {}",
        tape.life.to_string(),
        wording::moment(place.from_ns).trim_end(),
        wording::moment(place.until_ns).trim_end(),
        tape.steps,
        tape.fingerprint,
        wording::tail_of(tape.tail),
        tape.file.display(),
    )
}

fn span(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000.. => format!("{}.{} ms", nanos / 1_000_000, nanos / 100_000 % 10),
    }
}

pub(super) fn why(path: &Path, node: NodeId, asked: Asked, at: Option<u64>, json: bool) -> u8 {
    match read(&[path.to_owned()]) {
        Ok(flight) => debugging::explain(&flight.record, node, asked, at, json),
        Err(code) => code,
    }
}

/// The page of recordings, or the exit code.
pub(super) fn page(path: &Path, window: Window) -> Result<(Caption, crate::view::Page), u8> {
    let flight = read(&[path.to_owned()])?;
    let caption = Caption {
        name: format!("recording of {}", flight.nodes()),
        detail: path.display().to_string(),
        trace: flight.fingerprint(),
        ..Caption::default()
    };
    let page = render(&caption, &stage(&flight.record), window);
    Ok((caption, page))
}
