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

/// The kill that damages a log.
const DAMAGING_KILL: u64 = 2;

/// What a storm is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast {
    /// Voters, numbered from 1.
    pub(crate) nodes: u64,
    /// How long it rages.
    pub(crate) span: Duration,
    /// One of the killed finds its log damaged, and is rebuilt from the others.
    pub(crate) damages: bool,
}

/// The figures of a storm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Storm {
    /// Processes killed, and started again.
    pub(crate) kills: u64,
    /// Of them, holders of the role.
    pub(crate) holders_killed: u64,
    /// Of them, processes whose log was damaged: they refused to start, and were rebuilt.
    pub(crate) rebuilt: u64,
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
            "{} kills, {} of the role's holder, {} rebuilt; {} commands acknowledged, {} lost, \
             {} doubled; longest gap {} ms",
            self.kills,
            self.holders_killed,
            self.rebuilt,
            self.audit.acknowledged,
            self.audit.lost,
            self.audit.doubled,
            self.audit.longest_gap_ms
        );
        Ok(())
    }
}

/// Lets it rage, then counts.
///
/// # Errors
/// When service is not back within a minute of a kill, or a process fails.
pub(crate) async fn rage(
    story: &mut Story<'_>,
    client: &Client,
    forecast: Forecast,
) -> io::Result<Storm> {
    story.gather(client).await?;
    client.start();
    let end = Instant::now() + forecast.span;
    let (mut kills, mut holders_killed, mut rebuilt) = (0, 0, 0);
    while Instant::now() < end {
        let beat = Instant::now() + BEAT;
        let holder = client.holder().map(|node| node.0);
        let in_turn = kills % forecast.nodes + 1;
        let victim = holder.filter(|_| kills % 3 != 2).unwrap_or(in_turn);
        let killed = story.kill(victim).await?;
        kills += 1;
        if holder == Some(victim) {
            holders_killed += 1;
            client.served_by_another(victim, killed).await?;
        }
        if forecast.damages && kills == DAMAGING_KILL {
            story.rebuild(victim).await?;
            rebuilt += 1;
        } else {
            story.cluster().restart(victim)?;
        }
        let rest = beat.saturating_duration_since(Instant::now());
        story.listen_for(rest).await?;
    }
    Ok(Storm {
        kills,
        holders_killed,
        rebuilt,
        audit: client.finish().await?,
    })
}
