//! One time line for lives that each had a clock of their own.
//!
//! A recording says what the wall clock showed when the node's own clock showed zero. That puts it
//! on the line as well as the wall clocks agree. Then causality corrects: a message is not received
//! before it is sent, and a life does not begin before the one before it has ended. Where the wall
//! clocks say otherwise, lives are moved later, as little as is needed for all messages at once.
//!
//! How sure that is, the messages say too: those to a node bound how early it can lie, those from
//! it how late.

use serde::Serialize;

use super::connections::Matches;
use super::life::Life;

/// Where a life lies on the line, and how sure that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The moment of its first step.
    pub from_ns: u64,
    /// The moment of its last.
    pub until_ns: u64,
    /// How far it was moved from where its wall clock puts it.
    pub moved_ns: u64,
    /// So much earlier it may lie, measured against the first recording; unknown when no message
    /// bounds it.
    pub earlier_ns: Option<u64>,
    /// So much later.
    pub later_ns: Option<u64>,
}

/// The line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Of each life.
    pub(super) places: Vec<Place>,
    /// What to add to the own clock of each.
    shifts: Vec<i128>,
    pub(super) unix_ns: Option<u64>,
    pub(super) drift_ns: u64,
}

impl Line {
    /// The moment on the line when the clock of a life shows this.
    pub(super) fn at(&self, life: usize, own_ns: u64) -> u64 {
        clamped(self.shifts[life] + i128::from(own_ns))
    }
}

/// More lives than this are not measured against each other, which takes their number to the third
/// power.
const MEASURED_MAX: usize = 200;

/// How much later than the clock of `a` that of `b` must be read, at least: `bounds[a][b]`.
type Bounds = Vec<Vec<Option<i128>>>;

pub(super) fn lay(lives: &[Life], matches: &Matches) -> Line {
    let bounds = bounds(lives, matches);
    let known = lives.iter().filter_map(|life| life.unix_ns).min();
    let wall = |life: &Life| i128::from(life.unix_ns.or(known).unwrap_or(0));
    let given: Vec<i128> = lives.iter().map(wall).collect();
    let (moved, drift) = relax(&given, &bounds);
    let begin = |(life, shift): (&Life, &i128)| shift + i128::from(life.start.now.as_nanos());
    let zero = lives.iter().zip(&moved).map(begin).min().unwrap_or(0);
    let shifts: Vec<i128> = moved.iter().map(|shift| shift - zero).collect();
    let longest = longest_ways(&bounds);
    let places = lives.iter().enumerate().map(|(index, life)| {
        let at = |own: u64| clamped(shifts[index] + i128::from(own));
        let distance = moved[index] - moved[0];
        let least = longest.as_ref().and_then(|ways| ways[0][index]);
        let most = longest.as_ref().and_then(|ways| ways[index][0]);
        Place {
            from_ns: at(life.start.now.as_nanos()),
            until_ns: at(life.end().as_nanos()),
            moved_ns: clamped(moved[index] - given[index]),
            earlier_ns: least.map(|least| clamped(distance - least)),
            later_ns: most.map(|most| clamped(-most - distance)),
        }
    });
    Line {
        places: places.collect(),
        shifts,
        unix_ns: known.map(|_| clamped(zero)),
        drift_ns: clamped(drift),
    }
}

fn clamped(nanos: i128) -> u64 {
    u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
}

fn bounds(lives: &[Life], matches: &Matches) -> Bounds {
    let mut bounds: Bounds = vec![vec![None; lives.len()]; lives.len()];
    let own = |nanos: u64| i128::from(nanos);
    let mut demand = |before: usize, after: usize, least: i128| {
        let bound = &mut bounds[before][after];
        *bound = Some(bound.map_or(least, |known: i128| known.max(least)));
    };
    for ((receiver, received), (sender, sent)) in matches {
        let sent = lives[*sender].steps[*sent].now.as_nanos();
        let received = lives[*receiver].steps[*received].now.as_nanos();
        demand(*sender, *receiver, own(sent) - own(received));
    }
    for (index, pair) in lives.windows(2).enumerate() {
        if pair[0].peer.node == pair[1].peer.node {
            let (end, begin) = (pair[0].end(), pair[1].start.now);
            demand(
                index,
                index + 1,
                own(end.as_nanos()) - own(begin.as_nanos()),
            );
        }
    }
    bounds
}

/// The least move later that satisfies all bounds, and what is left unsatisfied: that cannot be
/// when no clock drifts, since then the true places satisfy them all.
fn relax(given: &[i128], bounds: &Bounds) -> (Vec<i128>, i128) {
    let mut places = given.to_vec();
    let mut left = 0;
    // As many rounds as lives, and one more to see what they left.
    for _ in 0..=given.len() {
        left = 0;
        for before in 0..given.len() {
            for (after, least) in bounds[before].iter().enumerate() {
                let Some(least) = least else { continue };
                let short = (places[before] + least - places[after]).max(0);
                places[after] += short;
                left = left.max(short);
            }
        }
    }
    (places, left)
}

/// The strongest bound between each two lives, over all others; none for too many lives.
fn longest_ways(bounds: &Bounds) -> Option<Bounds> {
    let count = bounds.len();
    if count > MEASURED_MAX {
        return None;
    }
    let mut ways = bounds.clone();
    for (life, row) in ways.iter_mut().enumerate() {
        row[life] = Some(0);
    }
    for over in 0..count {
        for from in 0..count {
            for to in 0..count {
                if let (Some(first), Some(second)) = (ways[from][over], ways[over][to]) {
                    let way = first + second;
                    ways[from][to] = Some(ways[from][to].map_or(way, |known| known.max(way)));
                }
            }
        }
    }
    Some(ways)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds_of(list: &[(usize, usize, i128)], count: usize) -> Bounds {
        let mut bounds: Bounds = vec![vec![None; count]; count];
        for (a, b, least) in list {
            bounds[*a][*b] = Some(*least);
        }
        bounds
    }

    #[test]
    fn a_clock_behind_is_moved_as_far_as_messages_say_and_pushes_the_next() {
        // The wall clock of 1 is 50 behind that of 0; 2 hears from 1 alone.
        let bounds = bounds_of(&[(0, 1, -10), (1, 0, -20), (1, 2, -5)], 3);
        let (places, left) = relax(&[100, 50, 60], &bounds);
        assert_eq!((places, left), (vec![100, 90, 85], 0));
        assert_eq!(
            relax(&[100, 95, 95], &bounds).0,
            [100, 95, 95],
            "all is well"
        );
        let ways = longest_ways(&bounds).expect("few");
        assert_eq!((ways[0][1], ways[1][0]), (Some(-10), Some(-20)));
        assert_eq!((ways[0][2], ways[2][0]), (Some(-15), None));
    }

    #[test]
    fn clocks_that_drift_leave_a_rest() {
        let bounds = bounds_of(&[(0, 1, 5), (1, 0, 5)], 2);
        let (_, left) = relax(&[0, 0], &bounds);
        assert!(left > 0);
    }
}
