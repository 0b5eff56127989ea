//! A planted bug is caught within a number of seeds, by the right checker, and the plan that caught
//! it catches it again, and shrinks to a few faults.

#![cfg(feature = "mutants")]

use quorate_sim::engine::des::{self, Options};
use quorate_sim::plan::Plan;
use quorate_sim::shrink;
use quorate_sim::soak::{self, Order};

fn is_caught(mutant: &str, seeds: u64, checkers: &[&str]) {
    let mutant = Some(mutant.to_string());
    let order = Order {
        start: 0,
        seeds,
        threads: 2,
        mutant,
        failures_max: 1,
    };
    let harvest = soak::soak(&order, |_| {});
    let (plan, report) = harvest.failures.first().expect("some seed catches it");
    let violation = report.violation.as_ref().expect("a violation");
    assert!(checkers.contains(&violation.checker), "{violation:?}");
    let plan = Plan::from_text("the file", &plan.to_text()).expect("a plan");
    assert_eq!(
        des::run(&plan, Options::default()).violation.as_ref(),
        Some(violation)
    );
    let order = shrink::Order {
        retime: 8,
        threads: 2,
        runs_max: 800,
    };
    let shrunk = shrink::shrink(&plan, order).expect("it fails, so it shrinks");
    assert!(
        shrunk.faults_after <= 6,
        "{} faults are left",
        shrunk.faults_after
    );
    assert!(shrunk.plan.name.starts_with(violation.checker));
    let small = Plan::from_text("the file", &shrunk.plan.to_text()).expect("a plan");
    let again = des::run(&small, Options::default())
        .violation
        .expect("it still fails");
    assert_eq!(
        (again.checker, &again),
        (violation.checker, &shrunk.violation)
    );
    let healthy = Plan {
        mutant: None,
        ..plan
    };
    assert_eq!(
        des::run(&healthy, Options::default()).violation,
        None,
        "it was the bug"
    );
}

#[test]
fn a_vote_that_leaves_before_it_is_durable() {
    is_caught(
        "vote-before-durable",
        300,
        &["one_vote_per_term", "one_leader_per_term"],
    );
}

#[test]
fn a_vote_that_is_never_durable() {
    is_caught(
        "vote-not-persisted",
        400,
        &["one_vote_per_term", "one_leader_per_term"],
    );
}

#[test]
fn a_leader_that_leads_without_a_quorum() {
    is_caught("no-quorum-check", 20, &["leader_steps_down"]);
}
