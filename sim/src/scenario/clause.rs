//! A run of tokens that is read from left to right: a line, or a part of one between `;`.

use super::lex::{Kind, Token};
use super::problem::{Place, Problem, nearest};

/// What reading gives.
pub(super) type Parsed<T> = Result<T, Problem>;

/// Tokens still to be read.
#[derive(Clone, Debug)]
pub(super) struct Clause<'t> {
    tokens: &'t [Token<'t>],
    at: usize,
}

impl<'t> Clause<'t> {
    /// All tokens of a clause; at least one.
    #[must_use]
    pub(super) fn new(tokens: &'t [Token<'t>]) -> Clause<'t> {
        Clause { tokens, at: 0 }
    }

    /// The next token.
    #[must_use]
    pub(super) fn peek(&self) -> Option<&'t Token<'t>> {
        self.tokens.get(self.at)
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<&'t Token<'t>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// The text of the next token, unless it stands in quotes.
    #[must_use]
    pub(super) fn word(&self) -> Option<&'t str> {
        let token = self.peek()?;
        (token.kind != Kind::Text).then_some(token.text)
    }

    /// Takes the next token if it is that word or sign.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let is_next = self.word() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the next tokens if they are these words.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let next = self.tokens[self.at..].iter().take(words.len());
        let is_next = next.map(|token| token.text).eq(words.iter().copied());
        self.at += if is_next { words.len() } else { 0 };
        is_next
    }

    /// Takes the next token, which must be one of these words.
    ///
    /// # Errors
    /// It is another one, or missing.
    pub(super) fn one_of(&mut self, what: &str, words: &[&'static str]) -> Parsed<&'static str> {
        let found = self
            .word()
            .and_then(|word| words.iter().find(|it| **it == word));
        match found {
            Some(word) => {
                self.at += 1;
                Ok(word)
            }
            None => Err(self.unknown(what, words)),
        }
    }

    /// Takes that word.
    ///
    /// # Errors
    /// It is another one, or missing.
    pub(super) fn must(&mut self, word: &'static str) -> Parsed<()> {
        if self.eat(word) {
            return Ok(());
        }
        Err(self.problem(&format!("expected `{word}`")))
    }

    /// Where the next token stands, or the place behind the last.
    #[must_use]
    pub(super) fn place(&self) -> Place {
        match (self.peek(), self.tokens.last()) {
            (Some(token), _) => token.place,
            (None, Some(last)) => Place {
                column: last.place.column + last.place.width,
                width: 1,
                ..last.place
            },
            (None, None) => Place::default(),
        }
    }

    /// Where the last taken token stands.
    #[must_use]
    pub(super) fn before(&self) -> Place {
        let taken = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        taken.map_or(self.place(), |token| token.place)
    }

    /// A problem with the next token.
    #[must_use]
    pub(super) fn problem(&self, what: &str) -> Problem {
        let what = match self.peek() {
            Some(token) => format!("{what}, found `{}`", shown(token.text)),
            None => format!("{what}, found the end of the line"),
        };
        let place = self.place();
        Problem { place, what }
    }

    /// A problem with the next token, which is none of these words.
    #[must_use]
    pub(super) fn unknown(&self, what: &str, words: &[&'static str]) -> Problem {
        let near = self
            .word()
            .and_then(|word| nearest(word, words.iter().copied()));
        let mut problem = self.problem(&format!("expected {what}"));
        problem.what.push_str(&match near {
            Some(word) => format!("; did you mean `{word}`?"),
            None => format!("; known are {}", words.join(", ")),
        });
        problem
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Something is.
    pub(super) fn end(&self, known: &[&'static str]) -> Parsed<()> {
        let Some(token) = self.peek() else {
            return Ok(());
        };
        let what = match self
            .word()
            .and_then(|it| nearest(it, known.iter().copied()))
        {
            Some(word) if word != token.text => {
                format!(
                    "`{}` is not understood here; did you mean `{word}`?",
                    shown(token.text)
                )
            }
            Some(_) | None => format!("`{}` is not understood here", shown(token.text)),
        };
        let place = token.place;
        Err(Problem { place, what })
    }
}

/// So much of a wrong word is repeated.
const SHOWN: usize = 40;

/// A word as it is repeated in a problem.
#[must_use]
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > SHOWN {
        short.push('…');
    }
    short
}
