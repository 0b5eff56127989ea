//! Each planted bug is caught, the plan that caught it catches it again and shrinks to a few
//! faults, and without the bug that plan holds every property. `docs/mutants.md` names every bug
//! and a checker that exists.

#![cfg(feature = "mutants")]

use std::time::Duration;

use quorate_sim::engine::des::{self, Options};
use quorate_sim::plan::Plan;
use quorate_sim::{mutants, shrink, swarm};

/// Far more than any of them needs; a slow machine must not fail this.
const PATIENCE: Duration = Duration::from_secs(300);

/// It takes hundreds of seeds; `sim soak --mutants` hunts it in an optimised build.
const RARE: &str = "rejoin-reaches-nobody";

#[test]
fn every_bug_is_caught_and_it_was_the_bug() {
    let all = mutants::all();
    assert!(all.len() >= 25, "{}", all.len());
    for (name, about) in all {
        if name == RARE {
            continue;
        }
        let hunt = mutants::hunt((name, about), 2, PATIENCE);
        let (Some(seed), Some(checker)) = (hunt.seed, hunt.checker) else {
            panic!("{name} survived {} runs", hunt.runs);
        };
        let healthy = swarm::expand(seed);
        let mut plan = healthy.clone();
        plan.mutant = Some(name.to_string());
        let plan = Plan::from_text("the file", &plan.to_text()).expect("a plan");
        let again = des::run(&plan, Options::default()).violation;
        let again = again.map(|violation| (violation.checker, violation.what));
        assert_eq!(again, hunt.what.map(|what| (checker, what)), "{name}");
        let without = des::run(&healthy, Options::default()).violation;
        assert_eq!(without, None, "{name}: it was the bug");
    }
}

#[test]
fn a_plan_that_fails_shrinks_to_a_few_faults_and_still_fails() {
    for name in [
        "vote-before-durable",
        "vote-not-persisted",
        "no-quorum-check",
    ] {
        let bug = mutants::all().into_iter().find(|(found, _)| *found == name);
        let hunt = mutants::hunt(bug.expect("it is planted"), 2, PATIENCE);
        let mut plan = swarm::expand(hunt.seed.expect("it is caught"));
        plan.mutant = Some(name.to_string());
        let order = shrink::Order {
            retime: 8,
            threads: 2,
            runs_max: 800,
        };
        let shrunk = shrink::shrink(&plan, order).expect("it fails, so it shrinks");
        let left = shrunk.faults_after;
        assert!(left <= 6, "{name}: {left} faults are left");
        let small = Plan::from_text("the file", &shrunk.plan.to_text()).expect("a plan");
        let again = des::run(&small, Options::default()).violation;
        assert_eq!(again.as_ref(), Some(&shrunk.violation), "{name}");
        assert_eq!(hunt.checker, Some(shrunk.violation.checker), "{name}");
    }
}

#[test]
fn the_table_of_bugs_is_complete() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("the file is readable");
    let (table, checkers) = (read("docs/mutants.md"), read("sim/src/checkers/mod.rs"));
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect()
        })
        .collect();
    let named: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    let all: Vec<&str> = mutants::all().into_iter().map(|(name, _)| name).collect();
    assert_eq!(named, all);
    for row in rows {
        let module = format!("pub mod {};", row[3]);
        assert!(checkers.contains(&module), "{row:?}");
    }
}

#[test]
fn a_core_that_waits_for_those_outside_is_caught() {
    let text = r#"
        scenario "a core and one outside"
        nodes 3
        mutant commit-waits-for-all
        at 5s isolate n3
        at 6s mend n1 n2
        heal at 25s
        end at 55s
    "#;
    let plan = Plan::from_text("the test", text).expect("a plan");
    let violation = des::run(&plan, Options::default()).violation;
    let checker = violation.map(|violation| violation.checker);
    assert_eq!(checker, Some("core_goes_on"));
    let mut healthy = plan;
    healthy.mutant = None;
    assert_eq!(des::run(&healthy, Options::default()).violation, None);
}
