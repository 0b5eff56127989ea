//! The language as a whole: texts that are plans, texts that are none, and noise.

use quorate_core::seed::{Random, Seed, Stream};

use super::*;
use crate::engine::des::{self, Options};
use crate::marks::Mark;
use crate::plan::{Fate, Fault, Part, Who};
use crate::span::Span;

fn problems(text: &str) -> Vec<String> {
    let Err(problems) = Plan::from_text("t", text) else {
        return Vec::new();
    };
    let told = |(problem, _): &(Problem, String)| {
        let place = problem.place;
        format!("{}:{}: {}", place.line, place.column, problem.what)
    };
    problems.all.iter().map(told).collect()
}

#[track_caller]
fn refused(text: &str, at: &str, what: &str) {
    let found = problems(text);
    let is_it = |told: &String| told.starts_with(at) && told.contains(what);
    assert!(found.iter().any(is_it), "{text}\n{found:#?}");
}

fn faults(lines: &str) -> Vec<String> {
    let plan = Plan::from_text("t", lines).unwrap_or_else(|problems| panic!("{problems}"));
    plan.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_plan_survives_its_text() {
    for seed in 0..400 {
        let plan = crate::swarm::expand(seed);
        let text = plan.to_text();
        match Plan::from_text("x", &text) {
            Ok(again) => assert_eq!(again, plan, "{text}"),
            Err(problems) => panic!("{problems}\n{text}"),
        }
    }
}

#[test]
fn an_action_may_be_said_in_several_ways() {
    let said = |text: &str| faults(&format!("nodes 5\nzones a a b b c\n{text}"));
    let rows = [
        (
            "at 5s crash leader torn, restart after 3s",
            "crash leader torn, restart after 3s",
        ),
        ("at 5s crash n2 for 3s", "crash n2, restart after 3s"),
        ("at 5s kill n2", "crash n2 keeping disk"),
        ("at 5s crash n2 at 3rd persist", "crash n2 at persist 3"),
        (
            "at 5s crash n2 between persist and send",
            "crash n2 at sync 1",
        ),
        (
            "at 5s crash n2 after vote wiped",
            "crash n2 after vote 1 wiped",
        ),
        (
            "at 5s crash n2 rebuilt, restart after 3s",
            "crash n2 rebuilt, restart after 3s",
        ),
        ("at 5s cut n1 -> n3", "cut n1 -> n3"),
        ("at 5s isolate n1 for 2s", "cut n1 <-> all for 2s"),
        ("at 5s deafen n1", "cut all -> n1"),
        ("at 5s cut zone a <-> zone b", "cut n1 n2 <-> n3 n4"),
        ("at 5s partition n1 n2", "partition n1 n2 | rest"),
        (
            "at 5s partition leader+1|rest for 4s",
            "partition leader + 1 | rest for 4s",
        ),
        (
            "at 5s partition zone a | zone b zone c",
            "partition n1 n2 | n3 n4 n5",
        ),
        (
            "at 5s latency n1 <-> n2 40ms jitter 10ms",
            "network n1 <-> n2 latency 30ms..50ms",
        ),
        ("at 5s loss all 0.5% for 2s", "network all loss 0.5% for 2s"),
        (
            "at 5s bandwidth n1 -> n2 8Mbit/s",
            "network n1 -> n2 bandwidth 1MB/s",
        ),
        (
            "at 5s spikes n1 1% of 200ms",
            "network n1 <-> all spikes 1% of 200ms",
        ),
        ("at 5s crash n2 silently", "crash n2 silently"),
        ("at 5s half-open n1 <-> n2", "half-open n1 <-> n2"),
        ("at 5s reset leader", "reset leader <-> all"),
        ("at 5s stall n1 -> n2 for 1s", "stall n1 -> n2 for 1s"),
        (
            "at 5s slow cpu n3 by 5ms for 10s",
            "cpu n3 slow 5ms for 10s",
        ),
        ("at 5s clock n3 drift +200ppm", "clock n3 drift 200ppm"),
        ("at 5s drift n3 -1%", "clock n3 drift -10000ppm"),
        ("at 5s clock n3 jump 2s", "clock n3 jump 2s"),
        ("at 5s disk n3 stall for 2s", "disk n3 stall for 2s"),
        ("at 5s disk n3 error", "disk n3 error"),
        ("at 5s flip bit on n3", "disk n3 bit flip"),
        ("at 5s join n5", "join n5"),
        ("at 5s leave n5", "leave n5"),
        ("at 5s ask n2 read key", "ask n2 read \"key\""),
        ("at 5s ask n2 write \"a b\" c", "ask n2 write \"a b\" \"c\""),
        (
            "at 5s transfer leadership to n2",
            "ask leader transfer to n2",
        ),
        ("at 5s add voter n5", "ask leader add-voter n5"),
        ("at 5s remove voter n1", "ask leader remove-voter n1"),
        ("at 5s pause leader for 3s", "pause leader for 3s"),
        (
            "at 5s disk n1 slow 100ms for 3s",
            "disk n1 slow 100ms for 3s",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(said(text), [expected], "{text}");
    }
    let two = said("at 7s latency n1 <-> n2 40ms ; zone a <-> zone b 30ms; crash n3 n4");
    assert_eq!(
        two,
        [
            "network n1 <-> n2 latency 40ms",
            "network n1 n2 <-> n3 n4 latency 30ms",
            "crash n3",
            "crash n4"
        ]
    );
    assert_eq!(
        said("every 2s from 4s to 8s pause random for 100ms").len(),
        3
    );
}

#[test]
fn windows_are_drawn_from_the_seed() {
    let text = "nodes 3\nseeds 1..20\nbetween 4s and 8s crash leader\nafter 1s..2s restart leader";
    let scenario = Scenario::parse("t", text).unwrap();
    assert_eq!((scenario.seeds.first, scenario.seeds.last), (1, 20));
    let at = |seed| scenario.plan(seed).unwrap().faults[0].at;
    let window = Span::from_ms(4_000)..=Span::from_ms(8_000);
    assert!((1..=20).all(|seed| window.contains(&at(seed))));
    assert!((1..=20).any(|seed| at(seed) != at(1)));
    for seed in 1..=20 {
        let plan = scenario.plan(seed).unwrap();
        let gap = plan.faults[1].at.minus(plan.faults[0].at);
        assert!((1_000..=2_000).contains(&gap.ms()), "{gap}");
        assert_eq!(Plan::from_text("t", &plan.to_text()).unwrap(), plan);
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_place() {
    refused("nodes 3\nvoters 4", "2:8", "4 voters, but only 3 nodes");
    refused("seed 1\nseed 2", "2:1", "given in line 1");
    refused("seed 1\nseeds 2..3", "2:1", "given in line 1");
    refused("nodes 3\nnodes 4", "2:1", "given in line 1");
    refused("heal at 30s\nend at 20s", "1:1", "after the end");
    refused("end at 20s\nat 21s crash n1", "2:8", "after the end");
    refused("heal at 20s\nat 21s crash n1", "2:8", "after the heal");
    refused("between 9s and 8s crash n1", "1:9", "reversed");
    refused("at 9s..8s crash n1", "1:4", "reversed");
    refused(
        "nodes 5\nat 5s crash n9",
        "2:13",
        "n9 is not in the cluster",
    );
    refused("at 5s restart n1", "1:7", "never crashed");
    refused("at 5s crash n1\nat 4s restart n1", "2:7", "never crashed");
    refused("at 5s partition n1 n2 | n2 n3", "1:17", "two places");
    refused("at 5s cut n1 -> n1", "1:11", "reaches itself");
    refused(
        "at 5s crash n1\nexpect leader by 4s",
        "2:15",
        "before the event",
    );
    refused("end at 9s\nexpect leader by 10s", "2:1", "after the end");
    refused("zones a b", "1:1", "2 zones for 5 nodes");
    refused(
        "at 5s latency n1 <-> n2 10ms jitter 20ms",
        "1:37",
        "exceeds",
    );
    refused("at 5s heal for 3s", "1:12", "");
    refused("at 5s reset n1 for 3s", "1:16", "not understood");
    refused("at 5s stall n1 -> n2", "1:21", "how long");
    refused("at 5s drain n1", "1:7", "this build cannot drain");
    refused("sessions 3", "1:1", "no workload of sessions");
    refused("at 5s crash n5\nat 9s join n5", "2:7", "never left");
    refused("at 5s crash n1\nat 6s resume n1", "2:7", "never paused");
}

#[test]
fn words_that_are_nearly_right_are_corrected() {
    refused("nods 3", "1:1", "did you mean `nodes`");
    refused("at 5s crahs n1", "1:7", "did you mean `crash`");
    refused("at 5s crash leder", "1:13", "did you mean `leader`");
    refused("at 5s crash n1 trn", "1:16", "did you mean `torn`");
    refused("expect laeder within 2s", "1:8", "did you mean `leader`");
    refused("expect leader wthin 2s", "1:15", "did you mean `within`");
    refused("crash n1", "1:1", "needs a moment");
    refused("at 5 crash n1", "1:4", "with its unit");
    refused("preset lam", "1:8", "did you mean `lan`");
    refused(
        "zones a a b b c\nat 5s cut zone d -> n1",
        "2:16",
        "no zone `d`",
    );
    refused(
        "config raft.heartbeat_intervall 5ms",
        "1:8",
        "raft.heartbeat_interval",
    );
}

#[test]
fn all_problems_come_at_once_in_order() {
    let text = "nodes 3\nvoters 9\nat 5s explode\n\n# fine\nat 5s crash n8; pause n9\nend at 4s";
    let found = problems(text);
    let lines: Vec<&str> = found
        .iter()
        .filter_map(|told| told.split(':').next())
        .collect();
    assert_eq!(lines, ["2", "3", "6", "6"], "{found:#?}");
}

#[test]
fn a_setting_reaches_the_nodes_and_a_bad_one_is_refused_where_it_stands() {
    let text = "nodes 3\npreset wan\nconfig raft.heartbeat_interval 100ms\n\
                config control.proposals_max 7 on n2";
    let plan = Plan::from_text("t", text).unwrap();
    let of = |node| config(&plan, node, 0).unwrap();
    assert_eq!(of(1).raft.heartbeat_interval.as_millis(), 100);
    assert_eq!(of(1).raft.election_timeout_min.as_millis(), 1_000);
    assert_eq!(
        (of(2).control.proposals_max, of(1).control.proposals_max),
        (7, 4096)
    );
    let short = Plan::from_text("t", "config raft.heartbeat_ms 40").unwrap();
    assert_eq!(short.settings[0].key, "raft.heartbeat_interval");
    assert_eq!(short.settings[0].value, "40ms");
    refused(
        "\nconfig raft.heartbeat_interval 10s",
        "2:1",
        "election_timeout_min",
    );
    refused("config voters 3", "1:8", "say `voters`");
    refused("config raft.heartbeat_interval 5", "1:32", "with its unit");
    refused("config control.proposals_max many", "1:30", "a number");
    let twice = "config control.proposals_max 7\nconfig control.proposals_max 8";
    refused(twice, "2:8", "set twice");
}

#[test]
fn an_end_that_is_not_said_leaves_time_for_all_that_is() {
    let plan = Plan::from_text("t", "at 5s crash n1").unwrap();
    assert_eq!((plan.heal, plan.end), (None, Span::from_ms(15_000)));
    let plan = Plan::from_text("t", "at 5s crash n1\nexpect dead n1 within 9s").unwrap();
    assert_eq!(plan.end, Span::from_ms(24_000));
    let plan = Plan::from_text("t", "at 5s crash n1\nheal at 20s").unwrap();
    assert_eq!(plan.end, Span::from_ms(50_000));
}

#[test]
fn expectations_count_from_the_event_before_them() {
    let text = "nodes 5\nat 5s crash leader\nexpect new leader within 2s\nheal at 20s\n\
                expect converged within 20s";
    let plan = Plan::from_text("t", text).unwrap();
    let said: Vec<String> = plan.expect.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "new leader within 2s since 5s",
            "converged within 20s since 20s"
        ]
    );
}

#[test]
fn a_file_that_is_no_text_or_too_large_is_refused() {
    let path = |name: &str| std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
    let (noise, huge) = (path("noise"), path("huge"));
    std::fs::write(&noise, b"nodes 3\nseed \xff\xfe").unwrap();
    std::fs::write(&huge, vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
    let told = |path: &Path| Scenario::read(path).unwrap_err().to_string();
    assert!(told(&noise).ends_with("noise:2: this is not UTF-8 text"));
    assert!(told(&huge).contains("bytes"));
    let gone = path("gone");
    assert!(matches!(
        Scenario::read(&gone),
        Err(ScenarioError::File { .. })
    ));
    std::fs::remove_file(noise).unwrap();
    std::fs::remove_file(huge).unwrap();
}

/// Words that stand next to each other by chance find what no thought-out test does.
fn mutated(text: &str, random: &mut Random) -> String {
    let words = [
        "at",
        "5s",
        "crash",
        "n1",
        "n99999999999999999999",
        "->",
        "<->",
        "|",
        ";",
        "..",
        "\"",
        "for",
        "leader",
        "0s",
        "999999999h",
        "every",
        "1ns",
        "from",
        "to",
        "expect",
        "within",
        "zone",
        "random",
        "100",
        "101%",
        "-1",
        "é",
        "\u{0}",
        "rest",
        "+",
        "=",
        "config",
        "voters",
    ];
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for _ in 0..=random.below(4) {
        let at = random.index(lines.len());
        let line = &mut lines[at];
        let mut parts: Vec<String> = line.split(' ').map(str::to_string).collect();
        let place = random.index(parts.len());
        match random.below(5) {
            0 => parts[place] = words[random.index(words.len())].to_string(),
            1 => parts.insert(place, words[random.index(words.len())].to_string()),
            2 => {
                parts.remove(place);
            }
            3 => parts[place] = parts[place].chars().rev().collect(),
            _ => parts.truncate(place),
        }
        *line = parts.join(" ");
    }
    lines.join("\n")
}

#[test]
fn noise_gives_a_plan_or_problems_with_places_and_never_a_panic() {
    let mut random = Seed::from_number(3).stream(Stream::Plan);
    let mut texts: Vec<String> = (0..40)
        .map(|seed| crate::swarm::expand(seed).to_text())
        .collect();
    texts.extend(
        crate::scenarios::ALL
            .iter()
            .map(|story| story.text.to_string()),
    );
    let (mut plans, mut refusals) = (0, 0);
    for round in 0..4_000 {
        let text = mutated(&texts[round % texts.len()], &mut random);
        match Plan::from_text("t", &text) {
            Ok(plan) => {
                plans += 1;
                let again = Plan::from_text("t", &plan.to_text());
                assert_eq!(again.as_ref(), Ok(&plan), "{text}");
            }
            Err(problems) => {
                refusals += 1;
                assert!(!problems.all.is_empty() && !problems.to_string().is_empty());
                let lines = text.lines().count().max(1);
                let fits = |(it, _): &(Problem, String)| (1..=lines).contains(&it.place.line);
                assert!(problems.all.iter().all(fits), "{problems}");
            }
        }
    }
    assert!(plans > 100 && refusals > 100, "{plans} {refusals}");
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..random.below(80))
            .map(|_| random.word().to_le_bytes()[0])
            .collect();
        let _ = Plan::from_text("t", &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn an_expectation_is_met_or_names_what_was_found_and_changes_nothing() {
    let head = "nodes 3\nat 5s crash leader, restart after 9s\n";
    let good = "expect new leader within 2s\nexpect dead leader within 9s\nexpect terms >= 2\n";
    let bad = "expect same leader for 3s\nexpect no death\nexpect terms <= 1\n";
    let run = |text: &str| {
        let plan = Plan::from_text("t", &format!("{head}{text}end at 25s")).unwrap();
        des::run(&plan, Options::default())
    };
    let (none, met, unmet) = (run(""), run(good), run(bad));
    assert!(met.is_ok(), "{:#?}", met.expectations);
    assert_eq!(unmet.unmet().count(), 3, "{:#?}", unmet.expectations);
    assert_eq!((&none.trace, &none.trace), (&met.trace, &unmet.trace));
}

/// Runs a text; all expectations must be met and no property broken.
#[track_caller]
fn goes_as_told(text: &str) -> crate::marks::Marks {
    let plan = Plan::from_text("t", text).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(Plan::from_text("t", &plan.to_text()).as_ref(), Ok(&plan));
    let report = des::run(&plan, Options::default());
    let unmet: Vec<_> = report.unmet().collect();
    assert!(report.is_ok(), "{:?} {unmet:#?}", report.violation);
    report.marks
}

#[test]
fn a_flipped_bit_is_caught_and_a_failed_sync_is_final_and_the_cluster_goes_on() {
    let marks = goes_as_told(
        "nodes 5\nat 5s flip bit on n2\nat 6s crash n2, restart after 1s\n\
         expect corrupt n2 by 9s\nat 10s disk n3 error\nexpect halted n3 within 3s\n\
         expect dead n3 within 10s\nat 14s disk leader stall for 3s\n\
         expect leader by 20s\nexpect halted n3\nexpect corrupt n2\n\
         expect acknowledged lost 0\nheal at 25s\nend at 50s",
    );
    for mark in [Mark::BitFlipCaught, Mark::DiskFailed, Mark::DiskStalled] {
        assert!(marks.has(mark), "{mark:?}");
    }
}

#[test]
fn connections_break_in_every_way_and_the_cluster_goes_on() {
    let marks = goes_as_told(
        "nodes 5\nat 4s half-open leader <-> all\nexpect leader by 11s\nat 12s reset leader\n\
         at 14s stall leader -> all for 400ms\nat 16s crash leader silently, restart after 8s\n\
         expect new leader within 2s\nexpect dead leader within 7s\n\
         at 18s loss all 5% for 3s ; bandwidth all 200kB/s for 3s\n\
         expect acknowledged lost 0\nheal at 25s\nend at 50s",
    );
    for mark in [Mark::SilentCrash, Mark::ConnectionReset, Mark::Burst] {
        assert!(marks.has(mark), "{mark:?}");
    }
}

#[test]
fn clocks_that_differ_and_a_slow_processor_cost_no_life() {
    let marks = goes_as_told(
        "nodes 5\nat 4s clock n1 drift +20000ppm for 10s ; n2 drift -20000ppm for 8s\n\
         at 5s cpu n4 slow 500us for 3s\nat 9s clock n3 jump 300ms\n\
         expect leader by 15s\nexpect no death\nheal at 20s\nend at 50s",
    );
    assert!(marks.has(Mark::SlowTurn));
}

#[test]
fn nodes_join_leave_move_and_are_asked() {
    let marks = goes_as_told(
        "nodes 6\nvoters 3\nconfig electorate.target 0\nat 5s join n6\n\
         expect alive n6 everywhere within 5s\nat 10s leave n5\nexpect gone n5 within 6s\n\
         expect answered\nat 18s transfer leadership to n2\nexpect leader n2 within 2s\n\
         at 21s join n5\nexpect alive n5 within 6s\nat 25s transfer to n6\nexpect refused\n\
         at 26s ask n1 write k v; ask n1 set-state a b; ask n1 barrier\n\
         expect answered within 2s\nat 27s add voter n4\nexpect answered within 3s\n\
         at 28s crash n4\nat 34s restart n4 at new address\n\
         expect alive n4 everywhere within 8s\nat 37s ask n2 grant archive to n1\n\
         expect answered within 1s\nat 38s ask n2 release archive\nexpect answered within 1s\n\
         at 39s ask n1 grant archive to n2 under e1\nexpect refused within 1s\n\
         heal at 45s\nend at 75s",
    );
    assert!(marks.has(Mark::Departure));
}

#[test]
fn a_plan_can_be_built_by_hand_as_well() {
    let mut plan = Plan::quiet("q", 1, 3);
    plan.strike(
        5_000,
        Fault::Crash {
            who: Who::Part(Part::Leader),
            moment: crate::plan::Moment::Now,
            fate: Fate::Torn,
            silent: false,
            restart: None,
        },
    );
    assert_eq!(Plan::from_text("t", &plan.to_text()), Ok(plan));
}
