//! Calls on their way into the daily counts, part by part: what a killed process has called was made, and perhaps billed, too.

use super::budget::Watch;
use super::{counted, day};
use crate::state::{State, StateError};
use funchost_collectors::call::Counts;
use funchost_collectors::clock::Clock;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the calls made so far are added to the day's count: a killed process loses no more than these.
const COUNTING: Duration = Duration::from_secs(1);

/// What one account calls for a while, counted in a state.
pub struct Tally<'run> {
    state: &'run dyn State,
    clock: &'run dyn Clock,
    account: &'run str,
    counts: &'run Counts,
    watch: Option<&'run Watch>,
    counted: BTreeMap<String, u64>,
}

impl<'run> Tally<'run> {
    /// Counts under the account's identity; of these counts, nothing is in the state yet.
    #[must_use]
    pub fn new(
        state: &'run dyn State,
        clock: &'run dyn Clock,
        account: &'run str,
        counts: &'run Counts,
        watch: Option<&'run Watch>,
    ) -> Self {
        Self { state, clock, account, counts, watch, counted: BTreeMap::new() }
    }

    /// Counts until there is nothing more to come. Not to be dropped before: whether the part under way was counted would not be known.
    ///
    /// # Errors
    /// The last part could not be counted.
    pub async fn go_on(&mut self, end: &CancellationToken) -> Result<(), StateError> {
        loop {
            let ended = tokio::select! {
                () = end.cancelled() => true,
                () = tokio::time::sleep(COUNTING) => false,
            };
            let counted = self.add().await;
            if ended {
                return counted;
            }
        }
    }

    /// Adds what was called since; what could not be added is, the next time.
    async fn add(&mut self) -> Result<(), StateError> {
        let mut new = counted(self.counts);
        for (action, count) in &mut new {
            *count -= self.counted.get(action).copied().unwrap_or(0).min(*count);
        }
        new.retain(|_, count| *count > 0);
        if !new.is_empty() {
            self.state.count_calls(&day(self.clock.now()), self.account, &new).await?;
            for (action, count) in new {
                *self.counted.entry(action).or_default() += count;
            }
        }
        // Another process may be using the same budget: what it has counted is no longer there for this one.
        if let Some(watch) = self.watch {
            self.counts.set_left(watch.left(self.state, &self.counted, self.clock.now()).await?);
        }
        Ok(())
    }
}
