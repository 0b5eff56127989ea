//! How much the other end may send before somebody here has taken it: a count of bytes that only
//! grows.

use super::LinkFault;

/// The sender's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    limit: u64,
    spent: u64,
}

impl Budget {
    pub(super) fn new(window: usize) -> Budget {
        Budget {
            limit: window as u64,
            spent: 0,
        }
    }

    pub(super) fn left(&self) -> usize {
        usize::try_from(self.limit - self.spent).unwrap_or(usize::MAX)
    }

    /// Whether `bytes` may be sent.
    pub(super) fn allows(&self, bytes: usize) -> bool {
        bytes <= self.left()
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.spent = (self.spent + bytes as u64).min(self.limit);
    }

    /// The other end allows `limit` bytes in all.
    pub(super) fn raise(&mut self, limit: u64) -> Result<(), LinkFault> {
        if limit < self.limit {
            return Err(LinkFault::ImpossibleCredit);
        }
        self.limit = limit;
        Ok(())
    }
}

/// The receiver's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Allowance {
    window: u64,
    limit: u64,
    arrived: u64,
    consumed: u64,
}

impl Allowance {
    pub(super) fn new(window: usize) -> Allowance {
        Allowance {
            window: window as u64,
            limit: window as u64,
            arrived: 0,
            consumed: 0,
        }
    }

    pub(super) fn on_arrived(&mut self, bytes: usize) -> Result<(), LinkFault> {
        self.arrived += bytes as u64;
        if self.arrived > self.limit {
            return Err(LinkFault::CreditExceeded);
        }
        Ok(())
    }

    /// Somebody took `bytes`; a new limit, when half of the window is free again.
    pub(super) fn on_consumed(&mut self, bytes: usize) -> Option<u64> {
        self.consumed = (self.consumed + bytes as u64).min(self.arrived);
        let wanted = self.consumed + self.window;
        if wanted - self.limit < self.window / 2 {
            return None;
        }
        self.limit = wanted;
        Some(wanted)
    }

    /// Everything that arrived was taken.
    pub(super) fn is_settled(&self) -> bool {
        self.consumed == self.arrived
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_on_what_may_be_sent() {
        let (mut budget, mut allowance) = (Budget::new(100), Allowance::new(100));
        budget.spend(80);
        assert_eq!(allowance.on_arrived(80), Ok(()));
        assert!(budget.allows(20) && !budget.allows(21));
        assert_eq!(allowance.on_consumed(49), None, "a trickle is not worth it");
        let limit = allowance.on_consumed(1).unwrap();
        assert_eq!(budget.raise(limit), Ok(()));
        assert_eq!((budget.left(), limit), (70, 150));
        assert_eq!(budget.raise(149), Err(LinkFault::ImpossibleCredit));
        assert_eq!(allowance.on_arrived(70), Ok(()));
        assert_eq!(allowance.on_arrived(1), Err(LinkFault::CreditExceeded));
        assert!(!allowance.is_settled());
        allowance.on_consumed(1000);
        assert!(allowance.is_settled());
    }
}
