//! The story: a cluster gathers, commands flow, the leader is killed, another serves, the old one
//! returns and is fenced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::cluster::{Cluster, Seen};
use crate::report::{Narrator, Summary, millis};
use crate::talk::{Order, Report};

/// How long any part of the story may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long commands flow before the kill, after the failover, and after the return.
const STEADY: Duration = Duration::from_secs(2);

/// What the nodes have reported so far.
#[derive(Debug, Default)]
struct Known {
    /// Whom each node takes for the leader, and in which term.
    leaders: BTreeMap<u64, (Option<u64>, u64)>,
    /// The life of each member that each node knows.
    members: BTreeMap<u64, BTreeMap<u64, u64>>,
    boots: BTreeMap<u64, u64>,
    /// Who has said that it votes.
    voting: BTreeSet<u64>,
    /// Who did not start from its log, and why.
    refused: BTreeMap<u64, String>,
    /// Who holds the role, under which epoch.
    primary: Option<(u64, u64)>,
    wrote: Option<(bool, String)>,
}

/// The failover of one node, from the moment it was killed.
#[derive(Debug)]
struct Failover {
    victim: u64,
    boot: u64,
    killed: Instant,
    suspected: Option<Instant>,
    died: Option<Instant>,
    elected: Option<(Instant, u64, u64)>,
}

/// A story in the telling.
pub(crate) struct Story<'a> {
    cluster: &'a mut Cluster,
    narrator: &'a Narrator,
    voters: u64,
    known: Known,
    failover: Option<Failover>,
    false_suspicions: u64,
}

