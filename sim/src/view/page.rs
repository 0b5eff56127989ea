//! The page: a scene as compact data, and the program that draws it, in one HTML file.
//!
//! Everything is inline and a content policy forbids the page to fetch anything. The data stand in
//! a script element of a type that no browser runs; `<` is escaped in it, so no text can end the
//! element.

use quorate_core::id::NodeId;
use serde_json::{Value, json};

use super::scene::{Fate, Lane, Scene, Sent};
use super::words::KINDS;
use crate::checkers::Violation;
use crate::plan::Plan;
use crate::report::Report;

/// So many messages are in a page at most.
const MESSAGES_MAX: usize = 30_000;
/// A page of a violation opens so long before it.
const BEFORE_VIOLATION_US: u64 = 2_000_000;
/// And ends so long after it.
const AFTER_VIOLATION_US: u64 = 150_000;

const FRAME: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: [&str; 6] = [
    include_str!("page/model.js"),
    include_str!("page/diagram.js"),
    include_str!("page/messages.js"),
    include_str!("page/panel.js"),
    include_str!("page/main.js"),
    include_str!("page/selftest.js"),
];

/// What the page shall open with; in simulated microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub from_us: Option<u64>,
    /// How long.
    pub for_us: Option<u64>,
}

/// A page and what is in it.
#[derive(Clone, Debug)]
pub struct Page {
    /// The file's text.
    pub html: String,
    /// The moment it opens with, in simulated microseconds.
    pub from_us: u64,
    /// The end of the opening window.
    pub to_us: u64,
    /// How many messages it holds.
    pub messages: usize,
    /// How many it leaves out for its size.
    pub messages_left_out: u64,
}

/// What the page says about the whole.
#[derive(Clone, Debug, Default)]
pub struct Caption {
    /// What it shows.
    pub name: String,
    /// Which of its kind.
    pub detail: String,
    /// The hash of everything that happened.
    pub trace: String,
    /// Somebody watched for violations.
    pub is_checked: bool,
    /// What was broken.
    pub violation: Option<Violation>,
    /// What was expected in vain.
    pub unmet: Vec<String>,
}

impl Caption {
    /// Of a run of a plan.
    #[must_use]
    pub fn of_run(plan: &Plan, report: &Report) -> Caption {
        let mutant = plan.mutant.as_ref();
        let mutant = mutant.map_or(String::new(), |mutant| format!(" · {mutant}"));
        Caption {
            name: plan.name.clone(),
            detail: format!("seed {}{mutant}", plan.seed),
            trace: report.trace.clone(),
            is_checked: true,
            violation: report.violation.clone(),
            unmet: report.unmet().map(ToString::to_string).collect(),
        }
    }
}

/// Makes the page of a run.
#[must_use]
pub fn render(caption: &Caption, scene: &Scene, window: Window) -> Page {
    let (from_us, to_us) = opening(caption, scene, window);
    let kept = keep(&scene.messages, from_us, to_us, MESSAGES_MAX);
    let cut = (scene.messages.len() - kept.len()) as u64;
    let messages_left_out = cut + scene.messages_uncounted;
    let violation = caption.violation.as_ref().map(|violation| {
        let at = violation.at_ns / 1_000;
        json!({ "checker": violation.checker, "at": at, "what": violation.what })
    });
    let numbers = |nodes: &mut dyn Iterator<Item = &NodeId>| -> Vec<u64> {
        nodes.map(|node| node.0).collect()
    };
    let data = json!({
        "name": caption.name,
        "detail": caption.detail,
        "nodes": numbers(&mut scene.nodes.iter()),
        "voters": numbers(&mut scene.voters.iter()),
        "end": scene.end,
        "trace": caption.trace,
        "checked": caption.is_checked,
        "window": [from_us, to_us],
        "violation": violation,
        "unmet": caption.unmet,
        "kinds": KINDS,
        "lanes": scene.lanes.iter().map(lane).collect::<Vec<_>>(),
        "events": events(scene),
        "cuts": cuts(scene),
        "messages": columns(&kept),
        "left_out": messages_left_out,
    });
    let title = format!("{} · {}", caption.name, caption.detail);
    let parts = [
        ("<!--title-->", text_as_markup(&title)),
        ("/*style*/", STYLE.to_string()),
        ("<!--data-->", data_as_markup(&data)),
        ("/*script*/", SCRIPT.concat()),
    ];
    Page {
        html: fill(FRAME, &parts),
        from_us,
        to_us,
        messages: kept.len(),
        messages_left_out,
    }
}

/// The window the page opens with: what was asked for, or the time before the violation, or all.
fn opening(caption: &Caption, scene: &Scene, window: Window) -> (u64, u64) {
    let end = scene.end.max(1);
    let broken = caption.violation.as_ref().map(|v| v.at_ns / 1_000);
    let from = match (window.from_us, broken) {
        (Some(from), _) => from.min(end - 1),
        (None, Some(at)) => at.saturating_sub(BEFORE_VIOLATION_US),
        (None, None) => 0,
    };
    let to = match (window.for_us, window.from_us, broken) {
        (Some(length), _, _) => from.saturating_add(length.max(1)),
        (None, None, Some(at)) => at + AFTER_VIOLATION_US,
        (None, Some(_), _) | (None, None, None) => end,
    };
    (from, to)
}

