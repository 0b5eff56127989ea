//! The page of a run: what is in it, and that a browser can use it.

use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_sim::checkers::Violation;
use quorate_sim::engine::des::{self, Options};
use quorate_sim::expect::{Compare, Count, Expectation};
use quorate_sim::plan::Plan;
use quorate_sim::span::Span;
use quorate_sim::view::{Caption, Window, render, stage};
use quorate_sim::{scenarios, swarm};
use serde_json::Value;

fn scenario(name: &str) -> Plan {
    scenarios::find(name).expect("a scenario").plan(1)
}

fn page(plan: &Plan) -> String {
    let (report, record) = des::record(plan);
    render(
        &Caption::of_run(plan, &report),
        &stage(&record),
        Window::default(),
    )
    .html
}

/// The page of a run in which a checker found something, without a bug to find.
fn broken_page(plan: &Plan, what: &str) -> String {
    let (report, record) = des::record(plan);
    let mut caption = Caption::of_run(plan, &report);
    caption.violation = Some(Violation {
        checker: "one_leader_per_term",
        at_ns: 9_250_000_000,
        what: what.to_string(),
    });
    render(&caption, &stage(&record), Window::default()).html
}

/// What stands in the page's data element, as any reader of HTML would find it.
fn data(html: &str) -> Value {
    let open = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = html.split_once(open).expect("a data element");
    let (text, _) = rest.split_once("</script>").expect("its end");
    serde_json::from_str(text).expect("JSON")
}

fn column<'a>(data: &'a Value, table: &str, name: &str) -> &'a Vec<Value> {
    data[table][name].as_array().expect("a column")
}

#[test]
fn a_page_holds_every_lane_and_every_message_and_is_small() {
    let html = page(&scenario("split-brain"));
    assert!(html.len() < 3 << 20, "{} bytes", html.len());
    let data = data(&html);
    let lanes = data["lanes"].as_array().expect("lanes");
    assert_eq!(lanes.len(), 5);
    for lane in lanes {
        let (at, changes) = (&lane["at"], lane["changes"].as_array().expect("changes"));
        assert_eq!(at.as_array().map(Vec::len), Some(changes.len()));
        let led = changes.iter().filter_map(|change| change["role"].as_str());
        assert!(led.count() > 0, "each node plays a part");
        let last = changes
            .iter()
            .filter_map(|c| c["commit"].as_u64())
            .next_back();
        assert!(last > Some(100), "{last:?}");
    }
    let messages = column(&data, "messages", "at").len();
    assert!(messages > 10_000, "{messages}");
    for name in ["from", "to", "kind", "folded", "fate", "text"] {
        assert_eq!(column(&data, "messages", name).len(), messages, "{name}");
    }
    assert_eq!(
        (data["left_out"].as_u64(), &data["violation"]),
        (Some(0), &Value::Null)
    );
    let kinds = column(&data, "events", "kind");
    for kind in [
        "fault",
        "heal",
        "start",
        "role_changed",
        "acked",
        "stale",
        "member_suspected",
    ] {
        assert!(kinds.iter().any(|k| k == kind), "no event {kind}");
    }
}

#[test]
fn recording_changes_nothing() {
    for seed in [3, 7, 11] {
        let plan = swarm::expand(seed);
        let plain = des::run(&plan, Options::default());
        let (report, record) = des::record(&plan);
        assert_eq!(plain, report, "seed {seed}");
        // What a connection did not take is recorded as well.
        assert!(stage(&record).messages.len() as u64 >= report.totals.messages);
    }
}

#[test]
fn messages_are_lost_only_where_a_way_is_cut() {
    let plan = scenario("split-brain");
    let data = data(&page(&plan));
    let cuts = data["cuts"].as_array().expect("cuts");
    let first = cuts
        .iter()
        .filter_map(|cut| cut[0].as_u64())
        .min()
        .expect("a cut");
    let pairs: Vec<_> = cuts.iter().map(|cut| (&cut[1], &cut[2])).collect();
    let column = |name| column(&data, "messages", name);
    let (mut at, mut lost) = (0, 0);
    for index in 0..column("at").len() {
        at += column("at")[index].as_u64().expect("a distance");
        if column("fate")[index] != -1 || at < 1_000_000 {
            continue;
        }
        // A connection that broke takes with it what was sent shortly before the cut.
        assert!(
            at + 100_000 > first,
            "lost at {at}, before anything was cut"
        );
        let pair = (&column("from")[index], &column("to")[index]);
        assert!(pairs.contains(&pair), "lost at {at}: {pair:?}");
        lost += 1;
    }
    assert!(lost > 20, "{lost}");
}

#[test]
fn what_went_wrong_is_in_the_page() {
    let mut plan = Plan::quiet("too-much", 3, 3);
    (plan.heal, plan.end) = (Some(Span::from_ms(5_000)), Span::from_ms(10_000));
    let many = Expectation::count(Count::Leaders, Compare::AtLeast, 99, plan.end);
    plan.expect.push(many);
    let broken = data(&broken_page(&plan, "n1 and n3 lead term 2"));
    assert!(broken["unmet"][0].as_str().expect("text").contains("99"));
    assert_eq!(broken["violation"]["what"], "n1 and n3 lead term 2");
    assert_eq!(broken["violation"]["at"], 9_250_000);
    let window = serde_json::json!([7_250_000, 9_400_000]);
    assert_eq!(broken["window"], window, "the page opens shortly before");
}

#[cfg(feature = "mutants")]
#[test]
fn a_planted_bug_is_in_the_page() {
    let mut plan = scenario("split-brain");
    plan.mutant = Some("no-quorum-check".to_string());
    let data = data(&page(&plan));
    assert_eq!(data["violation"]["checker"], "leader_steps_down");
    assert!(
        data["detail"]
            .as_str()
            .expect("text")
            .ends_with("no-quorum-check")
    );
}