impl<'a> Story<'a> {
    /// A story about a cluster of `voters` processes that have just been started.
    pub(crate) fn new(cluster: &'a mut Cluster, narrator: &'a Narrator, voters: u64) -> Story<'a> {
        let known = Known::default();
        Story {
            cluster,
            narrator,
            voters,
            known,
            failover: None,
            false_suspicions: 0,
        }
    }

    /// Until every process listens; where they do.
    ///
    /// # Errors
    /// When one fails, or takes longer than a minute.
    pub(crate) async fn all_started(&mut self) -> io::Result<Vec<SocketAddr>> {
        let all =
            |story: &Story<'_>| (story.known.boots.len() as u64 == story.voters).then_some(());
        self.until("all processes have started", all).await?;
        Ok(self.cluster.addresses())
    }

    /// Tells it to the end.
    ///
    /// # Errors
    /// When some part takes longer than a minute, or a process fails.
    pub(crate) async fn tell(&mut self, client: &Client) -> io::Result<Summary> {
        let (leader, epoch) = self.gather(client).await?;
        client.start();
        self.listen_for(STEADY).await?;

        let flowing = client.progress().acknowledged;
        self.narrator.say(&format!(
            "{flowing} commands acknowledged so far; kill -9 n{leader}"
        ));
        let killed = self.kill(leader).await?;
        let serving = self.fail_over(client, leader, killed).await?;
        self.listen_for(STEADY).await?;

        let rejoined = self.bring_back(leader).await?;
        let refused = self.write_under(leader, epoch).await?;
        self.listen_for(STEADY).await?;

        self.narrator
            .say("the clients stop; every register is read back and counted");
        let audit = client.finish().await?;
        let since_kill = |at: Option<Instant>| at.map(|at| millis(at - killed));
        let failover = self.failover.as_ref();
        Ok(Summary {
            nodes: self.voters,
            audit,
            suspect_ms: since_kill(failover.and_then(|f| f.suspected)),
            dead_ms: since_kill(failover.and_then(|f| f.died)),
            elect_ms: since_kill(failover.and_then(|f| f.elected.map(|(at, ..)| at))),
            serving_ms: since_kill(Some(serving)),
            rejoin_ms: Some(millis(rejoined)),
            false_suspicions: self.false_suspicions,
            old_epoch_refused: refused,
            everyone_alive: self.everyone_alive(),
        })
    }

    /// `kill -9`; the moment it was sent.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub(crate) async fn kill(&mut self, victim: u64) -> io::Result<Instant> {
        let boot = self.known.boots.get(&victim).copied().unwrap_or(0);
        let killed = self.cluster.kill(victim).await?;
        self.known.leaders.remove(&victim);
        self.known.members.remove(&victim);
        let (suspected, died, elected) = (None, None, None);
        self.failover = Some(Failover {
            victim,
            boot,
            killed,
            suspected,
            died,
            elected,
        });
        Ok(killed)
    }

    /// Learns what the nodes report for a while.
    ///
    /// # Errors
    /// When a process fails.
    pub(crate) async fn listen_for(&mut self, span: Duration) -> io::Result<()> {
        let deadline = Instant::now() + span;
        while let Some(seen) = self.cluster.report(deadline).await? {
            self.learn(&seen);
        }
        Ok(())
    }

    /// Damages the log of a killed node, and lets it be rebuilt from the others. Returns when it
    /// votes again: until then the cluster bears one failure less.
    ///
    /// # Errors
    /// When it starts from that log all the same, or not after it was given up.
    pub(crate) async fn rebuild(&mut self, node: u64) -> io::Result<()> {
        self.cluster.damage(node)?;
        let boot = self.known.boots.remove(&node);
        self.known.voting.remove(&node);
        self.cluster.rebuild(node)?;
        let back = |story: &Story<'_>| {
            let refused = story.known.refused.get(&node)?.clone();
            (story.known.boots.get(&node) > boot.as_ref()).then_some(refused)
        };
        let why = self
            .until("the node with the damaged log is back", back)
            .await?;
        let told = format!("n{node} did not start: {why}; its log is given up");
        self.narrator.say(&told);
        let votes = |story: &Story<'_>| story.known.voting.contains(&node).then_some(());
        self.until("the rebuilt node votes again", votes).await
    }

    /// The leader most nodes know, and its term.
    pub(crate) fn leader(&self) -> Option<(u64, u64)> {
        let newest = self.known.leaders.values().max_by_key(|(_, term)| *term)?;
        Some((newest.0?, newest.1))
    }

    /// The processes.
    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        self.cluster
    }

    /// Until all know each other, agree who leads, and the leader holds the role.
    pub(crate) async fn gather(&mut self, client: &Client) -> io::Result<(u64, u64)> {
        let start = Instant::now();
        let placed = |story: &Story<'_>| {
            let leader = story.agreed_leader()?;
            let (holder, epoch) = story.known.primary?;
            (holder == leader && story.everyone_alive()).then_some((leader, epoch))
        };
        let (leader, epoch) = self.until("the cluster has a leader", placed).await?;
        client.ready(PATIENCE).await?;
        self.narrator.say(&format!(
            "{} nodes have joined; n{leader} leads and holds \"primary\" under epoch {epoch} \
             ({} ms)",
            self.voters,
            millis(start.elapsed())
        ));
        Ok((leader, epoch))
    }

    /// Until a new leader is elected, commands are acknowledged again, and the dead one is known to
    /// be dead.
    async fn fail_over(
        &mut self,
        client: &Client,
        victim: u64,
        killed: Instant,
    ) -> io::Result<Instant> {
        let elected = |story: &Story<'_>| story.failover.as_ref().and_then(|f| f.elected);
        let (at, leader, term) = self.until("a new leader is elected", elected).await?;
        self.moment(killed, at, &format!("elected: n{leader} leads term {term}"));
        let serving = client.served_by_another(victim, killed).await?;
        self.moment(killed, serving, "serving again: a command is acknowledged");
        let suspected = |story: &Story<'_>| story.failover.as_ref().and_then(|f| f.suspected);
        let at = self
            .until("the dead leader is suspected", suspected)
            .await?;
        self.moment(killed, at, "suspect: the failure detector noticed");
        let died = |story: &Story<'_>| story.failover.as_ref().and_then(|f| f.died);
        let at = self.until("the dead leader is declared dead", died).await?;
        self.moment(killed, at, "dead: nobody vouched for it");
        Ok(serving)
    }

    async fn bring_back(&mut self, node: u64) -> io::Result<Duration> {
        let start = Instant::now();
        self.cluster.restart(node)?;
        let boot = self.failover.as_ref().map_or(1, |failover| failover.boot) + 1;
        let back = move |story: &Story<'_>| {
            let returned = story.known.boots.get(&node) == Some(&boot);
            (returned && story.everyone_alive()).then_some(())
        };
        self.until("the old leader is back", back).await?;
        let took = start.elapsed();
        self.narrator.say(&format!(
            "n{node} is back from its write-ahead log as life {boot} ({} ms)",
            millis(took)
        ));
        Ok(took)
    }

    async fn write_under(&mut self, node: u64, epoch: u64) -> io::Result<bool> {
        self.cluster
            .order(node, &Order::WriteUnder { epoch })
            .await?;
        let wrote = |story: &Story<'_>| story.known.wrote.clone();
        let (accepted, why) = self.until("the old epoch is tried", wrote).await?;
        let verdict = if accepted { "ACCEPTED" } else { "refused" };
        self.narrator.say(&format!(
            "n{node} writes under its old epoch {epoch}: {verdict}: {why}"
        ));
        Ok(!accepted)
    }

    fn moment(&self, killed: Instant, at: Instant, what: &str) {
        self.narrator.say(&format!(
            "  +{:>5} ms  {what}",
            millis(at.saturating_duration_since(killed))
        ));
    }

    async fn until<T>(
        &mut self,
        what: &str,
        condition: impl Fn(&Story<'_>) -> Option<T>,
    ) -> io::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = condition(self) {
                return Ok(found);
            }
            let Some(seen) = self.cluster.report(deadline).await? else {
                return Err(late(what));
            };
            self.learn(&seen);
        }
    }

    fn learn(&mut self, seen: &Seen) {
        let Seen { at, by, report } = seen;
        match report {
            Report::Started { boot } => {
                self.known.boots.insert(*by, *boot);
                self.known
                    .members
                    .insert(*by, BTreeMap::from([(*by, *boot)]));
            }
            Report::Votes => {
                self.known.voting.insert(*by);
            }
            Report::Refused { why } => {
                self.known.refused.insert(*by, why.clone());
            }
            Report::PortBusy | Report::Failed { .. } => {}
            Report::Leader { node, term } => {
                self.known.leaders.insert(*by, (*node, *term));
                self.note_election(*at, *node, *term);
            }
            Report::Joined { node, boot } => {
                self.known
                    .members
                    .entry(*by)
                    .or_default()
                    .insert(*node, *boot);
            }
            Report::Suspected { node, boot } => self.note_suspicion(*at, *node, *boot),
            Report::Died { node, boot } => {
                self.known.members.entry(*by).or_default().remove(node);
                if let Some(failover) = &mut self.failover
                    && (failover.victim, failover.boot) == (*node, *boot)
                {
                    failover.died.get_or_insert(*at);
                }
            }
            Report::Role {
                role: _,
                holder,
                epoch,
            } => {
                let newest = self.known.primary.map_or(0, |(_, epoch)| epoch);
                if let Some(holder) = holder
                    && *epoch > newest
                {
                    self.known.primary = Some((*holder, *epoch));
                }
            }
            Report::Wrote { accepted, why } => self.known.wrote = Some((*accepted, why.clone())),
        }
    }

    fn note_election(&mut self, at: Instant, leader: Option<u64>, term: u64) {
        let (Some(failover), Some(leader)) = (&mut self.failover, leader) else {
            return;
        };
        if leader != failover.victim && at >= failover.killed {
            failover.elected.get_or_insert((at, leader, term));
        }
    }

    fn note_suspicion(&mut self, at: Instant, node: u64, boot: u64) {
        match &mut self.failover {
            Some(failover) if (failover.victim, failover.boot) == (node, boot) => {
                failover.suspected.get_or_insert(at);
            }
            Some(_) | None => self.false_suspicions += 1,
        }
    }

    fn agreed_leader(&self) -> Option<u64> {
        let mut leaders = self.known.leaders.values().map(|(leader, _)| *leader);
        let first = leaders.next()??;
        let all_know = self.known.leaders.len() as u64 == self.voters;
        (all_know && leaders.all(|leader| leader == Some(first))).then_some(first)
    }

    /// Every node knows the current life of every node.
    fn everyone_alive(&self) -> bool {
        let complete = |members: &BTreeMap<u64, u64>| {
            (1..=self.voters).all(|node| members.get(&node) == self.known.boots.get(&node))
        };
        self.known.boots.len() as u64 == self.voters
            && self.known.members.len() as u64 == self.voters
            && self.known.members.values().all(complete)
    }
}

fn late(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("waited {PATIENCE:?} until {what}"),
    )
}
