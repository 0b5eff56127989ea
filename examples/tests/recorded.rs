//! The demo's `kill -9`, recorded by real processes and lived again by the simulator.

use std::path::PathBuf;
use std::process::Command;

use quorate_core::id::{NodeId, Peer};
use quorate_core::journal::{End, Tail};
use quorate_core::notice::Notice;
use quorate_core::raft::{self, Role};
use quorate_sim::flight;
use quorate_sim::record::{Record, What};
use quorate_sim::why::{Evidence, Fact, why};

fn first(node: NodeId) -> Peer {
    Peer { node, boot: 1 }
}

/// Who first led after a moment.
fn leader_after(record: &Record, at_ns: u64) -> NodeId {
    let leads = |notice: &Notice| {
        let Notice::Raft(notice) = notice else {
            return false;
        };
        matches!(
            notice,
            raft::Notice::RoleChanged {
                to: Role::Leader,
                ..
            }
        )
    };
    let leads =
        |this: &&quorate_sim::record::Happening| this.at_ns >= at_ns && this.notices().any(leads);
    let found = record.all.iter().find(leads);
    found.and_then(|this| this.node).expect("somebody leads")
}

fn has(evidence: &[Evidence], part: &str, node: NodeId, words: &str) -> bool {
    let fits = |piece: &Evidence| piece.part == part && piece.node == node.0;
    evidence
        .iter()
        .any(|piece| fits(piece) && piece.words.contains(words))
}

#[test]
fn a_killed_leader_s_cluster_is_lived_again_and_the_cause_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let recordings = directory.path().join("recordings");
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--nodes", "3", "--json", "--record"])
        .arg(&recordings)
        .output()
        .expect("the demo starts");
    assert!(
        demo.status.success(),
        "{}",
        String::from_utf8_lossy(&demo.stderr)
    );

    // Reading them is living every step of them again and comparing it with what was recorded.
    let paths = [recordings];
    let flight = flight::read(&paths).expect("every step agrees");
    assert_eq!(
        flight.fingerprint(),
        flight::read(&paths).expect("again").fingerprint()
    );
    assert_eq!(
        flight.tapes.len(),
        4,
        "three lives, and a second one of the killed"
    );
    let killed = flight.tapes.iter().find(|tape| tape.life.boot == 2);
    let old = killed.expect("it came back").life.node;
    for tape in &flight.tapes {
        let is_killed = tape.life == first(old);
        let stopped = tape.tail == Tail::Ended(End::Stopped);
        assert_eq!(stopped, !is_killed, "{tape:?}");
        // One machine, one wall clock: nothing was moved far.
        assert!(tape.place.moved_ns < 50_000_000, "{tape:?}");
        let alone: [PathBuf; 1] = [tape.file.clone()];
        let alone = flight::read(&alone).expect("alone");
        assert_eq!(alone.tapes[0].fingerprint, tape.fingerprint);
    }

    let record = &flight.record;
    let ended = |this: &&quorate_sim::record::Happening| {
        this.node == Some(old) && matches!(this.what, What::Ended(_))
    };
    let ended_ns = record.all.iter().find(ended).expect("it was killed").at_ns;
    let new = leader_after(record, ended_ns);
    assert_ne!(new, old);
    let evidence = why(record, new, Fact::Leader, Some(ended_ns));
    assert!(
        has(&evidence, "process", old, "breaks off"),
        "{evidence:#?}"
    );
    let broken = format!("connection down with {old}");
    assert!(has(&evidence, "connection", new, &broken), "{evidence:#?}");
    assert!(
        has(&evidence, "role", new, "→PreCandidate"),
        "{evidence:#?}"
    );

    let evidence = why(record, old, Fact::Dead, Some(ended_ns));
    assert!(evidence[0].words.contains("accused by n"), "{evidence:#?}");
    let parts: Vec<_> = evidence.iter().map(|piece| piece.part).collect();
    for part in ["suspicion", "process", "relay asked", "dial failed"] {
        assert!(parts.contains(&part), "{part}: {evidence:#?}");
    }
}
