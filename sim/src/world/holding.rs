//! How much the nodes hold.

use std::hash::{Hash, Hasher};

use super::World;

/// Counts the bytes that a hash would be made of.
#[derive(Default)]
struct Count {
    bytes: u64,
}

impl Hasher for Count {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
    }

    fn finish(&self) -> u64 {
        self.bytes
    }
}

impl World {
    /// The bytes of all that the running nodes, their sessions and their open connections hold, as
    /// their equality reads it; what two of them share counts twice.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let mut count = Count::default();
        for process in self.hosts.iter().filter_map(|host| host.process.as_ref()) {
            process.node.hash(&mut count);
            for (_, session) in process.sessions.iter() {
                session.hash(&mut count);
            }
        }
        let ends = self.conns.iter().flatten().flat_map(|conn| &conn.ends);
        for end in ends.filter(|end| end.open) {
            end.link.hash(&mut count);
        }
        count.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn every_byte_counts() {
        let bytes_of = |nodes| World::new(&Plan::quiet("the test", 1, nodes)).held_bytes();
        assert_eq!(bytes_of(3), 0, "nobody has started");
        let mut count = Count::default();
        (7_u32, "ab").hash(&mut count);
        assert_eq!(count.finish(), 4 + 2 + 1, "a text ends with a mark");
    }
}
