//! A storm: for a while some process is killed with `kill -9` every two seconds and started again
//! from what its disk holds, two times of three the one that holds the role. Not one acknowledged
//! command may be lost.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::client::{Audit, Client};
use crate::report::print_object;
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
    /// What became of the commands.
    #[serde(flatten)]
    pub(crate) audit: Audit,
}

impl Storm {
    /// Whether everything held that had to.
    pub(crate) fn ok(&self) -> bool {
        let audit = &self.audit;
        self.kills > 0 && audit.acknowledged > 0 && audit.lost == 0 && audit.doubled == 0
    }

    /// Prints it, as text or as one JSON object.
    ///
    /// # Errors
    /// Never, for this type.
    pub(crate) fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            return print_object(self, self.ok());
        }
        println!(
            "{} kills, {} of the role's holder; {} commands acknowledged, {} lost, {} doubled; \
             longest gap {} ms",
            self.kills,
            self.holders_killed,
            self.audit.acknowledged,
            self.audit.lost,
            self.audit.doubled,
            self.audit.longest_gap_ms
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
    Ok(Storm {
        kills,
        holders_killed,
        audit: client.finish().await?,
    })
}
