//! Diagnostics: what is said to the author of a script, as data and as text.
//!
//! Owns the shape of a message and its rendering. Knows no Rhai: places are lines and columns by now, and the sources in it
//! hold no secret any more.

use super::secrets::Masker;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The script cannot run, or did not run to its end.
    Error,
    /// It runs, but perhaps not as meant.
    Warning,
}

/// Who can mend it. The command line makes its exit code of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// What the user wrote or configured is wrong.
    Input,
    /// It failed while it ran: thrown by the script, a failed backend, the deadline, too much memory.
    RunTime,
}

/// A place in a script.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The script's id: `my_aws__main`.
    pub script: String,
    /// Its file, from the library's folder on: `my_aws/main.rhai`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Characters, from 1.
    pub column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A place that is shown, and what is said there.
#[derive(Clone, Debug)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What; may be empty.
    pub text: String,
    /// The masked source of its file.
    pub(super) source: Arc<str>,
    /// The bytes of the masked source that are marked.
    pub(super) span: Range<usize>,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Who can mend it.
    pub fault: Fault,
    /// One line.
    pub message: String,
    /// The first is where the carets stand; the others explain.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The calls that led there, the innermost first.
    pub trace: Vec<String>,
}

/// The fields of a message for `--output json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// One line.
    pub message: String,
    /// The file, from the library's folder on.
    pub file: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    /// Characters, from 1.
    pub column: Option<usize>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// Where it is, if it has a place.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.labels.first().map(|label| &label.place)
    }

    /// For machines.
    #[must_use]
    pub fn machine(&self) -> Machine {
        let place = self.place();
        Machine {
            message: self.message.clone(),
            file: place.map(|place| place.file.clone()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            hint: self.hint.clone(),
        }
    }

    /// In one line, with its place.
    #[must_use]
    pub fn line(&self) -> String {
        match self.place() {
            Some(place) => format!("{} ({place})", self.message),
            None => self.message.clone(),
        }
    }

    /// For a person: one line first, then the source with carets, then the hint and the way there.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        let mut shown: Vec<&str> = Vec::new();
        for first in &self.labels {
            if shown.contains(&first.place.script.as_str()) {
                continue;
            }
            shown.push(&first.place.script);
            let mut snippet = Snippet::source(&*first.source).path(first.place.file.as_str());
            for (index, label) in self.labels.iter().enumerate() {
                if label.place.script == first.place.script {
                    let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                    let text = (!label.text.is_empty()).then_some(label.text.as_str());
                    snippet = snippet.annotation(kind.span(label.span.clone()).label(text));
                }
            }
            group = group.element(snippet);
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.render(&[group]).to_string();
        for call in &self.trace {
            text.push_str("\n  ");
            text.push_str(call);
        }
        text
    }

    /// The same without any secret that is known by now.
    pub(super) fn masked(mut self, masker: &Masker) -> Self {
        let mask = |text: &mut String| *text = masker.mask(text).into_owned();
        mask(&mut self.message);
        self.labels.iter_mut().for_each(|label| mask(&mut label.text));
        self.hint.iter_mut().for_each(mask);
        self.trace.iter_mut().for_each(mask);
        self
    }

    /// Do both say the same about the same place.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        self.message == other.message && self.place() == other.place()
    }
}

/// One or more messages that belong together.
#[derive(Clone, Debug)]
pub struct Report {
    /// At least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// For a person, each message after the other.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        self.diagnostics.iter().map(|diagnostic| diagnostic.render(color)).collect::<Vec<_>>().join("\n\n")
    }

    /// For machines.
    #[must_use]
    pub fn machine(&self) -> Vec<Machine> {
        self.diagnostics.iter().map(Diagnostic::machine).collect()
    }

    /// The same as data.
    #[must_use]
    pub fn entries(&self) -> Vec<serde_json::Value> {
        self.machine().iter().filter_map(|entry| serde_json::to_value(entry).ok()).collect()
    }

    /// The first of the messages, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        self.diagnostics.first().map_or_else(|| "the script failed".into(), Diagnostic::line)
    }

    /// Who can mend it: [`Fault::RunTime`] if any message says so.
    #[must_use]
    pub fn fault(&self) -> Fault {
        if self.diagnostics.iter().any(|diagnostic| diagnostic.fault == Fault::RunTime) {
            Fault::RunTime
        } else {
            Fault::Input
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic] }
    }
}
