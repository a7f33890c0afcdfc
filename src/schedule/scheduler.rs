//! The scheduler: a tick becomes a run, once.
//!
//! Owns the step from one moment to the next. How far a trigger has come is remembered in the state and moves in the transaction that
//! asks for its runs: of any number of schedulers one does it, and one that dies in between leaves the tick to the next.

use super::trigger::{Idle, Trigger};
use crate::config::CatchUp;
use crate::runner::rfc3339;
use crate::script::Masker;
use crate::state::runs::{NewRun, Origin, Status, Store, TriggerRow};
use crate::state::{StateError, Time, said};
use funchost_collectors::clock::{Clock, SECOND};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A tick that is seen later than this was missed: nothing was there to fire it. A lease has no say in it: how long a worker may be
/// silent tells nothing of how late a tick may come.
pub const LATE: Duration = Duration::from_secs(60);

/// Ticks further back are not looked for one by one.
const MEMORY: i64 = 31 * 86_400 * SECOND;

/// A trigger that has come further than this into the future was moved there by a wrong clock.
const AHEAD: i64 = 3600 * SECOND;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Runs asked for.
    pub asked: u64,
    /// Ticks recorded as missed.
    pub missed: u64,
    /// When there is something to do next.
    pub next: Option<Time>,
}

/// Fires triggers.
#[derive(Debug)]
pub struct Scheduler {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    late: i64,
    /// Knows what is not to be shown of arguments.
    masker: Arc<Masker>,
    /// By trigger.
    next: Mutex<HashMap<String, Next>>,
}

/// The next tick of a trigger.
#[derive(Debug)]
struct Next {
    /// Crontab and zone for which this holds.
    crontab: String,
    /// How far the trigger had come.
    since: Time,
    tick: Option<Time>,
}

