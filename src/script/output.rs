//! What a script says while it runs: `print`, `debug`, `DFF.LOG`, and the host's own warnings.
//!
//! Owns the line and the seam through which it leaves. Every text is masked before it comes here.

use super::diagnostic::Place;
use std::io::Write;

/// How loud a line of `DFF.LOG` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the script's author.
    Debug,
    /// Unless said otherwise.
    Info,
    /// Something to look at.
    Warning,
    /// Something failed.
    Error,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `print(…)`: has no place.
    Print,
    /// `debug(…)`.
    Debug,
    /// `DFF.LOG(…)`.
    Log(Level),
    /// The host's own remark.
    Host(Level),
}

/// One line, without any known secret.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it comes from.
    pub kind: Kind,
    /// What it says; a printed text may hold line breaks.
    pub text: String,
    /// The place in the script, where that is known.
    pub place: Option<Place>,
}

impl std::fmt::Display for Line {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.kind {
            Kind::Print => "",
            Kind::Debug | Kind::Log(Level::Debug) | Kind::Host(Level::Debug) => "debug: ",
            Kind::Log(Level::Info) | Kind::Host(Level::Info) => "info: ",
            Kind::Log(Level::Warning) | Kind::Host(Level::Warning) => "warning: ",
            Kind::Log(Level::Error) | Kind::Host(Level::Error) => "error: ",
        };
        let place = match (&self.place, self.kind) {
            (Some(place), kind) if kind != Kind::Print => format!(" ({place})"),
            _ => String::new(),
        };
        write!(formatter, "{level}{}{place}", self.text)
    }
}

/// Takes the lines of a script. Called on the script's own thread: it must not wait for long.
pub trait ScriptOutput: Send + Sync {
    /// Takes one.
    fn line(&self, line: &Line);
}

/// Writes every line to the process's stderr.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stderr;

impl ScriptOutput for Stderr {
    fn line(&self, line: &Line) {
        // A closed stderr is no reason to end the run.
        drop(writeln!(std::io::stderr().lock(), "{line}"));
    }
}
