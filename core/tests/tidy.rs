//! The house rules, as an ordinary test: floors, file and function length, banned words.
//!
//! Each rule is a function over a source text, and each is seen to fail on a text that breaks it.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, lowest first. A module imports from lower floors and from its own directory; leaf
/// words and unions (floors 0 and 3) also from each other, and bytes are made by `wire::codec`
/// alone.
const FLOORS: [&[&str]; 6] = [
    &[
        "time", "id", "level", "seed", "fixed", "payload", "error", "quorum", "voters", "mutant",
        "sum",
    ],
    &[
        "membership",
        "gossip",
        "health",
        "raft",
        "control",
        "transport",
    ],
    &["failover", "electorate", "balance"],
    &["wire", "durable", "metrics", "notice"],
    &["node"],
    &["journal", "lib"],
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

/// Words that must not stand in the code of `core`, and why.
const BANNED: [(&str, &str); 9] = [
    ("HashMap", "its order is not deterministic"),
    ("HashSet", "its order is not deterministic"),
    ("std::time", "time is passed in"),
    ("std::thread", "the core is single-threaded"),
    ("thread_rng", "randomness is seeded"),
    ("f64", "scores are integers"),
    ("f32", "scores are integers"),
    ("todo!", "nothing is called done before it is"),
    ("#[ignore]", "a test that is not run proves nothing"),
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// The modules of this crate that a source text names after `crate::`.
fn imports(source: &str) -> Vec<String> {
    let mut modules = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find('}').unwrap_or(group.len())];
            let heads = group
                .split(',')
                .map(|item| item.trim().split("::").next().unwrap_or(""));
            modules.extend(heads.filter(|head| !head.is_empty()).map(str::to_string));
        } else if !rest.starts_with("wire::codec") {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            modules.push(rest[..end.unwrap_or(rest.len())].to_string());
        }
    }
    modules
}

fn upward_imports(module: &str, source: &str) -> Vec<String> {
    let own = floor(module);
    let sideways = matches!(own, Some(0 | 3));
    let allowed = |name: &str| {
        let theirs = floor(name);
        name == module || theirs.is_some() && (theirs < own || sideways && theirs == own)
    };
    imports(source)
        .into_iter()
        .filter(|name| !allowed(name))
        .collect()
}

/// The text before the tests.
fn without_tests(source: &str) -> &str {
    source
        .find("#[cfg(test)]\nmod tests")
        .map_or(source, |at| &source[..at])
}

/// Whether a file of its own holds tests: `tests.rs`, or anything in a folder of tests beside the
/// code.
fn is_test_file(path: &Path) -> bool {
    let parts: Vec<_> = path
        .components()
        .rev()
        .take(3)
        .map(|part| part.as_os_str())
        .collect();
    parts
        .iter()
        .any(|part| *part == "tests" || *part == "tests.rs")
}

fn long_functions(source: &str) -> Vec<String> {
    let mut long = Vec::new();
    let mut open: Option<(usize, usize, String)> = None;
    for (number, line) in source.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let is_fn = [
            "fn ",
            "pub fn ",
            "pub(super) fn ",
            "pub(crate) fn ",
            "async fn ",
        ]
        .iter()
        .any(|head| line.trim_start().starts_with(head));
        if is_fn && open.is_none() && !line.trim_end().ends_with(';') {
            open = Some((number, indent, line.trim().to_string()));
        }
        let Some((start, at, name)) = &open else {
            continue;
        };
        // A signature of several lines without a body.
        if indent == *at && line.ends_with(';') {
            open = None;
            continue;
        }
        if indent == *at
            && (line.trim_end() == format!("{}}}", " ".repeat(*at)) || line.ends_with('}'))
        {
            if number - start + 1 > FUNCTION_LINES_MAX {
                long.push(format!("{name}: {} lines", number - start + 1));
            }
            open = None;
        }
    }
    long
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("the source directory is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Every source file of the workspace, with its text.
fn workspace() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = [
        "core",
        "runtime",
        "runtime-tokio",
        "runtime-smol",
        "sim",
        "examples",
        "tests",
    ];
    let files = crates
        .iter()
        .flat_map(|name| sources(&root.join(name).join("src")));
    files
        .map(|path| (path.clone(), fs::read_to_string(&path).expect("text")))
        .collect()
}