#[test]
fn no_text_of_a_plan_becomes_markup() {
    let name = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&\"'<!--title-->";
    let mut plan = Plan::quiet(name, 1, 3);
    (plan.heal, plan.end) = (Some(Span::from_ms(2_000)), Span::from_ms(10_000));
    let html = broken_page(&plan, "<b>n1</b></script><u>");
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<img") && !html.contains("</b>") && !html.contains("<u>"));
    let data = data(&html);
    assert_eq!(data["name"], name);
    assert_eq!(data["violation"]["what"], "<b>n1</b></script><u>");
    assert!(html.contains("<title>&lt;/script&gt;"));
}

#[test]
fn a_page_fetches_nothing() {
    let html = page(&Plan::quiet("alone", 1, 1));
    let bare = html.replace("http://www.w3.org/2000/svg", "");
    for word in [
        "http:",
        "https:",
        "src=",
        "<link",
        "@import",
        "fetch(",
        "XMLHttpRequest",
    ] {
        assert!(!bare.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_verb_writes_a_page_and_says_so() {
    let file = folder("verb").join("nested").join("page.html");
    let path = file.display().to_string();
    let sim = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        command.args(args).output().expect("the program starts")
    };
    let output = sim(&[
        "view",
        "leader-crash",
        "--from",
        "4.5",
        "--for",
        "2",
        "-o",
        &path,
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let html = std::fs::read_to_string(&file).expect("the page");
    assert_eq!(told["file"], path.as_str());
    assert_eq!(told["bytes"], html.len());
    assert_eq!(
        (&told["from_us"], &told["to_us"]),
        (&4_500_000.into(), &6_500_000.into())
    );
    assert_eq!(
        sim(&["view", "no-such-story", "-o", &path]).status.code(),
        Some(2)
    );
    assert_eq!(
        sim(&["view", "leader-crash", "--from", "-3", "-o", &path])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        sim(&["view", "leader-crash"]).status.code(),
        Some(2),
        "where to?"
    );
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("view")
        .join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn browser() -> Option<PathBuf> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let path = std::env::var_os("PATH")?;
    let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let files = names
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// Opens a page in a browser without a window.
fn open(browser: &Path, name: &str, html: &str, address: &str, flag: &str) -> String {
    let folder = folder(name);
    let file = folder.join("page.html");
    std::fs::write(&file, html).expect("the page is written");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args([
            "--no-first-run",
            "--window-size=1440,900",
            "--timeout=30000",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(flag)
        .arg(format!("file://{}{address}", file.display()))
        .output()
        .expect("the browser starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn selftest(dom: &str) -> &str {
    let (_, rest) = dom
        .split_once("<pre id=\"selftest\">")
        .unwrap_or(("", "no selftest"));
    rest.split_once("</pre>").map_or(rest, |(text, _)| text)
}

#[test]
fn a_browser_can_use_the_page() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED a_browser_can_use_the_page: no chromium or google-chrome on PATH");
        return;
    };
    let dump = |name: &str, html: &str, address: &str| {
        let dom = open(&browser, name, html, address, "--dump-dom");
        let told = selftest(&dom).to_string();
        (dom, told)
    };
    let html = page(&scenario("split-brain"));
    let (dom, told) = dump("story", &html, "?selftest#t=5.4&n=4");
    assert!(told.starts_with("selftest passed"), "{told}");
    for node in 1..=5 {
        assert!(
            dom.contains(&format!("data-node=\"{node}\"")),
            "no lane of n{node}"
        );
    }
    let (_, told) = dump("crashes", &page(&scenario("rolling-crashes")), "?selftest");
    assert!(told.starts_with("selftest passed"), "{told}");
    let broken = broken_page(&scenario("leader-crash"), "<b>n2</b> and n4 lead term 2");
    let (dom, told) = dump("broken", &broken, "?selftest");
    assert!(told.starts_with("selftest passed"), "{told}");
    assert!(dom.contains("&lt;b&gt;n2&lt;/b&gt; and n4 lead term 2"));
    let mut many = Plan::quiet("many", 1, 40);
    (many.heal, many.end) = (Some(Span::from_ms(1_000)), Span::from_ms(2_500));
    let (dom, told) = dump("many", &page(&many), "?selftest");
    assert!(told.starts_with("selftest passed"), "{told}");
    assert!(dom.contains("39 nodes alive"), "the panel counts");
    // The selftest can fail: a key that does nothing, a page whose program does not run.
    let lame = html.replace("j: () => step(1)", "j: () => 0");
    assert_ne!(lame, html);
    let (_, told) = dump("lame", &lame, "?selftest");
    assert!(
        told.contains("failed: a_step_goes_to_the_next_event"),
        "{told}"
    );
    let dead = html.replace("function draw() {", "function draw() { throw 1;");
    let (_, told) = dump("dead", &dead, "?selftest");
    assert_eq!(told, "no selftest");
}

#[test]
fn a_browser_can_draw_the_page() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED a_browser_can_draw_the_page: no chromium or google-chrome on PATH");
        return;
    };
    let file = folder("drawn").join("page.png");
    let flag = format!("--screenshot={}", file.display());
    open(
        &browser,
        "drawn",
        &page(&scenario("one-way-cut")),
        "#t=5.4",
        &flag,
    );
    let png = std::fs::read(&file).expect("a picture");
    assert!(
        png.starts_with(b"\x89PNG") && png.len() > 40_000,
        "{} bytes",
        png.len()
    );
}
