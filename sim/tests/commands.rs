//! What a person types, and the exit codes.

use std::process::{Command, Output};

use quorate_sim::plan::{Fault, Part, Plan, Who};

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
    plan.end_ms = 25_000;
    plan.expect.leaders_min = 99;
    plan.strike(
        5_000,
        Fault::Pause {
            who: Who::Part(Part::Leader),
            for_ms: 900,
        },
    );
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("too-much.plan.toml");
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
