//! What a person types, and the exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use quorate_sim::expect::{Compare, Count, Expectation};
use quorate_sim::plan::{Fate, Fault, Moment, Part, Plan, Who};
use quorate_sim::span::Span;

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn code(args: &[&str]) -> Option<i32> {
    sim(args).status.code()
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    assert_eq!(code(&["list"]), Some(0));
    assert_eq!(code(&["run", "no-such-story"]), Some(2));
    assert_eq!(code(&["walk"]), Some(2));
    assert_eq!(
        code(&["soak", "--seeds", "1", "--mutant", "no-such-bug"]),
        Some(2)
    );
    let output = sim(&["run", "split-brain", "--engine", "madsim"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo madsim"));
}

#[cfg(not(feature = "mutants"))]
#[test]
fn a_build_without_bugs_does_not_pretend_to_have_caught_one() {
    assert_eq!(
        code(&["soak", "--seeds", "1", "--mutant", "vote-before-durable"]),
        Some(2)
    );
}

#[test]
fn every_verb_can_answer_in_json() {
    for args in [
        &["list", "--json"][..],
        &["run", "leader-crash", "--seed", "2", "--check", "--json"],
        &["soak", "--seeds", "2", "-j", "1", "--json"],
    ] {
        let output = sim(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(value.is_object());
    }
}

#[test]
fn an_unmet_expectation_fails_and_the_plan_file_repeats_it() {
    let mut plan = Plan::quiet("too-much", 3, 3);
    plan.end = Span::from_ms(25_000);
    let many = Expectation::count(Count::Leaders, Compare::AtLeast, 99, plan.end);
    plan.expect.push(many);
    plan.strike_for(5_000, Fault::Pause(Who::Part(Part::Leader)), 900);
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("too-much.plan");
    plan.write(&path).expect("the file is written");
    let path = path.display().to_string();
    let (first, second) = (sim(&["run", &path]), sim(&["replay", &path]));
    assert_eq!(
        (first.status.code(), second.status.code()),
        (Some(1), Some(1))
    );
    assert_eq!(first.stdout, second.stdout);
    assert!(String::from_utf8_lossy(&first.stdout).contains("UNMET"));
}

/// A short run in which the leader crashes, as a file.
fn crash_file(name: &str) -> String {
    let mut plan = Plan::quiet("crash", 3, 3);
    (plan.heal, plan.end) = (Some(Span::from_ms(9_000)), Span::from_ms(9_500));
    plan.strike(
        4_000,
        Fault::Crash {
            who: Who::Part(Part::Leader),
            moment: Moment::Now,
            fate: Fate::Lost,
            silent: false,
            restart: None,
        },
    );
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    plan.write(&path).expect("the file is written");
    path.display().to_string()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn a_replay_tells_a_window_and_knows_its_fingerprint() {
    let plan = crash_file("fingerprint.plan");
    let whole = sim(&["replay", &plan]);
    assert_eq!(whole.status.code(), Some(0), "{whole:?}");
    let whole = text(&whole);
    let print = whole
        .lines()
        .find_map(|line| line.strip_prefix("fingerprint "));
    let print = print.expect("a fingerprint").to_string();
    let window = ["replay", &plan, "--from", "3.9s", "--for", "1s"];
    let part = text(&sim(&window));
    assert!(part.lines().count() < whole.lines().count());
    assert!(part.contains("fault: crash leader = n"), "{part}");
    assert!(part.contains("→PreCandidate"), "{part}");
    let of_one = text(&sim(&[&window[..], &["--node", "n2"]].concat()));
    let told = |line: &&str| line.starts_with("t=");
    let mut lines = of_one.lines().filter(told).peekable();
    assert!(lines.peek().is_some(), "{of_one}");
    assert!(
        lines.all(|line| line.contains("  n2  ") || line.contains("  --  ")),
        "{of_one}"
    );
    assert_eq!(
        code(&["replay", &plan, "--quiet", "--expect", &print]),
        Some(0)
    );
    assert_eq!(
        code(&["replay", &plan, "--quiet", "--expect", "0-0"]),
        Some(3)
    );
    assert_eq!(code(&["replay", &plan, "--from", "soon"]), Some(2));

    let file = std::fs::read_to_string(&plan).expect("the file");
    let other = Path::new(env!("CARGO_TARGET_TMPDIR")).join("other-print.plan");
    std::fs::write(&other, format!("fingerprint 0-0\n{file}")).expect("written");
    assert_eq!(
        code(&["replay", &other.display().to_string(), "--quiet"]),
        Some(3)
    );
}

#[test]
fn the_stepper_takes_its_keys_from_a_pipe() {
    let plan = crash_file("step.plan");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["replay", &plan, "--step", "--from", "4s", "--for", "2s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut keys = child.stdin.take().expect("a pipe");
    keys.write_all(b"\nn\nb\ns n2\nq\n").expect("keys");
    drop(keys);
    let output = child.wait_with_output().expect("it ends");
    let out = text(&output);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert_eq!(
        out.lines().filter(|line| line.starts_with('#')).count(),
        3,
        "{out}"
    );
    assert!(
        out.contains("n2#1 ") && out.contains("  member n1#1 "),
        "{out}"
    );
}

#[test]
fn a_trace_file_tells_two_runs_apart_and_alike_ones_are_alike() {
    let plan = crash_file("trace.plan");
    let trace = Path::new(env!("CARGO_TARGET_TMPDIR")).join("a.trace");
    let trace = trace.display().to_string();
    assert_eq!(
        code(&["run", &plan, "--quiet", "--trace-out", &trace]),
        Some(0)
    );
    assert_eq!(code(&["diff", &plan, "--against-trace", &trace]), Some(0));
    let rows = std::fs::read_to_string(&trace).expect("the file");
    let shorter: Vec<&str> = rows.lines().take(300).collect();
    std::fs::write(&trace, shorter.join("\n")).expect("written");
    let output = sim(&["diff", &plan, "--against-trace", &trace, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["difference"]["number"], 300);
    assert_eq!(value["difference"]["kind"], "end");
    assert_eq!(code(&["diff", &plan]), Some(2), "with what?");
    assert_eq!(
        code(&["diff", &plan, "--against-trace", &plan]),
        Some(2),
        "no trace"
    );
}

#[test]
fn why_shows_evidence_or_says_that_there_is_none() {
    let plan = crash_file("why.plan");
    let rows = text(&sim(&["replay", &plan]));
    let line = rows
        .lines()
        .find(|line| line.contains("process crashes"))
        .expect("a crash");
    let node = line
        .split_whitespace()
        .find(|word| word.starts_with('n'))
        .expect("a node");
    let output = sim(&["why", &plan, node, "dead"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output).contains("fault: crash leader"), "{output:?}");
    let output = sim(&["why", &plan, node, "dead", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(value["evidence"][0]["part"], "the fact");
    assert_eq!(code(&["why", &plan, node, "dead", "--at", "9.4s"]), Some(1));
    assert_eq!(code(&["why", &plan, "nobody", "dead"]), Some(2));
}

#[test]
fn a_plan_that_violates_nothing_is_no_work_for_shrink() {
    let plan = crash_file("shrink.plan");
    assert_eq!(code(&["shrink", &plan]), Some(2));
    assert_eq!(code(&["shrink", "no-such-file"]), Some(2));
}

/// The texts between ```text fences of the manual that are whole scenarios.
fn examples() -> Vec<&'static str> {
    let manual = include_str!("../../docs/scenarios.md");
    let blocks = manual.split("```scenario\n").skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .collect()
}

#[test]
fn every_example_of_the_manual_runs_and_goes_as_told() {
    let examples = examples();
    assert!(examples.len() >= 5, "{}", examples.len());
    for (number, text) in examples.into_iter().enumerate() {
        let file = format!("example-{number}.scenario");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        std::fs::write(&path, text).expect("written");
        let output = sim(&["run", &path.display().to_string(), "--quiet", "--check"]);
        assert_eq!(output.status.code(), Some(0), "{text}\n{output:?}");
    }
}

#[test]
fn all_problems_of_a_file_are_told_at_once_with_line_and_column() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong.scenario");
    std::fs::write(&path, "nodes 3\nvoters 9\nat 5s crahs n1\n").expect("written");
    let file = path.display().to_string();
    let output = sim(&["run", &file]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&format!("{file}:2:8: 9 voters")), "{told}");
    assert!(told.contains(&format!("{file}:3:7: ")), "{told}");
    assert!(told.contains("did you mean `crash`?"), "{told}");
    assert!(told.contains("  at 5s crahs n1\n        ^^^^^"), "{told}");
    let output = sim(&["run", "split-brian"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("did you mean `split-brain`?"), "{told}");
}

#[test]
fn a_file_of_many_seeds_runs_them_all() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seeds.scenario");
    let text = "nodes 3\nseeds 4..6\nbetween 4s and 6s crash leader\n\
                expect new leader within 3s\nend at 12s\n";
    std::fs::write(&path, text).expect("written");
    let file = path.display().to_string();
    let output = sim(&["run", &file, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let runs = value["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 3);
    assert_eq!(runs[2]["seed"], 6);
    assert_eq!(runs[2]["expectations"][0]["met"], true);
    let one = sim(&["run", &file, "--seed", "5", "--json"]);
    let one: serde_json::Value = serde_json::from_slice(&one.stdout).expect("JSON");
    assert_eq!(one["trace"], runs[1]["trace"]);
}

#[test]
fn a_search_writes_hashes_and_two_processes_agree_in_them() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("some.hashes");
    let path = file.display().to_string();
    let args = ["soak", "--seeds", "3", "--start", "5", "--hashes", &path];
    assert_eq!(code(&args), Some(0));
    let hashes = std::fs::read_to_string(&file).expect("the file is there");
    let seeds: Vec<&str> = hashes
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(seeds, ["5", "6", "7"]);
    assert_eq!(code(&["check", "--seeds", "2", "--start", "5"]), Some(0));
}

#[test]
fn an_area_bends_the_search_and_an_unknown_one_names_all() {
    let focused = ["soak", "--seeds", "2", "--focus", "failover", "--json"];
    assert_eq!(code(&focused), Some(0));
    let output = sim(&["soak", "--seeds", "1", "--focus", "weather"]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    for area in ["membership", "raft", "failover", "transport", "disk"] {
        assert!(complaint.contains(area), "{complaint}");
    }
}

#[test]
fn a_mark_that_is_never_reached_fails_only_when_asked() {
    let few = ["soak", "--seeds", "1", "--marks"];
    assert_eq!(code(&few), Some(0));
    assert_eq!(code(&["soak", "--seeds", "1", "--marks", "all"]), Some(1));
}
