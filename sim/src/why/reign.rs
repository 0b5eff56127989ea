//! From when to when each fault of the plan was in force.

use quorate_core::id::NodeId;

use crate::plan::{Fault, Ways};
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
        let (strike, hits) = match &this.what {
            What::Struck { strike, hits, .. } => (strike, hits),
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
        let (is_cut, is_partition) = match &strike.fault {
            Fault::Partition(_) => {
                end(&mut reigns, this.at_ns, |reign| reign.is_cut);
                (true, true)
            }
            Fault::Cut(_) => (true, false),
            Fault::Heal(ways) if *ways == Ways::default() => {
                end(&mut reigns, this.at_ns, |reign| reign.is_cut);
                continue;
            }
            Fault::Network(..)
            | Fault::Stall(_)
            | Fault::Pause(_)
            | Fault::SlowCpu(..)
            | Fault::Drift(..)
            | Fault::StallDisk(_)
            | Fault::SlowDisk(..) => (false, false),
            // A crash shows in its process; a way that opens ends no other fault for certain.
            Fault::Crash { .. }
            | Fault::Heal(_)
            | Fault::Calm(_)
            | Fault::Restart(..)
            | Fault::HalfOpen(_)
            | Fault::Reset(_)
            | Fault::Jump(..)
            | Fault::FailDisk(_)
            | Fault::FlipBit(_)
            | Fault::Join(_)
            | Fault::Ask(..)
            | Fault::Mend(_)
            | Fault::Resume(_) => continue,
        };
        let lasts = strike.lasts.map_or(u64::MAX, |lasts| lasts.ns());
        reigns.push(Reign {
            number,
            // A partition concerns all.
            hits: if is_partition { &[] } else { hits },
            from_ns: this.at_ns,
            until_ns: this.at_ns.saturating_add(lasts),
            is_cut,
        });
    }
    reigns
}
