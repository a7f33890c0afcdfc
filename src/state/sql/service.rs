//! [`Runs`] over the functions beside: what is promised to be one step is one transaction.

use super::Backend;
use super::runs::{self, Cleared};
use crate::state::runs::{
    Counts, DayCalls, Detail, End, Filter, HourRuns, LogLine, NewRun, Node, ObjectSummary, OpenRun, Record,
    Runs, Store, Taken, TriggerRow,
};
use crate::state::{State, StateError, Time};
use std::sync::Arc;

/// Reads one moment of the state.
macro_rules! read {
    ($state:ident, $function:ident $(, $argument:expr)*) => {{
        let mut transaction = $state.snapshot().await?;
        runs::$function(&mut transaction $(, $argument)*).await.map_err(|error| $state.fault(error))
    }};
}

/// Does one step: the same again where the database asks for it.
macro_rules! write {
    ($state:ident, $function:ident $(, $argument:expr)*) => {{
        let mut attempts = 0_u32;
        loop {
            let mut transaction = $state.begin_free().await?;
            let done = match runs::$function(&mut transaction $(, $argument)*).await {
                Ok(answer) => transaction.commit().await.map(|()| answer),
                Err(error) => Err(error),
            };
            match done {
                Ok(answer) => break Ok(answer),
                Err(error) if attempts < super::ATTEMPTS && $state.is_passing(&error) => attempts += 1,
                Err(error) => break Err($state.fault(error)),
            }
        }
    }};
}

impl Backend {
    /// Gives a step's answer; behind one that took secrets away, sees to it that they are gone.
    async fn after<T>(&self, (answer, cleared): (T, Cleared)) -> T {
        if cleared == Cleared::Secrets {
            self.tidy_behind_secrets().await;
        }
        answer
    }
}

#[async_trait::async_trait]
impl Runs for Backend {
    async fn announce(&self, triggers: &[TriggerRow], now: Time) -> Result<(), StateError> {
        write!(self, announce, triggers, now)
    }

    async fn triggers(&self) -> Result<Vec<TriggerRow>, StateError> {
        read!(self, triggers)
    }

    async fn pause(&self, trigger: &str, paused: bool, now: Time) -> Result<bool, StateError> {
        write!(self, pause, trigger, paused, now)
    }

    async fn advance(
        &self,
        trigger: &str,
        from: Time,
        upto: Time,
        runs: &[NewRun],
    ) -> Result<bool, StateError> {
        write!(self, advance, trigger, from, upto, runs)
    }

    async fn enqueue(&self, run: &NewRun) -> Result<i64, StateError> {
        write!(self, enqueue, run)
    }

    async fn open_runs(
        &self,
        now: Time,
        behind: Option<(Time, i64)>,
        count: i64,
    ) -> Result<Vec<OpenRun>, StateError> {
        read!(self, open_runs, now, behind, count)
    }

    async fn next_due(&self) -> Result<Option<Time>, StateError> {
        read!(self, next_due)
    }

    async fn take(
        &self,
        run: i64,
        worker: &str,
        now: Time,
        lease: Time,
        attempts: i64,
    ) -> Result<Taken, StateError> {
        let done = write!(self, take, run, worker, now, lease, attempts)?;
        Ok(self.after(done).await)
    }

    async fn hold(&self, held: &[(i64, i64)], lease: Time) -> Result<Vec<(i64, bool)>, StateError> {
        write!(self, hold, held, lease)
    }

    async fn finish(&self, run: i64, fence: i64, end: &End, now: Time) -> Result<bool, StateError> {
        let done = write!(self, finish, run, fence, end, now)?;
        Ok(self.after(done).await)
    }

    async fn record(&self, run: &NewRun, started: Time, end: &End, now: Time) -> Result<i64, StateError> {
        write!(self, record_ended, run, started, end, now)
    }

    async fn hand_over(&self, run: i64, fence: i64, reason: &str, now: Time) -> Result<bool, StateError> {
        write!(self, hand_over, run, fence, reason, now)
    }

    async fn stop(&self, run: i64, now: Time) -> Result<bool, StateError> {
        let done = write!(self, stop, run, now)?;
        Ok(self.after(done).await)
    }

    async fn log(&self, run: i64, fence: i64, lines: &[LogLine]) -> Result<bool, StateError> {
        write!(self, log, run, fence, lines)
    }

    async fn skip(&self, now: Time) -> Result<u64, StateError> {
        // Asked for often, and there is seldom one: readers hold up nobody.
        let waiting: Result<bool, StateError> = read!(self, has_overlap, now);
        if !waiting? {
            return Ok(0);
        }
        let done = write!(self, skip, now)?;
        Ok(self.after(done).await)
    }

    async fn expire(&self, now: Time) -> Result<u64, StateError> {
        let done = write!(self, expire, now)?;
        Ok(self.after(done).await)
    }

    async fn runs(&self, filter: &Filter, skip: i64, count: i64) -> Result<(Vec<Record>, i64), StateError> {
        read!(self, runs, filter, skip, count)
    }

    async fn run(&self, id: i64) -> Result<Option<(Record, Detail)>, StateError> {
        read!(self, run, id)
    }

    async fn lines(&self, run: i64, after: i64, count: i64) -> Result<Vec<LogLine>, StateError> {
        read!(self, lines, run, after, count)
    }

    async fn last_by_func(&self) -> Result<Vec<Record>, StateError> {
        read!(self, last_by_func)
    }

    async fn last_by_trigger(&self) -> Result<Vec<Record>, StateError> {
        read!(self, last_by_trigger)
    }

    async fn cadence(&self, since: Time) -> Result<Vec<(String, Time, Time, i64)>, StateError> {
        read!(self, cadence, since)
    }

    async fn last_good(&self) -> Result<Vec<(String, Time)>, StateError> {
        read!(self, last_good)
    }

    async fn by_hour(&self, since: Time) -> Result<Vec<HourRuns>, StateError> {
        read!(self, by_hour, since)
    }

    async fn counts(&self) -> Result<Counts, StateError> {
        read!(self, counts)
    }

    async fn forget_runs(&self, keep: i64, before: Time) -> Result<u64, StateError> {
        write!(self, forget_runs, keep, before)
    }

    async fn here(&self, node: &Node) -> Result<(), StateError> {
        write!(self, here, node)
    }

    async fn gone(&self, node: &str) -> Result<(), StateError> {
        write!(self, gone, node)
    }

    async fn nodes(&self, since: Time) -> Result<Vec<Node>, StateError> {
        read!(self, nodes, since)
    }

    async fn object_summaries(&self) -> Result<Vec<ObjectSummary>, StateError> {
        read!(self, object_summaries)
    }

    async fn calls_between(&self, from: &str, to: &str) -> Result<Vec<DayCalls>, StateError> {
        read!(self, calls_between, from, to)
    }
}

impl Store for Backend {
    fn fenced(&self, run: i64, fence: i64) -> Arc<dyn State> {
        Arc::new(Self { fence: Some((run, fence)), ..self.clone() })
    }
}
