//! Who may come in: how many connections wait to be authenticated, and how many one address has.
//!
//! What is too much is dropped before anything is spent on it. It is counted, and told at most once
//! a second: a storm of connections must not become a storm of reports.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_core::time::Time;
use quorate_core::transport::Config;

use crate::error::PeerRefusal;

/// Between two reports.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The limits, and what they have let in.
#[derive(Debug)]
pub(crate) struct Door {
    handshakes_max: usize,
    handshakes_per_address_max: usize,
    connections_per_address_max: usize,
    crowd: Mutex<Crowd>,
}

#[derive(Debug, Default)]
struct Crowd {
    handshakes: usize,
    addresses: BTreeMap<IpAddr, Guests>,
    turned_away: u64,
    told: Option<Time>,
}

/// Those of one address.
#[derive(Debug, Default)]
struct Guests {
    handshakes: usize,
    connections: usize,
}

/// Why a connection is dropped, and whether that should be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TurnedAway {
    pub(crate) reason: PeerRefusal,
    pub(crate) is_told: bool,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Arc<Door> {
        Arc::new(Door {
            handshakes_max: config.handshakes_max,
            handshakes_per_address_max: config.handshakes_per_address_max,
            connections_per_address_max: config.connections_per_address_max,
            crowd: Mutex::default(),
        })
    }

    /// Lets a connection from an address in, or not.
    pub(crate) fn admit(self: &Arc<Door>, now: Time, from: IpAddr) -> Result<Pass, TurnedAway> {
        let mut crowd = self.lock();
        let own = crowd.addresses.get(&from);
        let (waiting, open) = own.map_or((0, 0), |own| (own.handshakes, own.connections));
        let reason = if open >= self.connections_per_address_max {
            Some(PeerRefusal::TooManyOfAddress(open))
        } else if waiting >= self.handshakes_per_address_max {
            Some(PeerRefusal::TooManyHandshakesOfAddress(waiting))
        } else if crowd.handshakes >= self.handshakes_max {
            Some(PeerRefusal::TooMany(crowd.handshakes))
        } else {
            None
        };
        if let Some(reason) = reason {
            crowd.turned_away += 1;
            let is_told = crowd.told.is_none_or(|told| now >= told + TELL_EVERY);
            if is_told {
                crowd.told = Some(now);
            }
            return Err(TurnedAway { reason, is_told });
        }
        crowd.handshakes += 1;
        let own = crowd.addresses.entry(from).or_default();
        own.handshakes += 1;
        own.connections += 1;
        drop(crowd);
        Ok(Pass {
            door: self.clone(),
            from,
            is_waiting: true,
        })
    }

    /// How many were not let in.
    pub(crate) fn turned_away(&self) -> u64 {
        self.lock().turned_away
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for one accepted connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    door: Arc<Door>,
    from: IpAddr,
    is_waiting: bool,
}

impl Pass {
    /// The other end has shown who it is.
    pub(crate) fn introduced(&mut self) {
        if std::mem::take(&mut self.is_waiting) {
            let mut crowd = self.door.lock();
            crowd.handshakes -= 1;
            if let Some(own) = crowd.addresses.get_mut(&self.from) {
                own.handshakes -= 1;
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.introduced();
        let mut crowd = self.door.lock();
        if let Some(own) = crowd.addresses.get_mut(&self.from) {
            own.connections -= 1;
            if own.connections == 0 {
                crowd.addresses.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::id::{ClusterId, NodeId};
    use quorate_core::node;

    use super::*;

    const NOW: Time = Time::from_millis(5);

    fn door() -> Arc<Door> {
        let cluster = ClusterId::new("test").expect("a name");
        let address = ([127, 0, 0, 1], 9).into();
        Door::new(&Config {
            handshakes_max: 3,
            handshakes_per_address_max: 2,
            connections_per_address_max: 4,
            ..node::Config::lan(cluster, NodeId(1), address).transport
        })
    }

    fn reason(refused: Result<Pass, TurnedAway>) -> PeerRefusal {
        refused.expect_err("it is full").reason
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let door = door();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let _first = door.admit(NOW, one).expect("room");
        let _second = door.admit(NOW, one).expect("room");
        let refused = door.admit(NOW, one);
        assert_eq!(reason(refused), PeerRefusal::TooManyHandshakesOfAddress(2));
        let third = door.admit(NOW, other).expect("room for others");
        assert_eq!(reason(door.admit(NOW, other)), PeerRefusal::TooMany(3));
        drop(third);
        assert!(door.admit(NOW, other).is_ok());
    }

    #[test]
    fn who_is_known_still_counts_for_its_address() {
        let door = door();
        let one = [10, 0, 0, 1].into();
        let mut passes = Vec::new();
        for _ in 0..4 {
            let mut pass = door.admit(NOW, one).expect("room");
            pass.introduced();
            passes.push(pass);
        }
        assert_eq!(
            reason(door.admit(NOW, one)),
            PeerRefusal::TooManyOfAddress(4)
        );
        passes.pop();
        assert!(door.admit(NOW, one).is_ok());
        drop(passes);
        assert!(door.lock().addresses.is_empty(), "nobody is remembered");
        assert_eq!(door.lock().handshakes, 0);
    }

    #[test]
    fn a_storm_is_counted_and_told_once_a_second() {
        let door = door();
        let one = [10, 0, 0, 1].into();
        let _passes = [door.admit(NOW, one), door.admit(NOW, one)];
        let told = |now| door.admit(now, one).expect_err("it is full").is_told;
        assert!(told(NOW));
        let storm = (0..10_000).filter(|_| told(NOW)).count();
        assert_eq!(storm, 0);
        assert!(told(NOW + TELL_EVERY));
        assert_eq!(door.turned_away(), 10_002);
    }
}
