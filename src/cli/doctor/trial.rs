//! A trial: calls that are let through once and counted like those of a run, by collectors that begin as if they had never run.

use super::{Findings, lock};
use crate::money::budget::{self, Budgets, Watch};
use crate::money::{self, Tally};
use crate::script::Prepared;
use crate::state::State;
use funchost_collectors::call::{Answered, Asked, CallError, Counts, Tap};
use funchost_collectors::clock::{Clock, SECOND};
use funchost_collectors::collector::{Failure, MarkId, MarkKey, Window};
use funchost_collectors::point::{Point, Text};
use funchost_collectors::run::{Memory, WindowRequest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Where calls are counted, and what they may use.
pub(super) struct Ledger<'config> {
    /// None where it cannot be used.
    pub(super) state: Option<Arc<dyn State>>,
    pub(super) budgets: &'config Budgets,
}

impl Ledger<'_> {
    /// What a collector's trial may call: its account's budget, where there is one; none of the metered calls, where what is left is not known.
    pub(super) async fn counts(
        &self,
        one: &Prepared,
        region: &Text,
        clock: &dyn Clock,
    ) -> (Counts, Option<Watch>) {
        let unknown = match &self.state {
            None if self.budgets.of(&one.account).is_some() => {
                "the state cannot be used, so nobody knows what is left of the budget".to_owned()
            }
            None => return (Counts::default(), None),
            Some(state) => {
                let regions = std::slice::from_ref(region);
                let opened =
                    Watch::open(self.budgets, state.as_ref(), &one.account, |_| true, regions, clock.now());
                match opened.await {
                    Ok(watch) => return (Counts::trial(watch.as_ref().map(Watch::allowance)), watch),
                    Err(error) => error.to_string(),
                }
            }
        };
        let price = money::metered(money::partition(&one.account, region));
        (Counts::trial(price.map(|price| budget::nothing(price, unknown))), None)
    }

    /// Does a piece of work while its calls are counted.
    pub(super) async fn counted<T>(
        &self,
        findings: &mut Findings<'_>,
        identity: &str,
        counts: &Counts,
        watch: Option<&Watch>,
        work: impl Future<Output = T>,
    ) -> T {
        let Some(state) = &self.state else { return work.await };
        let clock = findings.surroundings.clock.clone();
        let mut tally = Tally::new(state.as_ref(), clock.as_ref(), identity, counts, watch);
        let end = CancellationToken::new();
        let work = async {
            let done = work.await;
            end.cancel();
            done
        };
        let (done, uncounted) = tokio::join!(work, tally.go_on(&end));
        if let Err(error) = uncounted {
            findings.doubtful("state", &format!("the calls could not be counted: {error}"), "");
        }
        done
    }
}

/// Lets every action of an account through once, and in each further region the first that a collector makes there; notes how they went. STS is free,
/// and is asked by name.
#[derive(Debug, Default)]
pub(super) struct Once {
    asked: Mutex<BTreeSet<Key>>,
    ended: Mutex<BTreeMap<Key, Option<Box<CallError>>>>,
    turn: Mutex<Turn>,
}

/// An account's identity, the further region, `service:Action`.
type Key = (String, Option<Text>, String);

/// Whose turn it is.
#[derive(Debug, Default)]
struct Turn {
    account: String,
    /// None in a collector's first region, in which all of its actions are tried.
    further: Option<Text>,
    /// The first call that was made in a further region.
    first: Option<Key>,
}

/// How an action went, where it was tried.
pub(super) type Went = Option<Option<Box<CallError>>>;

impl Once {
    pub(super) fn begin(&self, account: &str, further: Option<&Text>) {
        *lock(&self.turn) = Turn { account: account.to_owned(), further: further.cloned(), first: None };
    }

    /// How an action went in the first region.
    pub(super) fn went(&self, account: &str, service: &str, action: &str) -> Went {
        let key = (account.to_owned(), None, format!("{service}:{action}"));
        lock(&self.ended).get(&key).cloned()
    }

