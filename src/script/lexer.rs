//! A tolerant lexer: it cuts any text into words, texts, symbols and comments, right or wrong.
//!
//! Owns the view of a source that Rhai could not parse, and of literals that must not be shown. Knows no grammar, and
//! gives no errors: what nobody closed ends at its line.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, keyword or number.
    Word,
    /// A text, with its quotes; `closed` where the second quote is there.
    Text {
        /// `"`, `'` or a backtick.
        quote: char,
        /// Is the closing quote there.
        closed: bool,
    },
    /// Punctuation: one character, or one of the operators of two.
    Symbol,
    /// `// …`, `/* … */`, and Python's `# …`, which Rhai does not have.
    Comment,
}

/// A piece of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Bytes.
    pub(super) range: Range<usize>,
    /// From 1.
    pub(super) line: usize,
    /// Characters, from 1.
    pub(super) column: usize,
}

impl Token {
    /// Its characters.
    pub(super) fn text<'t>(&self, source: &'t str) -> &'t str {
        source.get(self.range.clone()).unwrap_or_default()
    }

    /// The bytes between the quotes of a text.
    pub(super) fn inner(&self) -> Range<usize> {
        match self.kind {
            Kind::Text { closed: true, .. } => self.range.start + 1..self.range.end - 1,
            Kind::Text { closed: false, .. } => self.range.start + 1..self.range.end,
            _ => self.range.clone(),
        }
    }
}

const PAIRS: [&str; 18] = [
    "==", "!=", "<=", ">=", "=>", "::", "#{", "+=", "-=", "*=", "/=", "%=", "&&", "||", "??", "->", "..",
    "?.",
];

/// Cuts a text into tokens; blanks are left out.
pub(super) fn lex(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut line, mut line_start) = (0, 1, 0);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            if first == '\n' {
                line += 1;
                line_start = at;
            }
            continue;
        } else if rest.starts_with("//") || (first == '#' && !rest.starts_with("#{")) {
            (Kind::Comment, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (Kind::Comment, block_comment(rest))
        } else if first.is_alphanumeric() || first == '_' || first == '$' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            (Kind::Word, end.unwrap_or(rest.len()))
        } else if matches!(first, '"' | '\'' | '`') {
            literal(rest, first)
        } else if let Some(pair) = PAIRS.iter().find(|pair| rest.starts_with(**pair)) {
            (Kind::Symbol, pair.len())
        } else {
            (Kind::Symbol, first.len_utf8())
        };
        let column = source[line_start..at].chars().count() + 1;
        let end = at + length;
        tokens.push(Token { kind, range: at..end, line, column });
        for (offset, _) in source[at..end].match_indices('\n') {
            line += 1;
            line_start = at + offset + 1;
        }
        at = end;
    }
    tokens
}

/// The length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The kind and length of a text that begins with `quote`.
fn literal(rest: &str, quote: char) -> (Kind, usize) {
    let mut escaped = false;
    for (offset, character) in rest.char_indices().skip(1) {
        if character == quote && !escaped {
            return (Kind::Text { quote, closed: true }, offset + 1);
        }
        if character == '\n' && quote != '`' && !escaped {
            return (Kind::Text { quote, closed: false }, offset);
        }
        escaped = !escaped && character == '\\' && quote != '`';
    }
    (Kind::Text { quote, closed: false }, rest.len())
}
