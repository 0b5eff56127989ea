//! A storm: for a while some process is killed with `kill -9` every two seconds and started again
//! from what its disk holds, two times of three the one that holds the role. Not one acknowledged
//! command may be lost.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::Client;
use crate::report::millis;
use crate::story::Story;

/// From one kill to the next, if service is back by then.
const BEAT: Duration = Duration::from_secs(2);

/// The figures of a storm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Storm {
    /// Processes killed, and started again.
    pub(crate) kills: u64,
    /// Of them, holders of the role.
    pub(crate) holders_killed: u64,
    /// Commands acknowledged.
    pub(crate) acknowledged: u64,
    /// Acknowledged commands that are not in the final state.
    pub(crate) lost: u64,
    /// Commands that took effect more than once.
    pub(crate) doubled: u64,
    /// The longest time without an acknowledgement.
    pub(crate) longest_gap_ms: u64,
}

impl Storm {
    /// Whether everything held that had to.
    pub(crate) fn ok(&self) -> bool {
        self.kills > 0 && self.acknowledged > 0 && self.lost == 0 && self.doubled == 0
    }

    /// Prints it, as text or as one JSON object.
    ///
    /// # Errors
    /// Never, for this type.
    pub(crate) fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            let mut object = serde_json::to_value(self)?;
            object["ok"] = self.ok().into();
            println!("{object}");
            return Ok(());
        }
        println!(
            "{} kills, {} of the role's holder; {} commands acknowledged, {} lost, {} doubled; \
             longest gap {} ms",
            self.kills,
            self.holders_killed,
            self.acknowledged,
            self.lost,
            self.doubled,
            self.longest_gap_ms
        );
        Ok(())
    }
}

/// Lets it rage for `span`, then counts.
///
/// # Errors
/// When service is not back within a minute of a kill, or a process fails.
pub(crate) async fn rage(
    story: &mut Story<'_>,
    client: &Client,
    nodes: u64,
    span: Duration,
) -> io::Result<Storm> {
    story.gather(client).await?;
    client.start();
    let end = Instant::now() + span;
    let (mut kills, mut holders_killed) = (0, 0);
    while Instant::now() < end {
        let beat = Instant::now() + BEAT;
        let holder = client.holder().map(|node| node.0);
        let in_turn = kills % nodes + 1;
        let victim = holder.filter(|_| kills % 3 != 2).unwrap_or(in_turn);
        let killed = story.kill(victim).await?;
        kills += 1;
        if holder == Some(victim) {
            holders_killed += 1;
            client.served_by_another(victim, killed).await?;
        }
        story.cluster().restart(victim)?;
        let rest = beat.saturating_duration_since(Instant::now());
        story.listen_for(rest).await?;
    }
    let audit = client.finish().await?;
    Ok(Storm {
        kills,
        holders_killed,
        acknowledged: audit.acknowledged,
        lost: audit.lost,
        doubled: audit.doubled,
        longest_gap_ms: millis(audit.longest_gap),
    })
}