impl Scheduler {
    /// Over a state; `late` is [`LATE`], but for tests whose clock runs faster.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, late: Duration) -> Self {
        let late = i64::try_from(late.as_nanos()).unwrap_or(i64::MAX);
        Self { store, clock, late, masker: Arc::default(), next: Mutex::default() }
    }

    /// The same, with what the process knows of secrets.
    #[must_use]
    pub fn with_masker(self, masker: Arc<Masker>) -> Self {
        Self { masker, ..self }
    }

    /// Tells the state which triggers there are. One that is new counts from now on.
    ///
    /// # Errors
    /// The state cannot be used.
    pub async fn announce(&self, triggers: &[Trigger]) -> Result<(), StateError> {
        let now = self.clock.now();
        let rows: Vec<TriggerRow> = triggers.iter().map(|trigger| trigger.row(now, &self.masker)).collect();
        self.store.announce(&rows, now).await
    }

    /// Asks for every run that has become due.
    ///
    /// # Errors
    /// The state cannot be used; what was not done is done by the next step.
    pub async fn step(&self, triggers: &[Trigger]) -> Result<Step, StateError> {
        let now = self.clock.now();
        let rows: HashMap<String, TriggerRow> =
            self.store.triggers().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut step = Step::default();
        for trigger in triggers {
            let Some(row) = rows.get(&trigger.id) else { continue };
            let next = self.fire(trigger, row, now, &mut step).await?;
            step.next = [step.next, next].into_iter().flatten().min();
        }
        Ok(step)
    }

    /// Records the ticks that triggers which cannot fire let pass; says how many.
    ///
    /// Only once they are late: another machine may have the function. The newest waits where it is made up for: it is run when the
    /// trigger can fire again.
    ///
    /// # Errors
    /// The state cannot be used; what was not done is done by the next step.
    pub async fn pass_by(&self, idle: &[Idle]) -> Result<u64, StateError> {
        let now = self.clock.now();
        let known: Vec<(&Idle, &Trigger)> = idle
            .iter()
            .filter_map(|idle| Some((idle, idle.would.as_deref().filter(|would| would.enabled)?)))
            .collect();
        if known.is_empty() {
            return Ok(0);
        }
        let rows: HashMap<String, TriggerRow> =
            self.store.triggers().await?.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut missed = 0;
        for (idle, trigger) in known {
            let Some(row) = rows.get(&trigger.id).filter(|row| !row.paused) else { continue };
            let late = now - self.late - 1;
            if self.next(trigger, row.upto).is_none_or(|next| next > late) {
                continue;
            }
            let mut ticks = trigger.crontab.between(row.upto.max(now - MEMORY), late);
            if trigger.catch_up == CatchUp::Last {
                ticks.pop();
            }
            let Some(last) = ticks.last().copied() else { continue };
            let count = i64::try_from(ticks.len()).unwrap_or(i64::MAX);
            let run = NewRun {
                func: trigger.func.clone(),
                origin: Origin::Cron,
                trigger: Some(trigger.id.clone()),
                tick: Some(last),
                delay: 0,
                ticks: count,
                kwargs: crate::hiding::arguments(&trigger.kwargs, &self.masker),
                status: Status::Missed,
                reason: Some(said::IDLE.with(&[&idle.why])),
                created: now,
                due: last,
                expires: now,
                timeout: None,
            };
            if self.store.advance(&trigger.id, row.upto, last, &[run]).await? {
                missed += u64::try_from(count).unwrap_or(0);
                tracing::warn!(trigger = trigger.id, func = trigger.func, why = idle.why, count, "missed");
            }
        }
        Ok(missed)
    }

    /// One trigger; answers with its next tick.
    async fn fire(
        &self,
        trigger: &Trigger,
        row: &TriggerRow,
        now: Time,
        step: &mut Step,
    ) -> Result<Option<Time>, StateError> {
        let mut from = row.upto;
        if from - now > AHEAD {
            tracing::warn!(
                trigger = trigger.id,
                until = rfc3339(from),
                "the clock was put back: ticks count from now on again"
            );
            if !self.store.advance(&trigger.id, from, now, &[]).await? {
                return Ok(None);
            }
            from = now;
        }
        let next = self.next(trigger, from);
        if next.is_none_or(|next| next > now) {
            return Ok(next);
        }
        let ticks = trigger.crontab.between(from.max(now - MEMORY), now);
        let Some(last) = ticks.last().copied() else { return Ok(None) };
        let runs = if row.paused || !trigger.enabled { Vec::new() } else { self.runs(trigger, &ticks, now) };
        if self.store.advance(&trigger.id, from, last, &runs).await? {
            for run in &runs {
                match run.status {
                    Status::Missed => {
                        step.missed += u64::try_from(run.ticks).unwrap_or(0);
                        let reason = run.reason.as_deref().unwrap_or_default();
                        tracing::warn!(trigger = trigger.id, func = trigger.func, reason, "missed");
                    }
                    _ => step.asked += 1,
                }
            }
        }
        Ok(self.next(trigger, last))
    }

    /// The first tick after `from`, remembered.
    fn next(&self, trigger: &Trigger, from: Time) -> Option<Time> {
        let crontab = format!("{} {}", trigger.crontab.text(), trigger.crontab.zone().name());
        let mut known = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = known.get(&trigger.id)
            && (&next.crontab, next.since) == (&crontab, from)
        {
            return next.tick;
        }
        let tick = trigger.crontab.next(from);
        known.insert(trigger.id.clone(), Next { crontab, since: from, tick });
        tick
    }

    /// What ticks become: the newest is run where it is seen in time, or where the trigger makes up for it; those before it were missed.
    fn runs(&self, trigger: &Trigger, ticks: &[Time], now: Time) -> Vec<NewRun> {
        let Some((newest, before)) = ticks.split_last() else { return Vec::new() };
        // Never more than one: they would be asked for at once, and the first would have the others skipped.
        let in_time = now - newest <= self.late;
        let (late, due) = match (in_time, trigger.catch_up) {
            (true, _) | (false, CatchUp::Last) => (before, Some(*newest)),
            (false, CatchUp::None) => (ticks, None),
        };
        let mut runs = Vec::new();
        let kwargs = crate::hiding::arguments(&trigger.kwargs, &self.masker);
        let seconds = |delay: u64| i64::try_from(delay).unwrap_or(0) * SECOND;
        let first = seconds(trigger.delays.iter().min().copied().unwrap_or(0));
        // Of a tick that is made up for, the first run is meant for the tick still (intervals count from it), the delays of the others count
        // from now: all of them would be due at once, and skip each other.
        let due_at =
            |tick: Time, delay: i64| if in_time || delay <= first { tick + delay } else { now + delay };
        let run = |tick: Time, delay: i64| NewRun {
            func: trigger.func.clone(),
            origin: Origin::Cron,
            trigger: Some(trigger.id.clone()),
            tick: Some(tick),
            delay,
            ticks: 1,
            kwargs: kwargs.clone(),
            status: Status::Queued,
            reason: None,
            created: now,
            due: due_at(tick, delay),
            expires: due_at(tick, delay).max(now)
                + i64::try_from(trigger.expires).unwrap_or(i64::MAX / SECOND) * SECOND,
            timeout: None,
        };
        if let (Some(first), Some(last)) = (late.first(), late.last()) {
            let count = late.len();
            let reason = if count == 1 {
                said::MISSED_ONE.with(&[&rfc3339(*last)])
            } else {
                said::MISSED_MANY.with(&[&count.to_string(), &rfc3339(*first), &rfc3339(*last)])
            };
            runs.push(NewRun {
                status: Status::Missed,
                reason: Some(reason),
                ticks: i64::try_from(count).unwrap_or(i64::MAX),
                ..run(*last, 0)
            });
        }
        if let Some(tick) = due {
            for delay in &trigger.delays {
                runs.push(run(tick, seconds(*delay)));
            }
        }
        runs
    }
}
