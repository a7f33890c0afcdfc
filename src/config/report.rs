//! Reports: a mistake and the line it stands in, without the secrets of that line.
//!
//! Owns how a mistake is shown. Secrets become dots of the same width, so that carets stay under their places.

use super::value::Wrong;
use super::{ConfigError, Diagnostic, is_secret_name};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A configuration is some hundred lines; what is larger is another file.
const LARGEST: u64 = 1 << 20;
/// A file that is no TOML at all has a mistake in every line.
const SHOWN: usize = 20;
/// Of a foreign text.
const LONGEST: usize = 300;

/// Where a mistake stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In the file, in bytes of its text.
    Span(Range<usize>),
    /// In the environment.
    Variable,
}

/// A mistake before it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: At,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    /// A mistake in what is called `name`.
    pub(super) fn new(at: At, name: &str, wrong: Wrong) -> Self {
        Self {
            at,
            message: format!("`{}` {}", line(name), wrong.message),
            hint: wrong.hint.map(|hint| line(&hint)),
        }
    }
}

/// A foreign text as one line of bounded length.
pub(super) fn line(text: &str) -> String {
    let plain: String =
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

/// The text of a configuration; none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let unreadable = |error: std::io::Error| {
        about_file(path, &format!("cannot be read ({error})"), Some("make it readable for this user".into()))
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        return Err(about_file(path, "is a folder", Some("name the file in it".into())));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(about_file(path, "is larger than 1 MiB: it is no configuration", None));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let number = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        about_file(path, &format!("is not UTF-8 text (line {number})"), Some("save it as UTF-8".into()))
    })
}

/// A mistake of a file as a whole.
pub(super) fn about_file(path: &Path, what: &str, hint: Option<String>) -> ConfigError {
    let message = format!("the configuration {} {what}", line(&path.display().to_string()));
    let rendered = render(Group::with_title(Level::ERROR.primary_title(message.clone())), hint.as_deref());
    let file = Some(path.to_owned());
    ConfigError { diagnostics: vec![Diagnostic { message, file, line: None, column: None, hint, rendered }] }
}

/// All mistakes, in the order of the file, variables last.
pub(super) fn diagnostics(
    file: Option<&Path>,
    source: &str,
    masked: &Masked,
    mut problems: Vec<Problem>,
) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| match &problem.at {
        At::Span(span) => span.start,
        At::Variable => usize::MAX,
    });
    let left_out = problems.len().saturating_sub(SHOWN);
    let mut diagnostics: Vec<Diagnostic> =
        problems.into_iter().take(SHOWN).map(|problem| diagnostic(file, source, masked, problem)).collect();
    if left_out > 0 {
        let message = format!("{left_out} more mistakes are not shown");
        let rendered = render(Group::with_title(Level::ERROR.primary_title(message.clone())), None);
        let file = file.map(Path::to_owned);
        diagnostics.push(Diagnostic { message, file, line: None, column: None, hint: None, rendered });
    }
    diagnostics
}

fn diagnostic(file: Option<&Path>, source: &str, masked: &Masked, problem: Problem) -> Diagnostic {
    let Problem { at, message, hint } = problem;
    let title = Level::ERROR.primary_title(message.clone());
    let (At::Span(span), Some(file)) = (at, file) else {
        let rendered = render(Group::with_title(title), hint.as_deref());
        return Diagnostic { message, file: None, line: None, column: None, hint, rendered };
    };
    let start = span.start.min(source.len());
    let before = &source[..source.floor_char_boundary(start)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let number = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    // A table that goes over many lines is shown by its first.
    let end = source[before.len()..].find(['\n', '\r']).map_or(source.len(), |at| before.len() + at);
    let span = before.len()..span.end.min(end).max(before.len());
    // Only the line itself: with all of the text every report would cost the length of the file.
    let shown = masked.position(source, line_start)..masked.position(source, end);
    let marked =
        masked.position(source, span.start) - shown.start..masked.position(source, span.end) - shown.start;
    let snippet = Snippet::source(&masked.text[shown])
        .line_start(number)
        .path(file.display().to_string())
        .annotation(AnnotationKind::Primary.span(marked));
    let rendered = render(title.element(snippet), hint.as_deref());
    Diagnostic {
        message,
        file: Some(file.to_owned()),
        line: Some(number),
        column: Some(column),
        hint,
        rendered,
    }
}

fn render<'t>(mut group: Group<'t>, hint: Option<&'t str>) -> String {
    if let Some(hint) = hint {
        group = group.element(Level::HELP.with_name("hint").message(hint));
    }
    // Foreign names in titles have lost their control characters in `line`.
    Renderer::plain().render(&[group])
}

/// A configuration's text without its secrets.
pub(super) struct Masked {
    text: String,
    /// The secret parts in the text as it was, and how long each is now.
    parts: Vec<(Range<usize>, usize)>,
}

impl Masked {
    /// Hides the values of a text that was understood: by the names of their keys, by `secret = true`, and in URLs.
    pub(super) fn of_tables(source: &str, table: &DeTable<'_>) -> Self {
        let mut hidden = url_secrets(source);
        secret_values(source, table, false, true, &mut hidden);
        Self::new(source, hidden)
    }

