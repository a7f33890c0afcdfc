//! The end of a run before its time: where it was, and what is said of it.
//!
//! Rhai overwrites the place of a terminated run with the place of the first call. So a run that was stopped goes on for a few operations,
//! until it looks at a variable: that throws like any mistake, and such errors keep their place. What looks at none ends without one;
//! then its function is the place.

use super::explain::innermost;
use super::host::{Host, Mode, Why, lock};
use super::memory;
use super::problem::{At, Problem, Result};
use rhai::{Dynamic, EvalAltResult, Position};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Operations in which a stopped run may come to a variable.
const OPERATIONS: u32 = 50;

/// Seconds that no function may exceed.
const LONGEST: u64 = 3600;

/// What is thrown at the first variable behind the end.
#[derive(Clone)]
struct Here;

/// Where a run was when it was stopped.
pub(super) struct Ending {
    left: AtomicU32,
    /// What it held when it was stopped; 0 until then.
    held: AtomicUsize,
    thrown: AtomicBool,
    /// The place, and what was done there; the first counts.
    place: Mutex<Option<(At, String)>>,
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            left: AtomicU32::new(OPERATIONS),
            held: AtomicUsize::new(0),
            thrown: AtomicBool::new(false),
            place: Mutex::default(),
        }
    }
}

impl Ending {
    /// One operation behind the end: is it the last?
    pub(super) fn is_over(&self, memory_limit: usize) -> bool {
        let held = memory::held();
        // One thread only comes here: the script's.
        let before = self.held.load(Ordering::Relaxed);
        if before == 0 {
            self.held.store(held.max(1), Ordering::Relaxed);
        }
        self.thrown.load(Ordering::Relaxed)
            // What takes more and more memory does not come to it.
            || (before > 0 && held > before.saturating_add(memory_limit / 8))
            || self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    /// A variable behind the end.
    ///
    /// # Errors
    /// The first time: where it is looked at is the place. A `try` may catch that, and is ended by its next operation.
    pub(super) fn throw(&self) -> Result<()> {
        if self.thrown.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        Err(Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(Here), Position::NONE)))
    }

    /// Notes what was done at the end, and where.
    pub(super) fn note(&self, at: At, what: impl Into<String>) {
        if !at.1.is_none() {
            lock(&self.place).get_or_insert((at, what.into()));
        }
    }
}

/// Is an error the end of a run, and none of the script's?
pub(super) fn is_end(error: &EvalAltResult) -> bool {
    match error {
        EvalAltResult::ErrorTerminated(..) => true,
        EvalAltResult::ErrorRuntime(value, _) => value.is::<Here>(),
        _ => false,
    }
}

/// A function that was called from inside `.run()` was stopped: notes where, and for whom it was called.
pub(super) fn note_callback(host: &Host, error: &EvalAltResult, function: &str, of: &str) {
    let (at, inner) = innermost(error);
    if matches!(inner, EvalAltResult::ErrorRuntime(..)) {
        host.ending.note(at, format!("while {of} ran this"));
    } else if let Some(place) = host.function_position(function) {
        host.ending.note(place, format!("while {of} ran this function"));
    }
}

/// What is said of a run that was stopped, and where it was; `at` is where Rhai's error came from. Answers also whether that place is
/// the one, so that the calls that led there explain it.
pub(super) fn explain(host: &Host, error: &EvalAltResult, at: &mut At) -> (Problem, bool) {
    let problem = problem(host);
    if let Some((place, what)) = lock(&host.ending.place).clone() {
        *at = place;
        return (problem.label(what), false);
    }
    if matches!(error, EvalAltResult::ErrorRuntime(..)) {
        return (problem.label("while it ran this"), true);
    }
    if let Some((place, what)) = host.waited_for() {
        *at = place;
        let problem = match host.at_work() {
            Some((collector, name)) if at.1 != collector.1 || at.0 != collector.0 => {
                let text = format!("`{name}` was being collected");
                problem.other(&collector.0, collector.1, text)
            }
            _ => problem,
        };
        // What is too large was asked for, and not waited for.
        let asked = host.stop.why() == Some(Why::Memory);
        let label =
            if asked { format!("asked for by `{what}`") } else { format!("while it waited for {what}") };
        return (problem.label(label), false);
    }
    if let Some(chosen) = host.chosen() {
        *at = (host.library.entry.clone(), chosen.at);
        return (problem.label("while it ran this function"), false);
    }
    // Outside of functions Rhai's place is right.
    (problem.label("while it ran this"), false)
}

/// What ended it, and what to do.
fn problem(host: &Host) -> Problem {
    let what = match host.chosen() {
        Some(chosen) => format!("`{}.{}`", host.library.entry, chosen.name),
        None => format!("loading `{}`", host.library.entry),
    };
    match host.stop.why() {
        Some(Why::Deadline) => {
            let seconds =
                host.chosen().map_or(host.settings.default_timeout.as_secs(), |chosen| chosen.timeout);
            let seconds = host.timeout.unwrap_or(seconds);
            Problem::run_time(format!("{what} did not end within its time limit of {seconds} s"))
                .hint(more_time(host, seconds))
        }
        Some(Why::Memory) => Problem::run_time(format!(
            "{what} needs more than the {} MiB of memory that a script may hold",
            host.settings.memory_limit >> 20
        ))
        .hint("keep less at a time; objects and points need no list in a script"),
        Some(Why::Stopped) | None => Problem::run_time(format!("{what} was stopped before its end")),
    }
}

/// The way out of a time limit.
fn more_time(host: &Host, seconds: u64) -> &'static str {
    match (&host.mode, host.chosen()) {
        (Mode::List | Mode::Dry { .. }, _) => {
            "without calling a cloud a script is evaluated for no longer than that: does this end by itself where nothing is collected?"
        }
        (Mode::Run { .. }, None)
            if host.script(&host.library.entry).is_none_or(|script| script.ast.is_none()) =>
        {
            "so long a script takes long to read: divide it into scripts that import each other"
        }
        (Mode::Run { .. }, None) => {
            "what stands outside of functions runs whenever the script is loaded: move what takes long into a function"
        }
        (Mode::Run { test: true, .. }, _) => "a test has no more time: does this end by itself?",
        _ if seconds >= LONGEST => {
            "there is no more time: collect less in one function, or divide it into several"
        }
        _ if host.at_work().is_some() && lock(&host.ending.place).is_none() => {
            "`funchost plan SCRIPT` says how long its calls take: raise the limit with `@DFF.API(\"…\", timeout = seconds)`, at most 3600, or with --timeout for this run"
        }
        _ => {
            "raise it with `@DFF.API(\"…\", timeout = seconds)`, at most 3600, or with --timeout for this run"
        }
    }
}
