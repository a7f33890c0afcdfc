//! [`State`] over the functions beside: what is promised to be one step is one transaction.

use super::{Backend, claims, marks, outbox, remembered, values};
use crate::state::{
    Claim, Claimed, Commit, Evicted, Mark, Object, ObjectScope, Outcome, Parcel, State, StateError, Time,
    Waiting,
};
use std::collections::BTreeMap;

/// Reads one moment of the state.
macro_rules! read {
    ($state:ident, $module:ident :: $function:ident $(, $argument:expr)*) => {{
        let mut transaction = $state.snapshot().await?;
        $module::$function(&mut transaction $(, $argument)*).await.map_err(|error| $state.fault(error))
    }};
}

/// Does one step: the same again where the database asks for it.
macro_rules! write {
    ($state:ident, $begin:ident, |$transaction:ident| $work:expr) => {{
        let mut attempts = 0_u32;
        loop {
            let mut $transaction = $state.$begin().await?;
            let done = match $work {
                Ok(answer) => $transaction.commit().await.map(|()| answer),
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

#[async_trait::async_trait]
impl State for Backend {
    async fn claim(&self, claims: &[Claim]) -> Result<Vec<Claimed>, StateError> {
        // The time is read after the wait for the lock: a claim that expired meanwhile is free.
        write!(self, begin, |transaction| claims::claim(&mut transaction, claims, &*self.clock).await)
    }

    async fn release(&self, key: &str, claim: i64, outcome: Outcome) -> Result<bool, StateError> {
        write!(self, begin, |transaction| claims::release(&mut transaction, key, claim, outcome).await)
    }

    async fn renew(&self, claims: &[(String, i64)], expires: Time) -> Result<(), StateError> {
        write!(self, begin, |transaction| claims::renew(&mut transaction, claims, expires).await)
    }

    async fn due(&self, key: &str) -> Result<Option<Time>, StateError> {
        read!(self, claims::due, key)
    }

    async fn marks(&self, keys: &[String]) -> Result<Vec<Mark>, StateError> {
        read!(self, marks::read, keys)
    }

    async fn commit(&self, commit: Commit, limit: u64) -> Result<Evicted, StateError> {
        write!(self, begin, |transaction| async {
            marks::write(&mut transaction, &commit).await?;
            outbox::remove(&mut transaction, &commit.removed).await?;
            outbox::keep(&mut transaction, &commit.kept).await?;
            outbox::evict(&mut transaction, limit).await
        }
        .await)
    }

    async fn outbox(&self, datakit: &str, after: i64, count: u32) -> Result<Vec<Parcel>, StateError> {
        read!(self, outbox::oldest, datakit, after, count)
    }

    async fn outbox_sizes(&self) -> Result<Vec<(String, u64, u64, u64)>, StateError> {
        read!(self, outbox::sizes)
    }

    async fn waiting(&self, datakit: Option<&str>) -> Result<Vec<Waiting>, StateError> {
        read!(self, outbox::waiting, datakit)
    }

    async fn discard(&self, ids: &[i64]) -> Result<Vec<Waiting>, StateError> {
        write!(self, begin, |transaction| outbox::discard(&mut transaction, ids).await)
    }

    async fn keep_objects(
        &self,
        scope: &ObjectScope,
        objects: &[Object],
        now: Time,
    ) -> Result<(), StateError> {
        write!(self, begin, |transaction| remembered::keep_objects(&mut transaction, scope, objects, now)
            .await)
    }

    async fn forget_objects(&self, scope: &ObjectScope, seen: &[String]) -> Result<u64, StateError> {
        write!(self, begin, |transaction| remembered::forget_objects(&mut transaction, scope, seen).await)
    }

    async fn objects(
        &self,
        account: &str,
        class: &str,
        region: Option<&str>,
    ) -> Result<Vec<(String, Object)>, StateError> {
        read!(self, remembered::objects, account, class, region)
    }

    async fn recall(&self, key: &str, now: Time) -> Result<Option<Vec<u8>>, StateError> {
        read!(self, remembered::recall, key, now)
    }

    async fn remember(&self, key: &str, value: &[u8], expires: Time) -> Result<(), StateError> {
        let now = self.clock.now();
        write!(self, begin, |transaction| remembered::remember(&mut transaction, key, value, expires, now)
            .await)
    }

    async fn value(&self, key: &str, now: Time) -> Result<Option<(Vec<u8>, Time)>, StateError> {
        read!(self, values::value, key, now)
    }

    async fn swap(
        &self,
        key: &str,
        known: Option<&[u8]>,
        new: Option<(&[u8], Time)>,
        now: Time,
    ) -> Result<bool, StateError> {
        write!(self, begin, |transaction| values::swap(&mut transaction, key, known, new, now).await)
    }

    async fn keys(&self, prefix: &str, now: Time) -> Result<Vec<String>, StateError> {
        read!(self, values::keys, prefix, now)
    }

    async fn count_calls(
        &self,
        day: &str,
        account: &str,
        calls: &BTreeMap<String, u64>,
    ) -> Result<(), StateError> {
        // They were made, and perhaps billed, whoever holds the run now.
        write!(self, begin_free, |transaction| remembered::count_calls(&mut transaction, day, account, calls)
            .await)
    }

    async fn calls(&self, day: &str, account: &str) -> Result<BTreeMap<String, u64>, StateError> {
        read!(self, remembered::calls, day, account)
    }
}
