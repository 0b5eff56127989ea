//! Candidates that get in each other's way.

use super::words::{MS, n};
use super::world::World;
use crate::time::Time;

/// How long an election may take over a network that is as slow as the waits are far apart.
const BOUND_MS: u32 = 3_000;

/// Answers take longer than the draws of two voters usually differ: they collide, and the next
/// draws tell them apart.
#[test]
fn candidates_that_collide_are_told_apart_by_their_next_draws() {
    let (mut collided, mut longest) = (0, Time::ZERO);
    for seed in 0..300 {
        let mut world = World::new(3, 0, 9_000 + seed);
        world.latency = (30 * MS, 60 * MS);
        world.run_until(BOUND_MS * MS, |world| world.leader().is_some());
        let attempts: u64 = (1..=3)
            .map(|it| world.raft(n(it)).stats().pre_elections)
            .sum();
        collided += u64::from(attempts > 1);
        longest = longest.max(world.now);
    }
    assert!(collided > 100, "only {collided} of 300 had rivals");
    assert!(
        longest > Time::from_millis(300),
        "{longest:?}: nobody had to draw again"
    );
}