/// The messages worth most: those of the window first, then those that are not routine.
fn keep(messages: &[Sent], from: u64, to: u64, most: usize) -> Vec<&Sent> {
    let mut kept: Vec<&Sent> = messages.iter().collect();
    if kept.len() > most {
        kept.sort_by_key(|sent| (!(from..=to).contains(&sent.at), sent.is_folded));
        kept.truncate(most);
        kept.sort_by_key(|sent| sent.at);
    }
    kept
}

/// Moments as distances from the one before.
fn distances(moments: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut before = 0;
    moments
        .map(|at| at - std::mem::replace(&mut before, at))
        .collect()
}

fn lane(lane: &Lane) -> Value {
    let at = distances(lane.changes.iter().map(|(at, _)| *at));
    let changes: Vec<_> = lane.changes.iter().map(|(_, changes)| changes).collect();
    json!({ "at": at, "changes": changes })
}

fn events(scene: &Scene) -> Value {
    let events = &scene.events;
    json!({
        "at": distances(events.iter().map(|event| event.at)),
        "node": events.iter().map(|event| event.lane).collect::<Vec<_>>(),
        "kind": events.iter().map(|event| event.kind).collect::<Vec<_>>(),
        "text": events.iter().map(|event| &event.text).collect::<Vec<_>>(),
    })
}

fn cuts(scene: &Scene) -> Vec<Value> {
    let cuts = scene.cuts.iter();
    cuts.map(|cut| json!([cut.at, cut.from, cut.to, u8::from(cut.is_cut)]))
        .collect()
}

/// The messages by column. A fate is a duration, -1 for lost, -2 for under way.
fn columns(messages: &[&Sent]) -> Value {
    let fate = |sent: &&Sent| match sent.fate {
        Fate::Took(us) => json!(us),
        Fate::Lost => json!(-1),
        Fate::UnderWay => json!(-2),
    };
    let messages = || messages.iter();
    json!({
        "at": distances(messages().map(|sent| sent.at)),
        "from": messages().map(|sent| sent.from).collect::<Vec<_>>(),
        "to": messages().map(|sent| sent.to).collect::<Vec<_>>(),
        "kind": messages().map(|sent| sent.kind).collect::<Vec<_>>(),
        "folded": messages().map(|sent| u8::from(sent.is_folded)).collect::<Vec<_>>(),
        "fate": messages().map(fate).collect::<Vec<_>>(),
        "text": messages().map(|sent| &sent.text).collect::<Vec<_>>(),
    })
}

/// Data for a script element: no `<` in it, so nothing in it can be markup.
fn data_as_markup(data: &Value) -> String {
    data.to_string().replace('<', "\\u003c")
}

/// Text for an element.
fn text_as_markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Puts each part where its mark is, in the order of the frame; a mark within a part means nothing.
fn fill(frame: &str, parts: &[(&str, String)]) -> String {
    let mut rest = frame;
    let mut page = String::new();
    for (mark, part) in parts {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(at: u64, is_folded: bool) -> Sent {
        Sent {
            at,
            from: 1,
            to: 2,
            kind: 0,
            is_folded,
            text: String::new(),
            fate: Fate::Lost,
        }
    }

    #[test]
    fn what_is_left_out_is_routine_outside_of_the_window_first() {
        let flags = [(1, true), (2, false), (5, true), (6, false), (9, true)];
        let messages: Vec<Sent> = flags.map(|(at, folded)| sent(at, folded)).into();
        let kept = |most| -> Vec<u64> {
            keep(&messages, 5, 8, most)
                .iter()
                .map(|sent| sent.at)
                .collect()
        };
        assert_eq!(kept(5), [1, 2, 5, 6, 9]);
        assert_eq!(kept(3), [2, 5, 6]);
        assert_eq!(kept(1), [6]);
    }

    #[test]
    fn a_part_is_not_searched_for_marks() {
        let parts = [("{a}", "{b}".to_string()), ("{b}", "x".to_string())];
        assert_eq!(fill("1{a}2{b}3", &parts), "1{b}2x3");
        let all = ["<!--title-->", "/*style*/", "<!--data-->", "/*script*/"];
        let places: Vec<_> = all.map(|mark| FRAME.find(mark)).into();
        assert!(places.is_sorted() && places[0].is_some(), "{places:?}");
    }

    #[test]
    fn the_window_is_what_was_asked_for_or_the_time_before_the_violation() {
        let scene = Scene {
            end: 9_000_000,
            ..Scene::default()
        };
        let mut caption = Caption::default();
        let window = |from_us, for_us| Window { from_us, for_us };
        let all = window(None, None);
        assert_eq!(opening(&caption, &scene, all), (0, 9_000_000));
        let asked = window(Some(4_000_000), Some(500_000));
        assert_eq!(opening(&caption, &scene, asked), (4_000_000, 4_500_000));
        caption.violation = Some(Violation {
            checker: "progress",
            at_ns: 8_000_000_000,
            what: String::new(),
        });
        assert_eq!(opening(&caption, &scene, all), (6_000_000, 8_150_000));
        assert_eq!(opening(&caption, &scene, asked), (4_000_000, 4_500_000));
    }
}