    /// Hides what may be a secret in a text that was not understood: all values of lines that name one, of `env`, in braces that go
    /// over several lines, and all that follows the first text of several lines, as nobody can tell where that ends.
    pub(super) fn of_broken(source: &str) -> Self {
        let mut hidden = url_secrets(source);
        let (mut in_env, mut in_braces, mut in_text) = (false, false, false);
        let mut start = 0;
        for line in source.split_inclusive('\n') {
            let whole = start..start + line.trim_end().len();
            let (key, value) = match line.find('=') {
                Some(at) => (&line[..at], (start + at + 1).min(whole.end)..whole.end),
                None => (line, whole.clone()),
            };
            if in_text {
                hidden.push(whole);
            } else if line.trim_start().starts_with('[') && !line.contains('=') {
                // A name in quotes may as well be an element of a list.
                let quoted = line.contains(['"', '\'']);
                in_env = line.contains("env") || in_env && quoted;
                in_braces &= quoted;
                if quoted {
                    hidden.push(whole);
                }
            } else if in_env || in_braces || key.contains("env") || is_secret_name(line) {
                hidden.push(value);
            }
            in_braces |= line.matches('{').count() > line.matches('}').count();
            in_text |= line.contains("\"\"\"") || line.contains("'''");
            start += line.len();
        }
        Self::new(source, hidden)
    }

    fn new(source: &str, mut hidden: Vec<Range<usize>>) -> Self {
        hidden.sort_by_key(|range| (range.start, range.end));
        let mut masked = Self { text: String::with_capacity(source.len()), parts: Vec::new() };
        let mut end = 0;
        for range in hidden {
            let range = range.start.max(end)..range.end;
            if range.is_empty() {
                continue;
            }
            masked.text.push_str(&source[end..range.start]);
            let dotted = dots(&source[range.clone()]);
            masked.text.push_str(&dotted);
            end = range.end;
            masked.parts.push((range, dotted.len()));
        }
        masked.text.push_str(&source[end..]);
        masked
    }

    /// Where a place of the text stands now.
    fn position(&self, source: &str, at: usize) -> usize {
        let mut moved = at;
        for (part, length) in self.parts.iter().rev() {
            if part.end <= at {
                moved = moved - part.len() + length;
            } else if part.start < at {
                moved = moved - (at - part.start) + dots(&source[part.start..at]).len();
            }
        }
        moved
    }
}

/// A dot for every character, as wide as it was. Line breaks stay.
fn dots(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\r' => character,
            character if is_wide(character) => '．',
            _ => '.',
        })
        .collect()
}

/// Does a terminal give it two columns: the blocks of East Asian scripts, full-width forms and pictographs.
fn is_wide(character: char) -> bool {
    matches!(u32::from(character),
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd)
}

/// The secret values below a table.
fn secret_values(source: &str, table: &DeTable<'_>, secret: bool, top: bool, hidden: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let secret = secret || is_secret_name(key.get_ref());
        match value.get_ref() {
            DeValue::Table(members) if top && key.get_ref() == "env" => {
                for (name, value) in members {
                    // Who writes a table of it means it secret, even if the word is misspelt.
                    let open = match value.get_ref() {
                        DeValue::Table(entry) => entry.iter().any(|(key, value)| {
                            key.get_ref() == "secret" && value.get_ref().as_bool() == Some(false)
                        }),
                        _ => true,
                    };
                    secret_value(source, value, !open || is_secret_name(name.get_ref()), hidden);
                }
            }
            _ => secret_value(source, value, secret, hidden),
        }
    }
}

fn secret_value(source: &str, value: &Spanned<DeValue<'_>>, secret: bool, hidden: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => secret_values(source, table, secret, false, hidden),
        DeValue::Array(list) => list.iter().for_each(|value| secret_value(source, value, secret, hidden)),
        DeValue::Boolean(_) => {}
        _ if secret => {
            let span = value.span();
            let written = &source[span.clone()];
            let quotes = ["\"\"\"", "'''", "\"", "'"].iter().find(|quotes| written.starts_with(**quotes));
            let quotes = quotes.map_or(0, |quotes| quotes.len()).min(span.len() / 2);
            hidden.push(span.start + quotes..span.end - quotes);
        }
        _ => {}
    }
}

/// What URLs in a text hide: user names and passwords, and the values of their query. Rather too much than too little: a URL that is
/// wrong is shown, too.
pub(super) fn url_secrets(text: &str) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        // It ends with the quote before it; in a text of its own, or where no quote is closed, with the line.
        let quote = text[..at]
            .chars()
            .rev()
            .take_while(|character| *character != '\n')
            .find(|character| "\"'".contains(*character));
        let ends = |character: char| "\r\n".contains(character) || Some(character) == quote;
        let end = text[start..].find(ends).map_or(text.len(), |length| start + length);
        let query = text[start..end].find('?').map_or(end, |length| start + length);
        let authority = match text[start..end].rfind('@') {
            Some(length) => start..start + length,
            // What stands where a port should: perhaps a password whose `@host` is missing.
            None => {
                let host = &text[start..text[start..query].find('/').map_or(query, |length| start + length)];
                let port = host.rsplit_once(':').map(|(_, port)| port).filter(|_| !host.ends_with(']'));
                let is_port = port.is_none_or(|port| port.trim().chars().all(|digit| digit.is_ascii_digit()));
                start..if is_port { start } else { query }
            }
        };
        let mut from = query.max(authority.end) + 1;
        if !authority.is_empty() {
            hidden.push(authority);
        }
        for pair in text.get(from..end).unwrap_or_default().split('&') {
            let value = pair.find('=').map_or(0, |equals| equals + 1);
            if value < pair.len() {
                hidden.push(from + value..from + pair.len());
            }
            from += pair.len() + 1;
        }
    }
    // A URL whose scheme was forgotten: `user:password@host`.
    for (at, _) in text.match_indices('@') {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let start = text[line..at].rfind(['"', '\'', '=', ' ']).map_or(line, |quote| line + quote + 1);
        if text[start..at].contains(':') && !text[start..at].contains("://") {
            hidden.push(start..at);
        }
    }
    hidden
}
