//! The verb `view`: draws a run into one HTML file.

use std::path::PathBuf;

use serde_json::json;

use super::{OK, complain, mutant_problem, say, usage};
use crate::engine::des;
use crate::named::find;
use crate::report::Report;
use crate::view::{Caption, Page, Window, render, stage};

/// What shall be drawn, and where to.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A scenario's name, a scenario or plan file, or `swarm` for what the seed draws.
    what: String,
    /// The seed; without it the one that the file names, or 1.
    #[arg(long)]
    seed: Option<u64>,
    /// Open the page at this simulated second; 2 s before a violation, else at 0 without it.
    #[arg(long, value_parser = microseconds)]
    from: Option<u64>,
    /// Open it with so many seconds in view.
    #[arg(long = "for", value_parser = microseconds)]
    length: Option<u64>,
    /// The file to write.
    #[arg(short, long)]
    out: PathBuf,
}

/// Seconds with up to six decimals, as `12.431` or `12.431s`.
fn microseconds(text: &str) -> Result<u64, String> {
    let problem = || format!("`{text}` is no number of seconds, such as 12.431");
    let number = text.strip_suffix('s').unwrap_or(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 6 {
        return Err(problem());
    }
    let whole: u64 = whole.parse().map_err(|_| problem())?;
    let part: u64 = format!("{part:0<6}").parse().map_err(|_| problem())?;
    let whole = whole.checked_mul(1_000_000).ok_or_else(problem)?;
    whole.checked_add(part).ok_or_else(problem)
}

/// Draws; the exit code says whether there is a page, not how the run ended.
pub(super) fn run(args: &Args, json: bool) -> u8 {
    let plan = match find(&args.what, args.seed) {
        Ok(plan) => plan,
        Err(error) => return usage(&error.to_string()),
    };
    if let Some(problem) = plan.mutant.as_deref().and_then(mutant_problem) {
        return usage(&problem);
    }
    let (report, record) = des::record(&plan);
    let window = Window {
        from_us: args.from,
        for_us: args.length,
    };
    let page = render(&Caption::of_run(&plan, &report), &stage(&record), window);
    let parent = args
        .out
        .parent()
        .filter(|path| !path.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), std::fs::create_dir_all);
    let file = args.out.display().to_string();
    if let Err(error) = made.and_then(|()| std::fs::write(&args.out, &page.html)) {
        return usage(&format!("page {file}: {error}"));
    }
    tell(&file, &report, &page, json);
    OK
}

fn tell(file: &str, report: &Report, page: &Page, json: bool) {
    let violation = report.violation.as_ref();
    if json {
        let object = json!({
            "file": file,
            "bytes": page.html.len(),
            "name": report.name,
            "seed": report.seed,
            "ok": report.is_ok(),
            "violation": violation.map(|violation| violation.checker),
            "violation_at_ns": violation.map(|violation| violation.at_ns),
            "from_us": page.from_us,
            "to_us": page.to_us,
            "messages": page.messages,
            "messages_left_out": page.messages_left_out,
        });
        return say(&object.to_string());
    }
    if let Some(violation) = violation {
        say(&format!(
            "VIOLATION {}: {}",
            violation.checker, violation.what
        ));
    }
    report
        .unmet()
        .for_each(|unmet| say(&format!("UNMET {unmet}")));
    let kib = page.html.len() / 1024;
    say(&format!("{file}: {kib} KiB, {} messages", page.messages));
    if page.messages_left_out > 0 {
        let left_out = page.messages_left_out;
        complain(&format!(
            "{left_out} messages are left out for the page's size"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_exactly() {
        assert_eq!(microseconds("12.431"), Ok(12_431_000));
        assert_eq!(microseconds("12.431s"), Ok(12_431_000));
        assert_eq!(microseconds("0.000001"), Ok(1));
        assert_eq!(microseconds("7"), Ok(7_000_000));
        for wrong in [
            "",
            "-1",
            "1e3",
            "1.",
            ".5",
            "1.0000001",
            "99999999999999999999",
            "x",
        ] {
            assert!(microseconds(wrong).is_err(), "{wrong}");
        }
    }
}
