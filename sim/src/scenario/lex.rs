//! From lines to tokens.
//!
//! `#` begins a comment, `"` a text, `,` separates nothing that spaces do not. The signs are
//! `->` `<->` `|` `;` `..` `+` `<=` `>=` `<` `>` `=`; everything else between spaces is a word.

use super::problem::{Place, Problem};

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What kind.
    pub(super) kind: Kind,
    /// Its characters; of a text, those between the quotes.
    pub(super) text: &'a str,
    /// Where it stands.
    pub(super) place: Place,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word or a number.
    Word,
    /// A text in quotes.
    Text,
    /// A sign.
    Sign,
}

/// Longer signs first.
const SIGNS: [&str; 12] = [
    "<->", "->", "<=", ">=", "==", "..", "|", ";", "<", ">", "=", "+",
];

/// The tokens of one line.
///
/// # Errors
/// A text without its end.
pub(super) fn line(number: usize, text: &str) -> Result<Vec<Token<'_>>, Problem> {
    let mut tokens = Vec::new();
    let (mut rest, mut column) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let at = |width| Place {
            line: number,
            column,
            width,
        };
        let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
        let (len, token) = if first == '#' {
            break;
        } else if first.is_whitespace() || first == ',' || first == '\u{feff}' {
            (first.len_utf8(), None)
        } else if first == '"' {
            let Some(len) = rest[1..].find('"') else {
                let what = "this text has no closing quote \"".to_string();
                let place = at(rest.chars().count());
                return Err(Problem { place, what });
            };
            (len + 2, Some((Kind::Text, &rest[1..=len])))
        } else if let Some(sign) = sign {
            (sign.len(), Some((Kind::Sign, &rest[..sign.len()])))
        } else {
            let len = word(rest);
            (len, Some((Kind::Word, &rest[..len])))
        };
        let width = rest[..len].chars().count();
        if let Some((kind, text)) = token {
            let place = at(width);
            tokens.push(Token { kind, text, place });
        }
        column += width;
        rest = &rest[len..];
    }
    Ok(tokens)
}

/// How far the word at the beginning goes.
fn word(text: &str) -> usize {
    let ends = |(at, c): &(usize, char)| {
        c.is_whitespace()
            || matches!(c, ',' | '"' | '#')
            || SIGNS.into_iter().any(|sign| text[*at..].starts_with(sign))
    };
    text.char_indices()
        .find(ends)
        .map_or(text.len(), |(at, _)| at)
        .max(text.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        let tokens = line(1, text).unwrap();
        tokens.into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn signs_need_no_spaces_and_commas_mean_nothing() {
        assert_eq!(
            texts("cut n1->n2,n3 # why"),
            ["cut", "n1", "->", "n2", "n3"]
        );
        assert_eq!(texts("seeds 1..200"), ["seeds", "1", "..", "200"]);
        assert_eq!(texts("200us..1.5ms"), ["200us", "..", "1.5ms"]);
        assert_eq!(
            texts("leader-crash <-> -5ppm"),
            ["leader-crash", "<->", "-5ppm"]
        );
        assert_eq!(
            texts("terms<=2;\"a # b\""),
            ["terms", "<=", "2", ";", "a # b"]
        );
    }

    #[test]
    fn columns_count_characters_and_an_open_text_is_a_problem() {
        let tokens = line(3, "ü \"x\" y").unwrap();
        let columns: Vec<usize> = tokens.iter().map(|token| token.place.column).collect();
        assert_eq!(columns, [1, 3, 7]);
        let problem = line(3, "name \"x").unwrap_err();
        assert_eq!((problem.place.line, problem.place.column), (3, 6));
    }
}
