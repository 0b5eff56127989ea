//! Reads by a lease are linearizable while no clock goes beyond the stated bound, and the checker
//! tells when one does.

use quorate_sim::checkers::Violation;
use quorate_sim::engine::des::{self, Options};
use quorate_sim::marks::Mark;
use quorate_sim::plan::Plan;

/// The leader, whose clock is slow, is cut off again and again from the others, whose clocks are
/// fast; what it is asked meanwhile it answers as long as it trusts its lease.
fn story(bound: u64, drift: u64) -> String {
    let fast = (1..=5).map(|node| format!("clock n{node} drift +{drift}ppm"));
    let fast = fast.collect::<Vec<_>>().join(" ; ");
    let mut text = format!(
        "nodes 5\nclients 4 every 10ms\nzombies 0\nreaders 8 every 5ms\n\
         config raft.lease_drift_ppm {bound}\n"
    );
    for second in (3..23).step_by(2) {
        text.push_str(&format!(
            "at {second}s {fast}\nat {second}.1s clock leader drift -{drift}ppm\n\
             at {second}.6s isolate leader for 1s\n"
        ));
    }
    text.push_str("heal at 25s\nend at 30s\n");
    text
}

fn run(bound: u64, drift: u64, seed: u64) -> (Option<Violation>, u64, bool) {
    let text = format!("seed {seed}\n{}", story(bound, drift));
    let plan = Plan::from_text("leases", &text).expect("a plan");
    let report = des::run(&plan, Options::default());
    let leased = report.marks.has(Mark::ReadByLease);
    (report.violation, report.totals.reads, leased)
}

#[test]
fn clocks_within_the_bound_make_no_read_stale() {
    for seed in 1..=8 {
        let (violation, reads, leased) = run(20_000, 20_000, seed);
        assert_eq!(violation, None, "seed {seed}");
        assert!(leased && reads > 1_000, "seed {seed}: {reads}");
    }
}

#[test]
fn clocks_beyond_the_bound_make_reads_stale_and_the_checker_says_so() {
    let mut stale = 0;
    for seed in 1..=8 {
        let (violation, ..) = run(100, 400_000, seed);
        let is_stale = |it: &Violation| it.checker == "reads_are_linearizable";
        stale += u32::from(violation.as_ref().is_some_and(is_stale));
    }
    assert!(stale > 0, "the checker sees no stale read");
}

#[test]
fn without_leases_no_clock_makes_a_read_stale() {
    for seed in 1..=4 {
        let (violation, reads, leased) = run(0, 400_000, seed);
        let is_stale = |it: &Violation| it.checker == "reads_are_linearizable";
        assert!(!violation.as_ref().is_some_and(is_stale), "{violation:?}");
        assert!(!leased && reads > 0);
    }
}
