//! What is remembered, as a planned run would find it.
//!
//! Owns the windows of a run that follows another by its cadence (those of the next run are the marks' own), and what was found out for the plan alone: that is held in memory, so that a plan
//! leaves the state as it was.

use crate::link::Linker;
use crate::runner::Marks;
use crate::sink::oldest_writable;
use crate::state::{State, StateError, Time};
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::{Failure, MarkId, MarkKey, Window};
use funchost_collectors::point::Text;
use funchost_collectors::run::{Memory, WindowRequest};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was found out for this plan, by the state's own keys.
#[derive(Default)]
pub(super) struct Overlay(Mutex<HashMap<String, Vec<u8>>>);

impl Overlay {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// See the module.
pub(super) struct PlanMemory {
    pub(super) state: Arc<dyn State>,
    pub(super) linker: Arc<Linker>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) identity: String,
    /// Nanoseconds.
    pub(super) overlap: Time,
    /// When the run starts, by our clock.
    pub(super) planned: Time,
    /// The same by the cloud's clock.
    pub(super) cloud_time: Time,
    /// From the run before to this one, nanoseconds.
    pub(super) cadence: Time,
    /// Where the windows are those of the run that comes next: after an outage they are longer than the cadence.
    pub(super) marks: Option<Marks>,
}

fn failure(error: StateError) -> Failure {
    Failure::State(error.to_string())
}

impl PlanMemory {
    fn key(&self, key: &str) -> String {
        format!("{}\n{key}", self.identity)
    }

    fn window(&self, request: WindowRequest) -> Window {
        let period = request.period.max(1).saturating_mul(SECOND);
        // What cannot be written any more is not asked for, as in a run.
        let oldest = oldest_writable(self.cloud_time);
        let earliest = oldest + (-oldest).rem_euclid(period);
        // At least one period, or there would be nothing to ask for.
        let new = (self.cadence.max(1).saturating_add(period - 1) / period).saturating_mul(period);
        let fresh = request.end.saturating_sub(new).max(earliest);
        let start = (fresh - self.overlap - (fresh - self.overlap).rem_euclid(period)).max(earliest);
        let start = if fresh >= request.end { request.end } else { start };
        Window { mark: MarkId(0), start, fresh: fresh.min(request.end), end: request.end }
    }
}

#[async_trait::async_trait]
impl Memory for PlanMemory {
    async fn recall(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let key = self.key(key);
        match self.overlay.get(&key) {
            Some(value) => Ok(Some(value)),
            None => self.state.recall(&key, self.planned).await.map_err(failure),
        }
    }

    async fn known(&self, key: &str) -> Result<Option<(Vec<u8>, bool)>, Failure> {
        let key = self.key(key);
        let valid = self.state.recall(&key, self.planned).await.map_err(failure)?;
        // What was found out for the plan, the run has to ask for again.
        if let Some(value) = self.overlay.get(&key) {
            return Ok(Some((value, valid.is_some())));
        }
        match valid {
            Some(value) => Ok(Some((value, true))),
            None => Ok(self.state.recall(&key, 0).await.map_err(failure)?.map(|value| (value, false))),
        }
    }

    async fn remember(&self, key: &str, value: &[u8], _: Duration) -> Result<(), Failure> {
        let key = self.key(key);
        self.overlay.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value.to_vec());
        Ok(())
    }

    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        match &self.marks {
            Some(opened) => opened.open(marks, self.cloud_time).await.map_err(failure),
            None => Ok(marks.iter().map(|(_, request)| self.window(*request)).collect()),
        }
    }

    async fn objects(&self, class: &str, region: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        self.linker.load(&self.identity, &Text::from(class)).await.map_err(failure)?;
        Ok(self.linker.objects(&self.identity, class, region))
    }
}
