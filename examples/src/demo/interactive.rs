//! The demo in your hands: keys with return, a status line every second.

use std::io;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::client::Client;
use crate::story::Story;

const SECOND: Duration = Duration::from_secs(1);

/// Plays until `q` or the end of the input.
///
/// # Errors
/// When a process cannot be killed, started or signalled.
pub(crate) async fn play(story: &mut Story<'_>, client: &Client) -> io::Result<()> {
    println!(
        "k kill the leader · p pause or resume it · r restart the killed · q quit (and return)"
    );
    client.ready(Duration::from_secs(60)).await?;
    client.start();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (mut killed, mut paused) = (Vec::new(), None);
    loop {
        // Reading the reports for a second is also the rhythm of the status line.
        let line = tokio::time::timeout(Duration::from_millis(1), lines.next_line()).await;
        match line
            .as_ref()
            .map(|line| line.as_ref().map(|line| line.as_deref().map(str::trim)))
        {
            Ok(Ok(None) | Err(_)) | Ok(Ok(Some("q"))) => break,
            Ok(Ok(Some("k"))) => {
                if let Some((leader, _)) = story.leader() {
                    story.kill(leader).await?;
                    killed.push(leader);
                    println!("killed n{leader}");
                }
            }
            Ok(Ok(Some("p"))) => paused = pause(story, paused)?,
            Ok(Ok(Some("r"))) => {
                if let Some(node) = killed.pop() {
                    story.cluster().restart(node)?;
                    println!("restarted n{node}");
                }
            }
            Ok(Ok(Some(_))) => println!("k, p, r or q"),
            Err(_) => {}
        }
        story.listen_for(SECOND).await?;
        let progress = client.progress();
        let leader = story
            .leader()
            .map_or("nobody leads".into(), |(node, term)| {
                format!("n{node} leads term {term}")
            });
        println!(
            "{leader} · {} commands acknowledged · longest gap {} ms",
            progress.acknowledged,
            progress.longest_gap.as_millis()
        );
    }
    if let Some(node) = paused {
        signal(story, node, "-CONT")?;
    }
    for node in killed {
        story.cluster().restart(node)?;
    }
    let audit = client.finish().await?;
    println!(
        "{} acknowledged, {} lost, {} doubled",
        audit.acknowledged, audit.lost, audit.doubled
    );
    Ok(())
}

fn pause(story: &mut Story<'_>, paused: Option<u64>) -> io::Result<Option<u64>> {
    if let Some(node) = paused {
        signal(story, node, "-CONT")?;
        println!("resumed n{node}");
        return Ok(None);
    }
    let Some((leader, _)) = story.leader() else {
        return Ok(None);
    };
    signal(story, leader, "-STOP")?;
    println!("paused n{leader}");
    Ok(Some(leader))
}

fn signal(story: &mut Story<'_>, node: u64, signal: &str) -> io::Result<()> {
    let Some(pid) = story.cluster().pid(node) else {
        return Ok(());
    };
    Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .map(|_| ())
}
