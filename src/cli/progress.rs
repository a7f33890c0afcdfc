//! What is seen of long work on a terminal: one line that changes in place.
//!
//! Owns that line: it is taken away before anything else is written to the same terminal, and is never in a file or a pipe. Counts calls where
//! they end, at the seam of the transport.

use super::Surroundings;
use crate::runner::Lines;
use funchost_collectors::call::{Answered, Asked, CallError, Fault, Tap};
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the line changes.
const RHYTHM: Duration = Duration::from_millis(250);

/// Takes the line away: to its beginning, and nothing behind it.
const CLEAR: &[u8] = b"\r\x1b[K";

/// What is counted.
#[derive(Debug, Default)]
struct Counted {
    calls: u64,
    failed: u64,
    last: String,
    /// How much of how much is done, where that is known.
    done: Option<(u64, u64)>,
}

/// Signs of a bar.
const WIDTH: u64 = 20;

/// `[██████········] 3/10`
fn bar((done, all): (u64, u64)) -> String {
    let full = (done.min(all) * WIDTH).checked_div(all).unwrap_or(WIDTH);
    let signs: String = (0..WIDTH).map(|at| if at < full { '█' } else { '·' }).collect();
    format!("[{signs}] {done}/{all}  ")
}

/// Hears of calls, and knows the line.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Counted>);

impl Progress {
    /// So much of so much is done.
    pub(super) fn done(&self, done: u64, all: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).done = Some((done, all));
    }

    /// The line, as wide as a small terminal.
    fn line(&self, passed: Duration) -> String {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = if counted.failed > 0 { format!(", {} failed", counted.failed) } else { String::new() };
        let bar = counted.done.map_or_else(String::new, bar);
        let calls = match counted.calls {
            // Work that calls no cloud.
            0 if counted.done.is_some() => String::new(),
            1 => ": 1 call".to_owned(),
            calls => format!(": {calls} calls"),
        };
        let line = format!("{bar}{} s{calls}{failed}  {}", passed.as_secs(), counted.last);
        line.chars().take(78).collect()
    }
}

impl Tap for Progress {
    fn answer(&self, _: &Asked<'_>) -> Option<Result<Answered, String>> {
        None
    }

    fn listens(&self) -> bool {
        false
    }

    fn heard(&self, _: &Asked<'_>, _: &Answered) {}

    fn ended(&self, service: &str, action: &str, result: Result<(), &CallError>) {
        // What another tap refused was no call.
        if result.is_err_and(|error| error.code == "not recorded") {
            return;
        }
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.calls += 1;
        // That something does not exist, or does not have what was asked for, is an answer: the report says where it matters.
        counted.failed += u64::from(result.is_err_and(|error| error.fault != Fault::Refused));
        counted.last = format!("{service}:{action}");
    }
}

/// Two taps at one seam: the first may answer, both hear.
#[derive(Debug)]
pub(super) struct Both(pub(super) Arc<dyn Tap>, pub(super) Arc<Progress>);

impl Both {
    /// The tap, with what counts beside it, if anything does.
    pub(super) fn of(tap: Arc<dyn Tap>, counting: Option<&Arc<Progress>>) -> Arc<dyn Tap> {
        match counting {
            Some(counting) => Arc::new(Self(tap, counting.clone())),
            None => tap,
        }
    }
}

impl Tap for Both {
    fn answer(&self, asked: &Asked<'_>) -> Option<Result<Answered, String>> {
        self.0.answer(asked)
    }

    fn listens(&self) -> bool {
        self.0.listens()
    }

    fn heard(&self, asked: &Asked<'_>, answered: &Answered) {
        self.0.heard(asked, answered);
    }