fn core_module(path: &Path) -> Option<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join("core")
        .join("src");
    let inner = path.strip_prefix(src).ok()?;
    let head = inner.components().next()?.as_os_str().to_str()?;
    Some(head.trim_end_matches(".rs").to_string())
}

#[test]
fn modules_import_only_lower_floors() {
    let mut seen = 0;
    for (path, source) in workspace() {
        let Some(module) = core_module(&path).filter(|module| module != "lib") else {
            continue;
        };
        assert!(floor(&module).is_some(), "{module} stands on no floor");
        let upward = upward_imports(&module, &source);
        assert!(upward.is_empty(), "{} imports {upward:?}", path.display());
        seen += 1;
    }
    assert!(seen > 20, "only {seen} files were found");
}

#[test]
fn files_functions_and_lines_have_room() {
    for (path, source) in workspace() {
        let (is_test_file, code) = (is_test_file(&path), without_tests(&source));
        let path = path.display();
        let lines = code.lines().count();
        assert!(
            is_test_file || lines <= FILE_LINES_MAX,
            "{path} has {lines} lines: split it"
        );
        if !is_test_file {
            let long = long_functions(code);
            assert!(long.is_empty(), "{path}: {long:?}");
        }
        for (number, line) in source.lines().enumerate() {
            let chars = line.chars().count();
            assert!(
                chars <= LINE_CHARS_MAX,
                "{path}:{} has {chars} characters",
                number + 1
            );
        }
    }
}

#[test]
fn every_story_names_a_test_that_exists() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/stories.md")).expect("it is there");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    // Names of tests are sentences; checkers, files and commands are not.
    let told: Vec<&str> = quoted.filter(|it| it.matches('_').count() >= 3).collect();
    let files = ["core/src/raft/tests", "core/tests", "tests/tests"].map(|it| root.join(it));
    let files = files.iter().flat_map(|directory| sources(directory));
    let sources: Vec<String> = files
        .map(|path| fs::read_to_string(&path).expect("text"))
        .collect();
    assert!(told.len() > 30, "only {} stories", told.len());
    for name in told {
        let test = format!("fn {name}(");
        let exists = sources.iter().any(|source| source.contains(&test));
        assert!(exists, "{name} is told nowhere");
    }
}

#[test]
fn banned_words_do_not_stand_in_the_core() {
    for (path, source) in workspace() {
        if core_module(&path).is_none() {
            continue;
        }
        let found = banned(without_tests(&source));
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

fn banned(code: &str) -> Vec<&'static str> {
    let lines = || {
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
    };
    let stands = |word: &str| lines().any(|line| line.contains(word));
    BANNED
        .iter()
        .filter(|(word, _)| stands(word))
        .map(|(word, _)| *word)
        .collect()
}

#[test]
fn every_rule_can_fail() {
    let upward = "use crate::node::Node;\nuse crate::{id::Term, raft};\nuse crate::wire::codec;";
    assert_eq!(upward_imports("raft", upward), ["node"]);
    assert_eq!(
        upward_imports("membership", upward),
        ["node", "raft"],
        "sideways is no better"
    );
    assert_eq!(upward_imports("journal", upward), Vec::<String>::new());
    assert_eq!(
        banned("let x: f64 = 1;\n// a HashMap in a comment is fine"),
        ["f64"]
    );
    let long = format!("fn f() {{\n{}}}\n", "    x();\n".repeat(FUNCTION_LINES_MAX));
    assert_eq!(long_functions(&long).len(), 1);
    assert!(long_functions("fn f() {\n    x();\n}\n").is_empty());
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {}"), "a\n");
}
