//! Partial partitions: some hear some.

use core::time::Duration;

use super::words::{MS, n};
use super::world::World;

/// Every row: the network is damaged, commits must resume, and the term must not run away. The old
/// leader and the cuts are numbered as in the row; a seed in which another node leads is skipped.
fn survives(name: &str, voters: u64, leader: u64, damage: impl Fn(&mut World), within: Duration) {
    let mut tried = 0;
    for seed in 0..60 {
        let mut world = World::new(voters, 0, 500 + seed);
        if world.elect() != n(leader) {
            continue;
        }
        tried += 1;
        let term = world.term().0;
        damage(&mut world);
        world.run(within);
        let count = world.ledger_len();
        for number in 0..50 {
            if let Some(leader) = world.leader() {
                world.propose(leader, number);
            }
            world.run(100 * MS);
        }
        let committed = world.ledger_len() - count;
        assert!(committed >= 45, "{name}, seed {seed}: {committed} of 50");
        let grown = world.term().0 - term;
        assert!(grown <= 2, "{name}, seed {seed}: {grown} terms");
        world.check_log_matching();
    }
    assert!(tried >= 4, "{name}: {tried} seeds tell something");
}

/// Partial partitions: bridges (A, B, C), a leader that is deaf (E) or dumb (F), a deaf follower
/// (G).
#[test]
fn partial_partitions_neither_stop_commits_nor_raise_terms() {
    let two_timeouts = 600 * MS;
    let a = [(1, 4), (3, 4), (1, 5), (2, 5), (4, 5)];
    survives("A", 5, 1, |w| w.split(&a), two_timeouts);
    survives("B", 3, 3, |w| w.split(&[(1, 3)]), two_timeouts);
    let c = [(2, 3), (2, 4), (2, 5), (3, 4), (3, 5), (4, 5)];
    survives("C", 5, 3, |w| w.split(&c), 900 * MS);
    survives("E", 5, 1, |w| (2..=5).for_each(|x| w.cut(x, 1)), 900 * MS);
    survives(
        "F",
        5,
        1,
        |w| (2..=5).for_each(|x| w.cut(1, x)),
        two_timeouts,
    );
    survives(
        "G",
        5,
        1,
        |w| [1, 3, 4, 5].iter().for_each(|x| w.cut(*x, 2)),
        two_timeouts,
    );
}