    fn ended(&self, service: &str, action: &str, result: Result<(), &CallError>) {
        self.0.ended(service, action, result);
        self.1.ended(service, action, result);
    }
}

/// Another stream that may end on the same terminal: what is written there takes the line away as well.
struct Beside {
    terminal: Arc<Mutex<Terminal>>,
    inner: Lines,
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut terminal.shown) {
            terminal.inner(CLEAR)?;
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// A terminal with a line that changes: whatever else is written takes it away first.
struct Terminal {
    inner: Lines,
    shown: bool,
}

impl Terminal {
    fn inner(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.write_all(bytes)?;
        inner.flush()
    }

    fn show(&mut self, line: &str) {
        self.shown = true;
        // A terminal that has gone away needs no line.
        drop(self.inner(CLEAR).and_then(|()| self.inner(line.as_bytes())));
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if std::mem::take(&mut self.shown) {
            self.inner(CLEAR)?;
        }
        self.inner(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// A line that is being shown; it goes away when this is dropped.
pub(super) struct Shown {
    terminal: Arc<Mutex<Terminal>>,
    stop: Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
        let mut terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut terminal.shown) {
            drop(terminal.inner(CLEAR));
        }
    }
}

/// Shows progress where stderr is a terminal that can: the surroundings to go on with, what counts, and what ends it.
pub(super) fn show(surroundings: &Surroundings) -> Option<(Surroundings, Arc<Progress>, Shown)> {
    let able = surroundings.variables.get("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    (able && std::io::stderr().is_terminal()).then(|| start(surroundings, PATIENCE))
}

fn start(surroundings: &Surroundings, patience: Duration) -> (Surroundings, Arc<Progress>, Shown) {
    let terminal = Arc::new(Mutex::new(Terminal { inner: surroundings.stderr.clone(), shown: false }));
    let (progress, stop) =
        (Arc::new(Progress::default()), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let thread = {
        let (terminal, progress, stop) = (terminal.clone(), progress.clone(), stop.clone());
        std::thread::Builder::new().name("progress".into()).spawn(move || {
            let began = Instant::now();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let passed = began.elapsed();
                if passed >= patience {
                    terminal.lock().unwrap_or_else(PoisonError::into_inner).show(&progress.line(passed));
                }
                std::thread::park_timeout(RHYTHM);
            }
        })
    };
    let shown = Shown { terminal: terminal.clone(), stop, thread: thread.ok() };
    let stdout =
        Arc::new(Mutex::new(Beside { terminal: terminal.clone(), inner: surroundings.stdout.clone() }));
    (Surroundings { stderr: terminal, stdout, ..surroundings.clone() }, progress, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_away_before_anything_else_is_written() {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let mut terminal = Terminal { inner: bytes.clone(), shown: false };
        terminal.write_all(b"one\n").unwrap();
        terminal.show("3 s: 5 calls");
        terminal.show("4 s: 6 calls");
        terminal.write_all(b"two\n").unwrap();
        terminal.write_all(b"three\n").unwrap();
        let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
        let clear = "\r\x1b[K";
        assert_eq!(text, format!("one\n{clear}3 s: 5 calls{clear}4 s: 6 calls{clear}two\nthree\n"));
    }

    #[test]
    fn calls_are_counted_where_they_end() {
        let progress = Progress::default();
        progress.ended("ec2", "DescribeInstances", Ok(()));
        progress.ended("monitoring", "GetMetricData", Ok(()));
        assert_eq!(progress.line(Duration::from_secs(7)), "7 s: 2 calls  monitoring:GetMetricData");
        let ended = |fault| {
            let error = CallError {
                cloud: funchost_collectors::account::Cloud::Aliyun,
                service: "rds".into(),
                action: "DescribeDBInstanceSSL".into(),
                region: "cn-hangzhou".into(),
                fault,
                code: "x".into(),
                message: "x".into(),
                request_id: None,
                attempts: 1,
                hint: None,
            };
            progress.ended("rds", "DescribeDBInstanceSSL", Err(&error));
        };
        ended(Fault::Refused);
        assert!(progress.line(Duration::from_secs(8)).starts_with("8 s: 3 calls  rds:"));
        ended(Fault::Throttled);
        assert!(progress.line(Duration::from_secs(9)).starts_with("9 s: 4 calls, 1 failed  rds:"));
        progress.done(1, 4);
        let line = progress.line(Duration::from_secs(9));
        assert!(line.starts_with("[█████···············] 1/4  9 s: 4 calls, 1 failed  rds:"), "{line}");
        assert!(line.chars().count() <= 78, "{line}");
    }

    #[test]
    fn a_bar_goes_from_nothing_to_all() {
        let progress = Progress::default();
        progress.done(0, 3);
        assert_eq!(progress.line(Duration::ZERO).trim_end(), "[····················] 0/3  0 s");
        progress.done(3, 3);
        assert_eq!(progress.line(Duration::from_secs(1)).trim_end(), "[████████████████████] 3/3  1 s");
        assert_eq!(bar((0, 0)), "[████████████████████] 0/0  ", "nothing to do is done");
    }

    #[test]
    fn what_is_dropped_leaves_an_empty_line() {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let surroundings =
            Surroundings { stderr: bytes.clone(), stdout: bytes.clone(), ..Surroundings::of_process() };
        let (inside, _, shown) = start(&surroundings, Duration::ZERO);
        inside.say("said meanwhile");
        inside.out("and beside it\n");
        drop(shown);
        let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
        assert!(text.contains("said meanwhile\n"));
        // Whatever was written began on an empty line.
        let (before, _) = text.split_once("and beside it\n").unwrap();
        assert!(before.ends_with(['\n', 'K']), "{text:?}");
        let last = text.rsplit('\n').next().unwrap();
        assert!(last.is_empty() || last.ends_with("\r\x1b[K"), "{text:?}");
    }
}
