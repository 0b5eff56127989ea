//! A table of what was computed before: the states of one machine are few, those of a cluster many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const SHARDS: usize = 64;

/// From two hashes to a value, for several threads.
#[derive(Debug)]
pub(crate) struct Memo<V> {
    shards: Vec<Mutex<BTreeMap<(u64, u64), Arc<V>>>>,
}

impl<V> Default for Memo<V> {
    fn default() -> Memo<V> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Memo { shards }
    }
}

impl<V> Memo<V> {
    /// The value of a key; equal keys must compute equal values.
    pub(crate) fn get(&self, key: (u64, u64), compute: impl FnOnce() -> V) -> Arc<V> {
        let shard = &self.shards[((key.0 ^ key.1) % SHARDS as u64) as usize];
        if let Some(known) = shard.lock().unwrap().get(&key) {
            return Arc::clone(known);
        }
        // Without the lock: two threads may compute the same, and that is all.
        let computed = Arc::new(compute());
        shard.lock().unwrap().insert(key, Arc::clone(&computed));
        computed
    }
}
