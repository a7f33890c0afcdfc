//! Secrets: what must not be shown, and the two ways to hide it.
//!
//! A [`Masker`] knows values and replaces them wherever they turn up; [`MaskedSource`] hides text literals of a script by
//! the name they are given, keeping every width, so that carets stay under their places. Knows no Rhai.

use super::lexer::{Kind, Token, lex};
use funchost_collectors::call::spellings;
use funchost_collectors::mapped::Mapped as _;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

/// What stands where a secret was.
const MASK: &str = "****";

/// Values shorter than this would mask half of every text.
const SHORTEST: usize = 8;

/// Knows secret values, and replaces them in any text: as they are, in base64, percent-encoded and JSON-escaped.
#[derive(Default)]
pub struct Masker {
    /// Longest first, so that a secret inside another leaves no rest.
    forms: RwLock<Vec<String>>,
    /// The process's, where this one is a run's.
    process: Option<Arc<Self>>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Masker")
    }
}

impl Masker {
    /// A masker that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that knows what `process` knows and learns, and besides the secrets of one run, which are forgotten with it.
    #[must_use]
    pub fn of_run(process: &Arc<Self>) -> Self {
        Self { forms: RwLock::default(), process: Some(process.clone()) }
    }

    /// Remembers a secret for the rest of the process. Values of fewer than eight characters are not masked.
    pub fn learn(&self, secret: &str) {
        match &self.process {
            Some(process) => process.learn(secret),
            None => self.learn_here(secret),
        }
    }

    /// Remembers a secret as long as this masker lives: a caller's, of which a service sees any number.
    pub fn learn_here(&self, secret: &str) {
        if secret.chars().count() < SHORTEST {
            return;
        }
        let mut forms = self.forms.write().unwrap_or_else(PoisonError::into_inner);
        if forms.iter().any(|form| form == secret) {
            return;
        }
        forms.extend(spellings(secret));
        forms.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        forms.dedup();
    }

    /// Works on every form that is known, longest first.
    fn each(&self, mut work: impl FnMut(&str)) {
        let own = self.forms.read().unwrap_or_else(PoisonError::into_inner);
        let process = self.process.as_ref().map(|process| &process.forms);
        let process = process.map(|forms| forms.read().unwrap_or_else(PoisonError::into_inner));
        let (mut own, mut others) =
            (own.iter().peekable(), process.iter().flat_map(|forms| forms.iter()).peekable());
        loop {
            let from_own = match (own.peek(), others.peek()) {
                (Some(one), Some(other)) => one.len() >= other.len(),
                (one, _) => one.is_some(),
            };
            match if from_own { own.next() } else { others.next() } {
                Some(form) => work(form),
                None => return,
            }
        }
    }

    /// The text without any known secret.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        self.each(|form| {
            if masked.contains(form) {
                masked = Cow::Owned(masked.replace(form, MASK));
            }
        });
        masked
    }

    /// The data without any known secret: in its texts, in the names of its members and in its numbers.
    #[must_use]
    pub fn mask_data(&self, data: &Value) -> Value {
        match data {
            Value::Null | Value::Bool(_) => data.clone(),
            Value::Number(number) => match self.mask(&number.to_string()) {
                Cow::Borrowed(_) => data.clone(),
                Cow::Owned(masked) => masked.into(),
            },
            Value::String(text) => self.mask(text).into(),
            Value::Array(items) => items.iter().map(|item| self.mask_data(item)).collect(),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, item)| (self.mask(name).into_owned(), self.mask_data(item)))
                    .mapped(),
            ),
        }
    }

    /// Where in some data a known secret stands, as the path of the member or item: `[0].name`, empty for the whole.
    pub(super) fn find_in(&self, data: &Value) -> Option<String> {
        match data {
            Value::Null | Value::Bool(_) => None,
            Value::Number(number) => self.knows(&number.to_string()).then(String::new),
            Value::String(text) => self.knows(text).then(String::new),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(index, item)| self.find_in(item).map(|rest| below(&format!("[{index}]"), &rest))),
            Value::Object(members) => members.iter().find_map(|(name, item)| {
                // The path is said: a name that is a secret is not.
                if self.knows(name) {
                    return Some(String::new());
                }
                self.find_in(item).map(|rest| below(name, &rest))
            }),
        }
    }

    /// Is a known secret in the text?
    pub(super) fn knows(&self, text: &str) -> bool {
        matches!(self.mask(text), Cow::Owned(_))
    }

    /// Where known secrets stand in a text.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.each(|form| found.extend(text.match_indices(form).map(|(at, found)| at..at + found.len())));
        found
    }
}

/// A path that goes on.
fn below(path: &str, rest: &str) -> String {
    let dot = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
    format!("{path}{dot}{rest}")
}

/// Is this the name of something secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "token", "password", "key"].iter().any(|word| name.contains(word))
}

/// Names whose literals are surely secrets, and worth looking for everywhere: `key` alone may be any map's key.
fn is_surely_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["secret", "token", "password"].iter().any(|word| name.contains(word))
}

