//! Views: bursts of changes told as one.

use super::*;

fn views_of(out: &[Output]) -> Vec<View> {
    let view = |output: &Output| {
        let Output::View(view) = output else {
            return None;
        };
        Some(view.clone())
    };
    out.iter().filter_map(view).collect()
}

/// What a machine tells of one message, when nothing else happens.
fn lone_view(machine: &mut Membership, at: Time, updates: Vec<Update>) -> Vec<View> {
    step(machine, at, gossip(2, updates));
    let out = step(machine, at + SECOND, Input::Tick);
    views_of(&out)
}

#[test]
fn a_change_in_a_calm_cluster_is_told_one_probe_period_later() {
    let mut machine = knowing(&[2, 7]);
    let first = views_of(&step(&mut machine, Time(0) + SECOND, Input::Tick));
    let [first] = &first[..] else {
        panic!("{first:?}")
    };
    let joined: Vec<u64> = first.joined.iter().map(|member| member.node.0).collect();
    assert_eq!((first.number, first.size, joined), (1, 3, [2, 7].to_vec()));

    let at = Time::from_millis(2000);
    step(
        &mut machine,
        at,
        gossip(2, [believed(7, 1, State::Dead)].to_vec()),
    );
    let due = machine.view_deadline().map(|due| due.at);
    assert_eq!(due, Some(at + SECOND));
    let second = views_of(&step(&mut machine, at + SECOND, Input::Tick));
    let [second] = &second[..] else {
        panic!("{second:?}")
    };
    assert_eq!(
        (second.number, second.size, &second.died[..]),
        (2, 2, &[peer(7, 1)][..])
    );
    assert_ne!(second.fingerprint, first.fingerprint);
}

#[test]
fn a_view_tells_what_came_of_the_changes_and_not_the_way_there() {
    let at = Time::from_millis(5000);
    let settled = |nodes: &[u64]| {
        let mut machine = knowing(nodes);
        step(&mut machine, Time::from_millis(1000), Input::Tick);
        machine
    };
    let dead = |boot| believed(7, boot, State::Dead);
    let alive = |boot| update(7, boot, State::Alive);
    let mut risen = alive(1);
    risen.incarnation = risen.incarnation.above(risen.incarnation);

    let back = lone_view(&mut settled(&[2, 7]), at, [dead(1), risen].to_vec());
    assert_eq!(
        back,
        [],
        "dead and back in the same life: nothing has changed"
    );
    let restarted = lone_view(&mut settled(&[2, 7]), at, [dead(1), alive(2)].to_vec());
    assert_eq!(restarted[0].died, [peer(7, 1)]);
    assert_eq!(restarted[0].joined[0].peer(), peer(7, 2));
    let replaced = lone_view(&mut settled(&[2, 7]), at, [alive(2)].to_vec());
    assert_eq!(
        (&replaced[0].left[..], replaced[0].size),
        (&[peer(7, 1)][..], 3)
    );
    let visitor = lone_view(&mut settled(&[2]), at, [alive(1), dead(1)].to_vec());
    assert_eq!(visitor, [], "came and went");
}

#[test]
fn a_death_waits_for_running_suspicions_but_not_for_ever() {
    let mut machine = knowing(&[2, 7, 4]);
    step(&mut machine, Time::from_millis(1000), Input::Tick);
    let at = Time::from_millis(2000);
    let suspect = update(4, 1, State::Suspect);
    let death = believed(7, 1, State::Dead);
    step(&mut machine, at, gossip(2, [death, suspect].to_vec()));
    assert_eq!(
        machine.view_deadline().map(|due| due.at),
        Some(at + SECOND * 10)
    );
    // It refutes, and the death is old enough.
    let mut refuted = update(4, 1, State::Alive);
    refuted.incarnation = refuted.incarnation.above(refuted.incarnation);
    let out = step(&mut machine, at + SECOND * 2, gossip(2, [refuted].to_vec()));
    assert_eq!(views_of(&out).len(), 1);

    // Someone is suspected again and again, each time under a higher incarnation.
    let mut flapping = update(4, 1, State::Suspect);
    let at = Time::from_millis(20_000);
    step(
        &mut machine,
        at,
        gossip(2, [update(5, 1, State::Alive)].to_vec()),
    );
    let mut found = Vec::new();
    for half in 0..24 {
        flapping.incarnation = flapping.incarnation.above(flapping.incarnation);
        let now = at + Duration::from_millis(500) * half;
        let out = step(&mut machine, now, gossip(2, [flapping.clone()].to_vec()));
        found.extend(
            views_of(&out)
                .into_iter()
                .map(|view| (now, view.joined.len())),
        );
    }
    assert_eq!(found, [(at + SECOND * 10, 1)]);
}

#[test]
fn ten_crashes_at_a_moment_are_one_view_everywhere() {
    let mut net = Net::joined(64);
    net.run(SECOND * 10);
    net.views.clear();
    (55..=64).for_each(|node| net.crash(node));
    let crashed = net.now;
    net.run(SECOND * 30);
    for node in 1..=54 {
        let of: Vec<_> = net
            .views
            .iter()
            .filter(|(_, who, _)| *who == NodeId(node))
            .collect();
        let [(at, _, view)] = &of[..] else {
            panic!("n{node}: {of:?}")
        };
        assert_eq!((view.died.len(), view.size), (10, 54));
        assert!(at.since(crashed) < SECOND * 10, "{at}");
    }
}

#[test]
fn fifty_joins_are_few_views_and_all_end_with_one_fingerprint() {
    let mut net = Net::joined(4);
    net.run(SECOND * 5);
    net.views.clear();
    (5..=54).for_each(|node| net.start(node, 1, &[1]));
    net.run(SECOND * 20);
    net.assert_all_alive(54);
    let of = |node| {
        let views = net
            .views
            .iter()
            .filter(move |(_, who, _)| *who == NodeId(node));
        views.map(|(_, _, view)| view)
    };
    for node in 1..=4 {
        let joined: usize = of(node).map(|view| view.joined.len()).sum();
        assert_eq!((of(node).count(), joined), (1, 50), "n{node}");
    }
    let last: BTreeSet<u64> = (1..=54)
        .filter_map(|node| Some(of(node).next_back()?.fingerprint))
        .collect();
    assert_eq!(last.len(), 1);
}
