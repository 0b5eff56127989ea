//! What a connection and a session keep in memory is bounded by the configuration, whatever the
//! hosts send and however slowly they read.

use quorate_core::transport::Config;

use super::Verdict;

/// What may be under way at most, twice the widest window: what is urgent may overdraw it.
const FLYING_BYTES_MAX: usize = 32 << 20;
/// Classes there are.
const CLASSES: usize = 4;
/// Memory is asked for in larger pieces than it is filled.
const SLACK: usize = 2;

/// A host handed over something of a class of which so many bytes waited before and wait now.
///
/// # Errors
/// It should have been refused.
pub fn accepted(before: usize, after: usize, config: &Config) -> Verdict {
    let max = config.queue_bytes_max;
    if before == 0 || after <= max || after <= before {
        return Ok(());
    }
    Err(format!("{after} bytes of a class wait, {max} are allowed"))
}

/// The most that a session may keep, if no reply is longer than a message may be.
#[must_use]
pub fn session_bytes_max(config: &Config) -> usize {
    let message = config.message_bytes_max.min(config.credit_bytes / 4);
    let waiting = config.queue_bytes_max.max(message);
    SLACK * (CLASSES * (waiting + message) + FLYING_BYTES_MAX)
}

/// The most that a connection may keep, if the machines' messages are no longer than a queue.
#[must_use]
pub fn link_bytes_max(config: &Config) -> usize {
    SLACK * 2 * CLASSES * config.queue_bytes_max
}

/// So many bytes are kept.
///
/// # Errors
/// Too many.
pub fn check(what: &str, bytes: usize, max: usize) -> Verdict {
    if bytes <= max {
        return Ok(());
    }
    Err(format!("{what} keeps {bytes} bytes, {max} are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::id::{ClusterId, NodeId};
    use quorate_core::node;

    fn config() -> Config {
        let cluster = ClusterId::new("a").expect("a name");
        let address = ([10, 0, 0, 1], 7000).into();
        node::Config::lan(cluster, NodeId(1), address).transport
    }

    #[test]
    fn a_full_queue_is_accepted_and_one_message_in_an_empty_one() {
        let config = config();
        let max = config.queue_bytes_max;
        assert_eq!(accepted(5, max, &config), Ok(()));
        assert_eq!(accepted(0, max + 1, &config), Ok(()));
        assert_eq!(accepted(max + 5, max + 1, &config), Ok(()), "it sinks");
        assert_eq!(check("it", 7, 7), Ok(()));
    }

    #[test]
    fn one_byte_too_many_is_refused() {
        let config = config();
        let max = config.queue_bytes_max;
        assert!(accepted(5, max + 1, &config).is_err());
        assert!(check("it", 8, 7).is_err());
        assert!(session_bytes_max(&config) > link_bytes_max(&config));
    }
}
