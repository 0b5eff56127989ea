//! What the demo prints: a line per moment, and the summary that decides the exit code.

use std::time::Duration;

use serde::Serialize;

use crate::client::Audit;

/// Prints the story as it happens, unless only the summary is wanted.
pub(crate) struct Narrator {
    /// Print nothing.
    pub(crate) silent: bool,
}

impl Narrator {
    /// Prints a line.
    pub(crate) fn say(&self, line: &str) {
        if !self.silent {
            println!("{line}");
        }
    }
}

/// The figures of a story. Times are in milliseconds from the kill, unless said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    /// Processes.
    pub(crate) nodes: u64,
    /// What became of the commands.
    #[serde(flatten)]
    pub(crate) audit: Audit,
    /// The killed leader was suspected.
    pub(crate) suspect_ms: Option<u64>,
    /// It was declared dead.
    pub(crate) dead_ms: Option<u64>,
    /// Another leader was elected.
    pub(crate) elect_ms: Option<u64>,
    /// A command was acknowledged by the new leader.
    pub(crate) serving_ms: Option<u64>,
    /// From the restart of the old leader until all knew it again.
    pub(crate) rejoin_ms: Option<u64>,
    /// Suspicions of nodes that were running.
    pub(crate) false_suspicions: u64,
    /// The old leader's write under its old epoch was refused.
    pub(crate) old_epoch_refused: bool,
    /// At the end every node knows every node alive.
    pub(crate) everyone_alive: bool,
}

impl Summary {
    /// What had to hold, and whether it did.
    pub(crate) fn checks(&self) -> [(&'static str, bool); 8] {
        let audit = &self.audit;
        [
            ("commands were acknowledged", audit.acknowledged > 0),
            ("no acknowledged command was lost", audit.lost == 0),
            ("no command took effect twice", audit.doubled == 0),
            ("a new leader was elected", self.elect_ms.is_some()),
            ("commands were served again", self.serving_ms.is_some()),
            ("the dead leader was suspected and declared dead", {
                self.suspect_ms.is_some() && self.dead_ms.is_some()
            }),
            ("the old epoch was refused", self.old_epoch_refused),
            ("everyone is alive at the end", self.everyone_alive),
        ]
    }

    /// Whether every check held.
    pub(crate) fn ok(&self) -> bool {
        self.checks().iter().all(|(_, held)| *held)
    }

    /// Prints it, as text or as one JSON object.
    ///
    /// # Errors
    /// Never, for this type.
    pub(crate) fn print(&self, json: bool) -> serde_json::Result<()> {
        if json {
            return print_object(self, self.ok());
        }
        let ms = |value: Option<u64>| value.map_or("never".into(), |ms| format!("{ms} ms"));
        println!("\nsummary");
        println!(
            "  commands acknowledged / lost   {} / {}",
            self.audit.acknowledged, self.audit.lost
        );
        println!(
            "  longest gap without one        {} ms",
            self.audit.longest_gap_ms
        );
        println!("  time to elect                  {}", ms(self.elect_ms));
        println!("  serving again                  {}", ms(self.serving_ms));
        println!(
            "  suspected / declared dead      {} / {}",
            ms(self.suspect_ms),
            ms(self.dead_ms)
        );
        println!("  false suspicions               {}", self.false_suspicions);
        println!("\nchecks");
        for (what, held) in self.checks() {
            println!("  {}  {what}", if held { "ok    " } else { "FAILED" });
        }
        Ok(())
    }
}

/// Prints figures as one JSON object, with the verdict on them.
///
/// # Errors
/// When the figures are no object of JSON.
pub(crate) fn print_object(figures: &impl Serialize, ok: bool) -> serde_json::Result<()> {
    let mut object = serde_json::to_value(figures)?;
    object["ok"] = ok.into();
    println!("{object}");
    Ok(())
}

/// Whole milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
