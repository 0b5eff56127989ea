//! The first seeds hold every property, and a run is a function of its plan.

use std::process::Command;

use quorate_sim::engine::des::{self, Options};
use quorate_sim::{scenarios, swarm};

#[test]
fn twenty_seeds_hold_every_property_twice_with_the_same_trace() {
    for seed in 0..20 {
        let plan = swarm::expand(seed);
        let first = des::run(&plan, Options::default());
        assert_eq!(first.violation, None, "seed {seed}");
        assert!(
            first.totals.acknowledged > 0,
            "seed {seed}: {:?}",
            first.totals
        );
        let second = des::run(&plan, Options { timeline: true });
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert!(!second.timeline.is_empty());
    }
}

#[test]
fn every_scenario_goes_as_told() {
    for scenario in scenarios::ALL {
        for seed in 1..=3 {
            let report = des::run(&scenario.plan(seed), Options::default());
            let story = (scenario.name, seed);
            assert_eq!(
                (&report.violation, report.unmet().count()),
                (&None, 0),
                "{story:?}: {report:?}"
            );
        }
    }
}

#[test]
fn seeds_differ_and_two_processes_agree() {
    let trace = |seed: &str| {
        let sim = env!("CARGO_BIN_EXE_sim");
        let args = ["run", "leader-crash", "--quiet", "--seed", seed];
        let output = Command::new(sim)
            .args(args)
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        let trace = text.lines().find_map(|line| line.strip_prefix("trace "));
        let trace = trace.expect("a trace").to_string();
        assert!(
            trace.len() == 16 && trace.chars().all(|c| c.is_ascii_hexdigit()),
            "{trace}"
        );
        trace
    };
    assert_eq!(trace("7"), trace("7"));
    assert_ne!(trace("7"), trace("8"));
    let here = des::run(
        &scenarios::find("leader-crash").unwrap().plan(7),
        Options::default(),
    );
    assert_eq!(here.trace, trace("7"));
}