    /// The first call of the turn in a further region, and how it went.
    pub(super) fn first(&self) -> Option<(String, Went)> {
        let first = lock(&self.turn).first.clone()?;
        let went = lock(&self.ended).get(&first).cloned();
        Some((first.2, went))
    }

    /// The key of a call, and whether this turn may make it.
    fn key(&self, service: &str, action: &str) -> (Key, bool) {
        let mut turn = lock(&self.turn);
        let key = (turn.account.clone(), turn.further.clone(), format!("{service}:{action}"));
        let may = turn.further.is_none() || *turn.first.get_or_insert_with(|| key.clone()) == key;
        (key, may)
    }
}

impl Tap for Once {
    fn answer(&self, asked: &Asked<'_>) -> Option<Result<Answered, String>> {
        if asked.service == "sts" {
            return None;
        }
        let (key, may) = self.key(asked.service, asked.action);
        let first = may && lock(&self.asked).insert(key);
        (!first).then(|| Err("the doctor asks once".into()))
    }

    fn heard(&self, _: &Asked<'_>, _: &Answered) {}

    fn ended(&self, service: &str, action: &str, result: Result<(), &CallError>) {
        if service == "sts" {
            return;
        }
        let (key, may) = self.key(service, action);
        let refused = match result {
            Err(error) if error.code == "not recorded" => true,
            // The first of them is on its way, and uses up what is left.
            Err(error) if error.code == "budget" => lock(&self.asked).contains(&key),
            _ => false,
        };
        if refused || !may {
            return;
        }
        lock(&self.ended).entry(key).or_insert_with(|| result.err().cloned().map(Box::new));
    }
}

/// Objects by account, class and region.
pub(super) type Found = BTreeMap<(String, String, String), Vec<Arc<BTreeMap<Text, Text>>>>;

/// Remembers nothing but the objects that this examination itself has seen: every collector begins as if it had never run, and metrics
/// are asked for by the objects before them.
pub(super) struct Blank {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) account: String,
    pub(super) found: Arc<Mutex<Found>>,
}

impl Blank {
    pub(super) fn keep(found: &Mutex<Found>, one: &Prepared, region: &Text, points: Vec<Point>) {
        let description = one.collector.description();
        let mut found = lock(found);
        for point in points {
            let shelf = description.shelf(region);
            let key = (one.account.identity(), description.measurement.to_owned(), shelf.to_string());
            found.entry(key).or_default().push(Arc::new(point.tags.into_iter().collect()));
        }
    }
}

#[async_trait::async_trait]
impl Memory for Blank {
    async fn recall(&self, _: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    async fn remember(&self, _: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        Ok(())
    }

    async fn windows(&self, marks: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        let _ = self.clock.now();
        let windows = marks.iter().enumerate().map(|(index, (_, request))| {
            // One period: the cheapest question that is one.
            let start = request.end - request.period.max(1) * SECOND;
            Window { mark: MarkId(index), start, fresh: start, end: request.end }
        });
        Ok(windows.collect())
    }

    async fn objects(&self, class: &str, region: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        let key = (self.account.clone(), class.to_owned(), region.to_owned());
        Ok(lock(&self.found).get(&key).cloned().unwrap_or_default())
    }
}

/// What runs remembered, to be read and never changed.
pub(super) struct Remembered {
    pub(super) state: Arc<dyn State>,
    pub(super) account: String,
    pub(super) now: i64,
}

#[async_trait::async_trait]
impl Memory for Remembered {
    async fn recall(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let key = format!("{}\n{key}", self.account);
        self.state.recall(&key, self.now).await.map_err(|error| Failure::State(error.to_string()))
    }

    async fn remember(&self, _: &str, _: &[u8], _: Duration) -> Result<(), Failure> {
        Ok(())
    }

    async fn windows(&self, _: &[(MarkKey, WindowRequest)]) -> Result<Vec<Window>, Failure> {
        Ok(Vec::new())
    }

    async fn objects(&self, _: &str, _: &str) -> Result<Vec<Arc<BTreeMap<Text, Text>>>, Failure> {
        Ok(Vec::new())
    }
}
