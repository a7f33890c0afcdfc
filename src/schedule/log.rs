//! What a run says, on its way to its record.
//!
//! Owns the numbering, the times and the bounds of a log. Lines are kept a few at a time while the run goes on, so that whoever looks
//! sees it grow.

use crate::schedule::zone::Zone;
use crate::script::{Kind, Level, Line, ScriptOutput};
use crate::state::Time;
use crate::state::runs::{LogLine, Store};
use chrono::DateTime;
use funchost_collectors::call::number;
use funchost_collectors::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Characters of one line.
const LONGEST_LINE: usize = 3000;
/// Lines of one run.
const MOST_LINES: i64 = 20_000;
/// Bytes of one run's log.
const MOST_BYTES: usize = 8 << 20;
/// How long lines gather before they are kept.
const GATHER: Duration = Duration::from_millis(200);

/// The original's prefix: `[11-22 08:00:00] [+3ms] [12ms]`.
#[must_use]
pub fn prefix(line: &LogLine, zone: Zone) -> String {
    let time = DateTime::from_timestamp_nanos(line.time).with_timezone(&zone).format("%m-%d %H:%M:%S");
    format!("[{time}] [+{}ms] [{}ms]", line.since_last / 1_000_000, line.since_start / 1_000_000)
}

/// Takes the lines of one run.
pub(super) struct RunLog {
    clock: Arc<dyn Clock>,
    started: Time,
    inner: Mutex<Inner>,
    more: Notify,
    closing: CancellationToken,
}

struct Inner {
    waiting: Vec<LogLine>,
    number: i64,
    first: i64,
    last: Time,
    bytes: usize,
    dropped: u64,
    closed: bool,
}

impl RunLog {
    /// `after`: the number of the last line that is kept already.
    pub(super) fn new(clock: Arc<dyn Clock>, started: Time, after: i64) -> Self {
        let inner = Inner {
            waiting: Vec::new(),
            number: after,
            first: after,
            last: started,
            bytes: 0,
            dropped: 0,
            closed: false,
        };
        Self {
            clock,
            started,
            inner: Mutex::new(inner),
            more: Notify::new(),
            closing: CancellationToken::new(),
        }
    }

    /// A line of the service itself.
    pub(super) fn host(&self, text: &str) {
        self.add("host", text);
    }

    fn add(&self, kind: &str, text: &str) {
        let now = self.clock.now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.number - inner.first >= MOST_LINES || inner.bytes >= MOST_BYTES {
            inner.dropped += 1;
            return;
        }
        let length = text.chars().count();
        let text = if length > LONGEST_LINE {
            let kept: String = text.chars().take(LONGEST_LINE).collect();
            format!("{kept}… <Length: {length}>")
        } else {
            text.to_owned()
        };
        inner.bytes += text.len();
        inner.number += 1;
        let line = LogLine {
            number: inner.number,
            time: now,
            since_last: now.saturating_sub(inner.last),
            since_start: now.saturating_sub(self.started),
            kind: kind.to_owned(),
            text,
        };
        inner.last = now;
        inner.waiting.push(line);
        drop(inner);
        self.more.notify_one();
    }

    fn take(&self) -> (Vec<LogLine>, bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.closed && inner.dropped > 0 {
            let (now, dropped) = (self.clock.now(), std::mem::take(&mut inner.dropped));
            inner.number += 1;
            let line = LogLine {
                number: inner.number,
                time: now,
                since_last: now.saturating_sub(inner.last),
                since_start: now.saturating_sub(self.started),
                kind: "host".into(),
                text: format!(
                    "{} said, and not kept: a run keeps {MOST_LINES} lines, {} MiB at most",
                    number(dropped, "more line was", "more lines were"),
                    MOST_BYTES >> 20
                ),
            };
            inner.waiting.push(line);
        }
        (std::mem::take(&mut inner.waiting), inner.closed)
    }

    /// Nothing more will be said.
    pub(super) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.closing.cancel();
    }

    /// Keeps lines until the log is closed and everything of it is kept, or the run is another's.
    pub(super) async fn keep(&self, store: &dyn Store, run: i64, fence: i64) {
        let mut waiting: Vec<LogLine> = Vec::new();
        let mut failures = 0_u32;
        loop {
            let (lines, closed) = self.take();
            waiting.extend(lines);
            if !waiting.is_empty() {
                match store.log(run, fence, &waiting).await {
                    Ok(true) => {
                        waiting.clear();
                        failures = 0;
                    }
                    Ok(false) => return,
                    Err(error) => {
                        failures += 1;
                        if failures == 1 {
                            tracing::error!(run, %error, "the log cannot be kept now");
                        }
                        if closed && failures > 5 {
                            tracing::error!(run, lines = waiting.len(), "lines of the log are lost");
                            return;
                        }
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        continue;
                    }
                }
            }
            if closed {
                return;
            }
            tokio::select! {
                () = self.closing.cancelled() => {}
                // A loop that prints must not make a transaction of each line.
                () = async {
                    self.more.notified().await;
                    tokio::time::sleep(GATHER).await;
                } => {}
            }
        }
    }
}

impl ScriptOutput for RunLog {
    fn line(&self, line: &Line) {
        let kind = match line.kind {
            Kind::Print => "print",
            Kind::Debug | Kind::Log(Level::Debug) | Kind::Host(Level::Debug) => "debug",
            Kind::Log(Level::Info) | Kind::Host(Level::Info) => "info",
            Kind::Log(Level::Warning) | Kind::Host(Level::Warning) => "warning",
            Kind::Log(Level::Error) | Kind::Host(Level::Error) => "error",
        };
        let place = line.place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        self.add(kind, &format!("{}{place}", line.text));
    }
}

/// Lines of debug mode: a service has no stdout to write them to.
pub(super) struct DebugLines(pub(super) Arc<RunLog>);

impl std::io::Write for DebugLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        if !text.trim().is_empty() {
            self.0.add("debug", text.trim_end());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_the_originals() {
        let line = |since_last, since_start| LogLine {
            number: 1,
            // 2026-11-22 08:00:05.999 in Shanghai.
            time: 1_795_305_605_999_000_000,
            since_last,
            since_start,
            kind: "print".into(),
            text: "said".into(),
        };
        let shanghai = |line: LogLine| prefix(&line, "Asia/Shanghai".parse().unwrap());
        assert_eq!(shanghai(line(3_999_999, 12_000_000)), "[11-22 08:00:05] [+3ms] [12ms]");
        assert_eq!(shanghai(line(0, 75_000_000_000)), "[11-22 08:00:05] [+0ms] [75000ms]");
        assert_eq!(prefix(&line(0, 0), Zone::UTC), "[11-22 00:00:05] [+0ms] [0ms]");
    }
}
