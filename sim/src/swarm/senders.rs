//! Senders and the connections they meet: few or many sends, readers that are slow or not, and
//! bounds so narrow that they are reached.

use quorate_core::seed::Random;

use super::ms;
use crate::plan::{Plan, Senders, Setting};

/// Bounds of queues and of credit, in bytes: from the least that is allowed to the default.
const BYTES: [u64; 4] = [64 << 10, 128 << 10, 512 << 10, 4 << 20];
/// Streams open at once.
const STREAMS: [u64; 3] = [1, 8, 100];

/// Where there is always something on its way, more losses hold up every heartbeat.
const LOSS_PERMILLE_MAX: u16 = 10;

/// Adds them.
pub(super) fn add(plan: &mut Plan, random: &mut Random) {
    let network = &mut plan.network;
    network.loss_permille = network.loss_permille.min(LOSS_PERMILLE_MAX);
    let mut share = |shares: [u16; 3]| shares[random.index(shares.len())];
    let large_permille = share([0, 10, 60]);
    let slow_permille = share([0, 60, 250]);
    let cancelled_permille = share([0, 60, 200]);
    plan.workload.senders = Some(Senders {
        per_node: u32::try_from(random.within(1..=3)).unwrap_or(1),
        interval: ms(random.within(20..=200)),
        sends: 0,
        large_permille,
        slow_permille,
        cancelled_permille,
    });
    let mut set = |key: &str, value: u64| {
        plan.settings.push(Setting {
            key: key.to_string(),
            value: value.to_string(),
            node: None,
        });
    };
    set(
        "transport.queue_bytes_max",
        BYTES[random.index(BYTES.len())],
    );
    set("transport.credit_bytes", BYTES[random.index(BYTES.len())]);
    set(
        "transport.streams_max",
        STREAMS[random.index(STREAMS.len())],
    );
}
