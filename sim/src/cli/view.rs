//! The verb `view`: draws a run into one HTML file.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::flight;
use super::{OK, complain, mutant_problem, say, usage};
use crate::engine::des;
use crate::flight::is_meant_by;
use crate::named::find;
use crate::replay;
use crate::view::{Caption, Page, Window, render, stage};

/// What shall be drawn, and where to.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// A scenario's name, a scenario or plan file, or `swarm` for what the seed draws; or a
    /// recording of a real node, or a directory of recordings.
    what: String,
    /// The seed; without it the one that the file names, or 1.
    #[arg(long)]
    seed: Option<u64>,
    /// Open the page at this moment, such as 12.4s; 2 s before a violation, else at 0 without it.
    #[arg(long, value_parser = replay::span)]
    from: Option<u64>,
    /// Open it with so much in view, such as 2s.
    #[arg(long = "for", value_parser = replay::span)]
    length: Option<u64>,
    /// The file to write.
    #[arg(short, long)]
    out: PathBuf,
}

/// Draws; the exit code says whether there is a page, not how the run ended.
pub(super) fn run(args: &Args, json: bool) -> u8 {
    let window = Window {
        from_us: args.from.map(|nanos| nanos / 1_000),
        for_us: args.length.map(|nanos| nanos / 1_000),
    };
    let path = Path::new(&args.what);
    let drawn = match is_meant_by(path) {
        true => flight::page(path, window),
        false => page_of_plan(args, window),
    };
    let (caption, page) = match drawn {
        Ok(drawn) => drawn,
        Err(code) => return code,
    };
    let parent = args
        .out
        .parent()
        .filter(|path| !path.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), std::fs::create_dir_all);
    let file = args.out.display().to_string();
    if let Err(error) = made.and_then(|()| std::fs::write(&args.out, &page.html)) {
        return usage(&format!("page {file}: {error}"));
    }
    tell(&file, &caption, &page, json);
    OK
}

fn page_of_plan(args: &Args, window: Window) -> Result<(Caption, Page), u8> {
    let plan = find(&args.what, args.seed).map_err(|error| usage(&error.to_string()))?;
    if let Some(problem) = plan.mutant.as_deref().and_then(mutant_problem) {
        return Err(usage(&problem));
    }
    let (report, record) = des::record(&plan);
    let caption = Caption::of_run(&plan, &report);
    let page = render(&caption, &stage(&record), window);
    Ok((caption, page))
}

fn tell(file: &str, caption: &Caption, page: &Page, json: bool) {
    let violation = caption.violation.as_ref();
    if json {
        let object = json!({
            "file": file,
            "bytes": page.html.len(),
            "name": caption.name,
            "detail": caption.detail,
            "trace": caption.trace,
            "ok": violation.is_none() && caption.unmet.is_empty(),
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
    caption
        .unmet
        .iter()
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
