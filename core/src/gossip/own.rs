//! What this node writes of itself, and how it answers what others claim it wrote.
//!
//! Invariants: I1 each write has a version of its own, above all earlier ones of this life. I2 a
//! refused write changes nothing. I3 an entry in this node's name that it did not write is
//! overridden with a version above it, like a false accusation in SWIM.

use alloc::string::String;
use alloc::vec::Vec;

use super::limits::{
    CLUSTER_BYTES_MAX, ENTRIES_MAX, NODE_BYTES_MAX, NODE_KEYS_MAX, RESERVED_PREFIX, StateRefused,
    TOMBSTONES_MAX, VALUE_BYTES_MAX, VERSION_MAX, check_key,
};
use super::message::{Change, Entry, PeerFault};
use super::state::State;
use super::{Gossip, Output};
use crate::id::NodeId;
use crate::mutant::Mutant;
use crate::payload::Payload;
use crate::time::Time;

impl Gossip {
    /// Writes a key of this node for the host; the version of its write in force. Writing what it
    /// holds already changes nothing.
    ///
    /// # Errors
    /// [`StateRefused`] says which bound it would break.
    pub fn set(
        &mut self,
        now: Time,
        key: String,
        value: Payload,
        out: &mut Vec<Output>,
    ) -> Result<u64, StateRefused> {
        check_key(&key)?;
        if key.starts_with(RESERVED_PREFIX) {
            return Err(StateRefused::Reserved);
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(StateRefused::Value { len: value.len() });
        }
        let of_host = self.own().into_iter().flat_map(host_keys);
        let (keys, bytes) = of_host
            .filter(|(held, _)| **held != key)
            .fold((0, 0), |(keys, bytes), (key, value)| {
                (keys + 1, bytes + key.len() + value.len())
            });
        if keys >= NODE_KEYS_MAX {
            return Err(StateRefused::NodeKeys);
        }
        let len = bytes + key.len() + value.len();
        if len > NODE_BYTES_MAX {
            return Err(StateRefused::NodeBytes { len });
        }
        self.put(now, key, value, out)
    }

    /// Writes a key of this node, whoever wants it.
    pub(crate) fn put(
        &mut self,
        now: Time,
        key: String,
        value: Payload,
        out: &mut Vec<Output>,
    ) -> Result<u64, StateRefused> {
        let own = self.own();
        let (_, tombstones) = own.map_or((0, 0), State::counts);
        if self.store.bytes() + key.len() + value.len() > CLUSTER_BYTES_MAX {
            return Err(StateRefused::ClusterFull);
        }
        if own.and_then(|own| own.value(&key)) == Some(&value) {
            return Ok(self.own_version(&key));
        }
        // Deleted keys take room as well; what they took is free again after a reset.
        if tombstones > 0 && own.map_or(0, State::bytes) + key.len() + value.len() > NODE_BYTES_MAX
        {
            self.reset(now, 0, out)?;
        }
        self.write(now, key, Some(value), out)
    }

    /// Deletes a key of this node for the host; whether there was one.
    ///
    /// # Errors
    /// [`StateRefused`] when it is not the host's, or this life has used up its versions.
    pub fn delete(
        &mut self,
        now: Time,
        key: &str,
        out: &mut Vec<Output>,
    ) -> Result<bool, StateRefused> {
        if key.starts_with(RESERVED_PREFIX) {
            return Err(StateRefused::Reserved);
        }
        self.remove(now, key, out)
    }

    /// Deletes a key of this node, whoever wants it.
    pub(crate) fn remove(
        &mut self,
        now: Time,
        key: &str,
        out: &mut Vec<Output>,
    ) -> Result<bool, StateRefused> {
        let own = self.own();
        if own.and_then(|own| own.value(key)).is_none() {
            return Ok(false);
        }
        let (_, tombstones) = own.map_or((0, 0), State::counts);
        self.write(now, key.into(), None, out)?;
        if tombstones >= TOMBSTONES_MAX {
            self.reset(now, 0, out)?;
        }
        Ok(true)
    }

    /// A peer tells entries in this node's name. Every write of this life is known here, so one
    /// that is news was forged: everything up to it is declared void, and what is true written
    /// anew.
    pub(super) fn defend(
        &mut self,
        now: Time,
        from: NodeId,
        change: &Change,
        out: &mut Vec<Output>,
    ) {
        if change.owner != self.me {
            return;
        }
        let own = self.own();
        let is_news = |entry: &&Entry| own.is_none_or(|own| own.yields_to(entry));
        let forged = change
            .entries
            .iter()
            .filter(is_news)
            .map(|entry| entry.version);
        let floor = own.map_or(0, State::floor);
        let Some(above) = forged
            .chain((change.floor > floor).then_some(change.floor))
            .max()
        else {
            return;
        };
        self.report(from, PeerFault::ForgedEntry, out);
        // At the last version nothing can be written above the lie; a restart ends it.
        let _exhausted = self.reset(now, above, out);
    }

    /// Forgets what was deleted: declares everything so far void, and at least everything up to
    /// `above`, and writes what is left anew.
    fn reset(&mut self, now: Time, above: u64, out: &mut Vec<Output>) -> Result<(), StateRefused> {
        let floor = self.own().map_or(0, State::high).max(above);
        if floor > VERSION_MAX - ENTRIES_MAX as u64 {
            return Err(StateRefused::VersionsExhausted);
        }
        self.stats.resets += 1;
        let live = self.own().into_iter().flat_map(State::iter);
        let live = live.filter_map(|(key, held)| Some((key.clone(), held.value.clone()?)));
        let anew = (floor + 1..)
            .zip(live)
            .map(|(version, (key, value))| Entry {
                key,
                version,
                value: Some(value),
            });
        let entries = anew.collect();
        self.take_own(now, floor, entries, out)
    }

    fn write(
        &mut self,
        now: Time,
        key: String,
        value: Option<Payload>,
        out: &mut Vec<Output>,
    ) -> Result<u64, StateRefused> {
        let mut version = self.own().map_or(0, State::high).saturating_add(1);
        if version > VERSION_MAX {
            return Err(StateRefused::VersionsExhausted);
        }
        if self.planted.is(Mutant::StateVersionReused) {
            version = self.own_version(&key).max(1);
        }
        let entry = Entry {
            key,
            version,
            value,
        };
        self.take_own(now, 0, Vec::from([entry]), out)?;
        Ok(version)
    }

    fn take_own(
        &mut self,
        now: Time,
        floor: u64,
        entries: Vec<Entry>,
        out: &mut Vec<Output>,
    ) -> Result<(), StateRefused> {
        self.stats.writes += 1;
        let merged = self.store.merge(self.me, floor, entries);
        let before = merged.map_err(|_| StateRefused::ClusterFull)?;
        self.announce(self.me, &before, out);
        self.spread(now, self.me.node, before.into_keys());
        Ok(())
    }

    fn own(&self) -> Option<&State> {
        self.store.state(self.me.node)
    }

    fn own_version(&self, key: &str) -> u64 {
        self.own().map_or(0, |own| own.version(key))
    }
}

/// The host's keys that have a value.
fn host_keys(state: &State) -> impl Iterator<Item = (&String, &Payload)> {
    let live = state
        .iter()
        .filter_map(|(key, held)| Some((key, held.value.as_ref()?)));
    live.filter(|(key, _)| !key.starts_with(RESERVED_PREFIX))
}
