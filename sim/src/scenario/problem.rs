//! What is wrong with a scenario's text: all of it at once, each with its place.

use std::fmt::{self, Write};

/// More problems than these are not listed: the first ones explain the rest.
pub(super) const PROBLEMS_MAX: usize = 50;

/// Where in a text something stands; lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column of its first character.
    pub column: usize,
    /// How many characters it has.
    pub width: usize,
}

impl Place {
    /// The beginning of a text.
    pub const START: Place = Place {
        line: 1,
        column: 1,
        width: 1,
    };
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to write instead.
    pub what: String,
}

/// Everything that is wrong with one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file's name.
    pub file: String,
    /// Each problem with the line it stands in.
    pub all: Vec<(Problem, String)>,
    /// How many more there are.
    pub more: usize,
}

impl Problems {
    /// In the order of their places, without repetitions.
    #[must_use]
    pub fn new(file: &str, text: &str, mut found: Vec<Problem>) -> Problems {
        found.sort_by(|one, two| (one.place, &one.what).cmp(&(two.place, &two.what)));
        found.dedup();
        let more = found.len().saturating_sub(PROBLEMS_MAX);
        found.truncate(PROBLEMS_MAX);
        let lines: Vec<&str> = text.lines().collect();
        let line = |problem: &Problem| {
            let line = lines.get(problem.place.line.wrapping_sub(1)).copied();
            let line = line.unwrap_or_default().chars().take(LINE_SHOWN);
            line.map(|c| if c.is_control() { ' ' } else { c }).collect()
        };
        Problems {
            file: file.to_string(),
            all: found
                .into_iter()
                .map(|it| (it.clone(), line(&it)))
                .collect(),
            more,
        }
    }
}

/// So much of a line is shown.
const LINE_SHOWN: usize = 200;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (problem, line) in &self.all {
            let Place {
                line: number,
                column,
                width,
            } = problem.place;
            let _ = writeln!(text, "{}:{number}:{column}: {}", self.file, problem.what);
            let shown = line.chars().count();
            if shown == 0 || column > shown {
                continue;
            }
            let carets = width.clamp(1, (shown + 1).saturating_sub(column).max(1));
            let _ = writeln!(text, "  {line}");
            let _ = writeln!(text, "  {}{}", " ".repeat(column - 1), "^".repeat(carets));
        }
        if self.more > 0 {
            let _ = writeln!(text, "and {} more", self.more);
        }
        f.write_str(text.trim_end())
    }
}

impl std::error::Error for Problems {}

/// The word among the known ones that was probably meant.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    if length > WORD_MAX {
        return None;
    }
    let near = (length / 3).clamp(1, 3);
    let known = known.into_iter().map(|it| (distance(&word, it), it));
    let (far, found) = known.min_by_key(|(far, _)| *far)?;
    (far <= near).then_some(found)
}

/// Longer words are not compared.
const WORD_MAX: usize = 40;

/// Insertions, removals, replacements and swaps of neighbours that make one word of the other.
fn distance(one: &str, two: &str) -> usize {
    let (one, two): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
    let mut rows = vec![vec![0; two.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=two.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let same = usize::from(one[i - 1] != two[j - 1]);
                let step = (rows[i - 1][j - 1] + same).min(rows[i - 1][j] + 1);
                let step = step.min(rows[i][j - 1] + 1);
                let is_swap =
                    i > 1 && j > 1 && one[i - 1] == two[j - 2] && one[i - 2] == two[j - 1];
                if is_swap {
                    step.min(rows[i - 2][j - 2] + 1)
                } else {
                    step
                }
            };
        }
    }
    rows[one.len()][two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_word_is_found_and_a_distant_one_is_not() {
        let known = ["partition", "pause", "crash", "restart"];
        assert_eq!(nearest("partiton", known), Some("partition"));
        assert_eq!(nearest("Crsah", known), Some("crash"));
        assert_eq!(nearest("explode", known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn problems_come_in_order_with_their_line_and_a_caret() {
        let problem = |line, column, what: &str| Problem {
            place: Place {
                line,
                column,
                width: 4,
            },
            what: what.to_string(),
        };
        let found = vec![problem(2, 1, "late"), problem(1, 3, "early")];
        let text = Problems::new("a.scenario", "ab cdef\nxyz", found).to_string();
        let expected = "a.scenario:1:3: early\n  ab cdef\n    ^^^^\n\
                        a.scenario:2:1: late\n  xyz\n  ^^^";
        assert_eq!(text, expected);
    }
}
