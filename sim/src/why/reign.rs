//! From when to when each fault of the plan was in force.

use quorate_core::id::NodeId;

use crate::plan::Fault;
use crate::record::{Happening, What};

/// How long a fault of the plan was in force.
pub(super) struct Reign<'a> {
    pub(super) number: usize,
    /// Whom it concerned; all when empty.
    pub(super) hits: &'a [NodeId],
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
    is_cut: bool,
}

/// The reigns of all faults that struck, as far as a record goes.
pub(super) fn reigns(all: &[Happening]) -> Vec<Reign<'_>> {
    let mut reigns: Vec<Reign<'_>> = Vec::new();
    let end = |reigns: &mut Vec<Reign<'_>>, at: u64, is: fn(&Reign<'_>) -> bool| {
        let ended = reigns.iter_mut().filter(|reign| is(reign));
        ended.for_each(|reign| reign.until_ns = reign.until_ns.min(at));
    };
    for (number, this) in all.iter().enumerate() {
        let (fault, hits) = match &this.what {
            What::Struck { fault, hits, .. } => (fault, hits),
            What::Healed => {
                end(&mut reigns, this.at_ns, |_| true);
                continue;
            }
            What::Step { .. }
            | What::Started { .. }
            | What::Crashed { .. }
            | What::Ended(_)
            | What::WentOn
            | What::Violated(_) => continue,
        };
        let (is_cut, for_ms) = match fault {
            Fault::Partition { .. } | Fault::PartitionLeader { .. } => {
                end(&mut reigns, this.at_ns, |reign| reign.is_cut);
                (true, None)
            }
            Fault::Cut { .. } | Fault::CutAll { .. } => (true, None),
            Fault::HealAll => {
                end(&mut reigns, this.at_ns, |reign| reign.is_cut);
                continue;
            }
            Fault::Pause { for_ms, .. }
            | Fault::LatencySpike { for_ms, .. }
            | Fault::SlowDisk { for_ms, .. } => (false, Some(*for_ms)),
            // A crash shows in its process; a way that opens ends no other fault for certain.
            Fault::Crash { .. }
            | Fault::Heal { .. }
            | Fault::Restart { .. }
            | Fault::RestartAll => continue,
        };
        reigns.push(Reign {
            number,
            hits: if matches!(fault, Fault::PartitionLeader { .. }) {
                &[]
            } else {
                hits
            },
            from_ns: this.at_ns,
            until_ns: for_ms.map_or(u64::MAX, |for_ms| this.at_ns + for_ms * 1_000_000),
            is_cut,
        });
    }
    reigns
}
