//! Refutation: a live member that hears of an accusation against its present incarnation rises
//! above it (SWIM §4.2). So a suspect that can be reached is alive to everyone in time.

use quorate_core::id::{Incarnation, NodeId};

use super::Verdict;

/// A node has worked off a message that accuses its incarnation `accused`, and now has `after`.
///
/// # Errors
/// It let that pass.
pub fn check(node: NodeId, accused: Incarnation, after: Incarnation) -> Verdict {
    if after > accused {
        return Ok(());
    }
    Err(format!(
        "{node} hears its incarnation {accused} accused and stays at {after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_refused_and_a_rise_or_an_outdated_accusation_is_not() {
        let (node, one) = (NodeId(1), Incarnation::of_boot(1));
        assert!(check(node, one, one).is_err());
        assert_eq!(check(node, one, one.above(one)), Ok(()));
        assert_eq!(check(node, one, Incarnation::of_boot(2)), Ok(()));
    }
}