/// Is it what a secret's variable is called, or the end of such a name: `AWS_AK_SECRET`, `_AK_SECRET`? It is needed in messages, and no cloud gives out
/// secrets like it.
fn is_name_of_variable(literal: &str) -> bool {
    is_secret_name(literal)
        && literal.contains('_')
        && literal
            .chars()
            .all(|character| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_')
}

/// Tells the masker the literals of a source that are surely secrets, before the script can print them.
pub(super) fn learn_from(source: &str, masker: &Masker) {
    for (name, range) in secret_literals(source) {
        if is_surely_secret(&name) {
            masker.learn(source.get(range).unwrap_or_default());
        }
    }
}

/// The text literals of a source that are given to something with a secret's name: its name, and the bytes between the quotes.
fn secret_literals(source: &str) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let tokens = lex(source);
    for comment in tokens.iter().filter(|token| token.kind == Kind::Comment) {
        // Old keys are often only commented out. Line by line: an apostrophe must not swallow what follows.
        let mut at = comment.range.start;
        for line in comment.text(source).split_inclusive('\n') {
            let leader = line.len() - line.trim_start_matches(['/', '*', '#', ' ', '\t']).len();
            found.extend(
                secret_literals_of_code(&line[leader..])
                    .into_iter()
                    .map(|(name, range)| (name, at + leader + range.start..at + leader + range.end)),
            );
            at += line.len();
        }
    }
    found.extend(secret_literals_of_code(source));
    // A quote that is never closed turns code and texts around: each line once more by itself.
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let literals = secret_literals_of_code(line);
        found.extend(literals.into_iter().map(|(name, range)| (name, at + range.start..at + range.end)));
        at += line.len();
    }
    found
}

fn secret_literals_of_code(source: &str) -> Vec<(String, Range<usize>)> {
    let tokens: Vec<Token> = lex(source).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let symbol = |at: usize| tokens.get(at).map_or("", |token| token.text(source));
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let name = match token.kind {
            Kind::Word => token.text(source),
            Kind::Text { .. } => source.get(token.inner()).unwrap_or_default(),
            _ => continue,
        };
        if !is_secret_name(name) {
            continue;
        }
        let mut next = index + 1;
        let is_text = token.kind != Kind::Word;
        if is_text && symbol(next) == "]" {
            next += 1;
        }
        let as_argument = is_text && symbol(next) == "," && index > 0 && symbol(index - 1) == "(";
        if as_argument || matches!(symbol(next), ":" | "=" | "==" | "!=" | "+=") {
            let literals = value_literals(source, &tokens, next + 1).into_iter();
            // `paging: #{ token: "NextToken" }` names a parameter.
            let is_name = |literal: &str| {
                is_name_of_variable(literal) || funchost_collectors::request::TOKENS.contains(&literal)
            };
            let secret = literals.filter(|range| !is_name(&source[range.clone()]));
            found.extend(secret.map(|range| (name.to_owned(), range)));
        }
    }
    found
}

/// The text literals of the value that begins at a token.
fn value_literals(source: &str, tokens: &[Token], start: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    // The depth outside of `ENV(…)`, inside of it.
    let mut environment: Option<usize> = None;
    for index in start..tokens.len() {
        let token = &tokens[index];
        let text = token.text(source);
        let previous = index.checked_sub(1).and_then(|at| tokens.get(at));
        let next_line = index > start && previous.is_some_and(|previous| previous.line < token.line);
        // Where a `;` was forgotten, the value ends with its line.
        if depth == 0
            && next_line
            && !(token.kind == Kind::Symbol && matches!(text, "+" | "." | "??" | "{" | "[" | "("))
        {
            break;
        }
        match (token.kind, text) {
            (Kind::Symbol, "(" | "[" | "{" | "#{") => {
                if text == "(" && previous.is_some_and(|previous| previous.text(source) == "ENV") {
                    environment = environment.or(Some(depth));
                }
                depth += 1;
            }
            (Kind::Symbol, ")" | "]" | "}") if depth == 0 => break,
            (Kind::Symbol, ")" | "]" | "}") => {
                depth -= 1;
                environment = environment.filter(|outside| *outside < depth);
            }
            (Kind::Symbol, "," | ";") if depth == 0 => break,
            // The id of an environment variable is no secret, and the way to mend a missing one: neither is a part of it.
            (Kind::Text { .. }, _) if environment.is_none() => found.push(token.inner()),
            _ => {}
        }
    }
    found
}

/// A source with its secrets replaced by dots of the same width.
#[derive(Debug)]
pub(super) struct MaskedSource {
    /// What may be shown.
    pub(super) text: String,
    /// Replaced bytes of the original, ascending and apart, and the length that each has now.
    replaced: Vec<(Range<usize>, usize)>,
}

impl MaskedSource {
    /// Hides the literals with a secret's name, and every known secret.
    pub(super) fn new(source: &str, masker: &Masker) -> Self {
        let mut ranges: Vec<Range<usize>> =
            secret_literals(source).into_iter().map(|(_, range)| range).chain(masker.find(source)).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::new();
        for range in ranges {
            match apart.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        let mut text = String::with_capacity(source.len());
        let mut replaced = Vec::with_capacity(apart.len());
        let mut from = 0;
        for range in apart {
            text.push_str(&source[from..range.start]);
            let before = text.len();
            for character in source[range.clone()].chars() {
                match character {
                    '\n' => text.push('\n'),
                    other => text.push_str(if is_wide(other) { ".." } else { "." }),
                }
            }
            from = range.end;
            replaced.push((range, text.len() - before));
        }
        text.push_str(&source[from..]);
        Self { text, replaced }
    }

    /// Where a byte of the original stands now; the first byte of the dots for one that was replaced.
    pub(super) fn offset(&self, original: usize) -> usize {
        let mut moved = original;
        for (range, length) in &self.replaced {
            if original >= range.end {
                moved = moved + length - range.len();
            } else if original > range.start {
                return moved - (original - range.start);
            } else {
                break;
            }
        }
        moved
    }
}

/// Does a character take two columns, by the blocks of Unicode's East Asian Width that are all wide.
fn is_wide(character: char) -> bool {
    matches!(u32::from(character),
        0x1100..=0x115F | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xA960..=0xA97F | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F900..=0x1F9FF
        | 0x20000..=0x3FFFD)
}
