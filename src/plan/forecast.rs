//! From estimates to a month: how often each call is made, what it costs, how long a run takes.
//!
//! Owns the arithmetic. A month has 30 days here; a budget's month is the calendar's.

use super::{Discovered, Planner, Rhythm};
use crate::money::budget::Watch;
use crate::money::{self, Price, Unit};
use crate::runner::{interval_key, rfc3339};
use crate::script::Prepared;
use crate::state::Time;
use funchost_collectors::clock::SECOND;
use funchost_collectors::collector::Failure;
use funchost_collectors::estimate::{Ahead, Estimate, Expected};
use funchost_collectors::point::Text;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

/// Seconds that an answer is taken to need, where calls wait for each other.
const ANSWER: f64 = 1.0;

/// Minutes that are tried for the interval that stays free.
const LADDER: [u64; 14] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 90, 120];

/// Seconds that a timeout is rounded up to.
const TIMEOUTS: [u64; 12] = [60, 120, 180, 300, 450, 600, 900, 1200, 1800, 2400, 3000, 3600];

/// What a script's function would do.
#[derive(Clone, Debug, Serialize)]
pub struct Forecast {
    /// `my_aws__main.run`.
    pub function: String,
    /// From one run to the next.
    pub every_seconds: u64,
    /// Where that comes from.
    pub every_from: Rhythm,
    /// Calls that were made for the plan, by `service:Action`.
    pub discovered: BTreeMap<String, u64>,
    /// In the order they run.
    pub collectors: Vec<CollectorForecast>,
    /// Points that the script writes itself, by DataKit: counted for the plan, and not written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub own_points: BTreeMap<String, u64>,
    /// What is billed or has a quota, by account.
    pub pools: Vec<Pool>,
    /// The longest that a run takes at the configured rates: all lists are asked for.
    pub longest_path_seconds: f64,
    /// One and a half times that, rounded up; none where it is more than an hour.
    pub suggested_timeout_seconds: Option<u64>,
    /// What the function has.
    pub timeout_seconds: u64,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One collector.
#[derive(Clone, Debug, Serialize)]
pub struct CollectorForecast {
    /// `aws_ec2`.
    pub name: String,
    /// The account's identity.
    pub account: String,
    /// The regions asked for.
    pub regions: Vec<String>,
    /// From one collection to the next: the rhythm, but not less than the minimum interval.
    pub every_seconds: u64,
    /// Are these numbers exact, as long as the cloud does not change?
    pub exact: bool,
    /// Why they are only the least.
    pub at_least_because: Vec<String>,
    /// By call and rhythm.
    pub calls: Vec<CallForecast>,
    /// What the next run calls.
    pub next_run: NextRun,
    /// The longest that it takes, lists included.
    pub path_seconds: f64,
}

/// The next run of a collector.
#[derive(Clone, Debug, Serialize)]
pub struct NextRun {
    /// When it is thought to start: one rhythm from now.
    pub at: String,
    /// First attempts, by `service:Action`; empty where the collector is not due.
    pub calls: BTreeMap<String, u64>,
    /// Metrics that are billed.
    pub metrics: u64,
}

/// One call of a collector, of all regions.
#[derive(Clone, Debug, Serialize)]
pub struct CallForecast {
    /// `ec2:DescribeInstances`.
    pub call: String,
    /// From one time to the next.
    pub every_seconds: u64,
    /// First attempts each time.
    pub calls: u64,
    /// In a day.
    pub calls_a_day: u64,
    /// In 30 days.
    pub calls_a_month: u64,
    /// Metrics each time, where the cloud bills by them.
    #[serde(skip_serializing_if = "is_zero")]
    pub metrics: u64,
    /// In a day.
    #[serde(skip_serializing_if = "is_zero")]
    pub metrics_a_day: u64,
    /// In 30 days.
    #[serde(skip_serializing_if = "is_zero")]
    pub metrics_a_month: u64,
    /// Is that exact?
    pub exact: bool,
}

/// What an account is billed for.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// The account's identity.
    pub account: String,
    /// `monitoring:GetMetricData`.
    pub call: String,
    /// The calls of this script that are billed so: others may use up the same free ones.
    pub calls: BTreeSet<String>,
    /// What is counted.
    pub unit: Unit,
    /// By this script in 30 days.
    pub units_a_month: u64,
    /// Is that exact?
    pub exact: bool,
    /// Units a month that cost nothing.
    pub free_a_month: u64,
    /// Counted in this calendar month so far, by all scripts that share the state.
    pub used_this_month: u64,
    /// Units that the account's budget allows in a month.
    pub budget_a_month: Option<u64>,
    /// The day of a whole month on which the free ones are used up.
    pub free_until_day: Option<u64>,
    /// The day of this month on which what is left of the free ones is used up: `2026-11-28`; none where it lasts to its end.
    pub free_until_this_month: Option<String>,
    /// The same of the budget.
    pub budget_until_this_month: Option<String>,
    /// The shortest rhythm that stays free; none where none does up to two hours.
    pub free_every_seconds: Option<u64>,
    /// No collector of it can be run more often.
    pub shortest_every_seconds: u64,
    /// The price of so many units.
    pub price: Option<f64>,
    /// See above.
    pub price_per: u64,
    /// `CNY`, `USD`.
    pub currency: Option<String>,
    /// What a month costs; none where the price is not known.
    pub cost_a_month: Option<f64>,
    /// When the price was read.
    pub price_read: String,
    /// Where it says so.
    pub price_source: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde hands it over")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a plan is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// `my_aws__main.run`.
    pub function: String,
    /// The function's timeout, seconds.
    pub timeout: u64,
    /// From `--every`.
    pub every: Option<Duration>,
    /// The function's own crontab.
    pub crontab: Option<String>,
    /// Does the function fire several times for one tick of it?
    pub delayed: bool,
}

/// Account, partition and call.
type PoolKey = (String, &'static str, &'static str);

/// What calls use of a pool in 30 days.
#[derive(Clone)]
struct Sum {
    units: u64,
    exact: bool,
    calls: BTreeSet<String>,
}

impl Default for Sum {
    fn default() -> Self {
        Self { units: 0, exact: true, calls: BTreeSet::new() }
    }
}

impl Sum {
    fn add(&mut self, units: u64, exact: bool) {
        self.units += units;
        self.exact &= exact;
    }
}

type Sums = BTreeMap<PoolKey, Sum>;

/// A collector's estimate with what it is multiplied by.
struct Counted {
    forecast: CollectorForecast,
    pools: Sums,
}

impl Planner {
    /// The forecast of everything that was noted.
    ///
    /// # Errors
    /// Where what is remembered cannot be read.
    pub async fn forecast(&self, question: &Question, discovered: Discovered) -> Result<Forecast, Failure> {
        let prepared = self.prepared();
        let mut warnings = discovered.failures;
        let (every, every_from) = rhythm(question, &prepared, &mut warnings);
        let counted = self.count(&prepared, every).await?;
        let pools = self.pools(&prepared, &counted, every).await?;
        let collectors: Vec<CollectorForecast> =
            counted.into_iter().map(|counted| counted.forecast).collect();
        let longest: f64 = collectors.iter().map(|collector| collector.path_seconds).sum();
        let suggested = TIMEOUTS.iter().copied().find(|seconds| *seconds as f64 >= longest * 1.5);
        let least = if collectors.iter().all(|collector| collector.exact) { "" } else { "at least " };
        match suggested {
            None => warnings.push(format!(
                "a run takes {least}{longest:.0} s, and no function may take more than 3600 s: divide the collectors among several functions"
            )),
            Some(suggested) if question.timeout < suggested => warnings.push(format!(
                "the function's timeout of {} s is shorter than {suggested} s (one and a half times the longest path of {least}{longest:.0} s, rounded up): write `timeout = {suggested}`",
                question.timeout
            )),
            Some(_) => {}
        }
        for pool in &pools {
            warnings.extend(pool.budget_warning());
        }
        if longest > every.as_secs_f64() {
            warnings.push(format!(
                "a run can take {least}{longest:.0} s, longer than the {} from one to the next: some will be skipped",
                super::text::span(every.as_secs())
            ));
        }
        Ok(Forecast {
            function: question.function.clone(),
            every_seconds: every.as_secs(),
            every_from,
            discovered: discovered.calls,
            collectors,
            own_points: self.written(),
            pools,
            longest_path_seconds: (longest * 10.0).round() / 10.0,
            suggested_timeout_seconds: suggested,
            timeout_seconds: question.timeout,
            warnings,
        })
    }

    /// Every collector at this rhythm.
    async fn count(&self, prepared: &[(String, Prepared)], every: Duration) -> Result<Vec<Counted>, Failure> {
        let mut all = Vec::with_capacity(prepared.len());
        // The keys of a role are asked for once a process, by the first collector that needs them.
        let mut assumed: BTreeSet<String> = BTreeSet::new();
        let mut assumed_next: BTreeSet<String> = BTreeSet::new();
        for (datakit, one) in prepared {
            let settings = &self.0.settings;
            let description = one.collector.description();
            let interval = collected_every(description.interval, every);
            let planned = settings.clock.now().saturating_add(nanoseconds(every));
            let memory = self.memory(one, planned, interval);
            let ahead = Ahead {
                account: &one.account,
                memory: &memory,
                now: planned.saturating_add(settings.calls.offset(one.account.cloud)),
                cadence: Some(interval),
                filtered: one.filter.is_some(),
            };
            let regions = one.spec.regions();
            let mut estimate = one.spec.estimate(&ahead, &regions).await?;
            let memory = self.next_memory(datakit, one, planned);
            let next_ahead = Ahead { memory: &memory, cadence: None, ..ahead };
            let mut due = Vec::new();
            for region in &regions {
                let key = interval_key(one, datakit, region);
                let known = settings.state.due(&key).await;
                let known = known.map_err(|error| Failure::State(error.to_string()))?;
                if known.is_none_or(|due| due <= planned) {
                    due.push(region.clone());
                }
            }
            let mut next = match due.is_empty() {
                true => Estimate::default(),
                false => one.spec.estimate(&next_ahead, &due).await?,
            };
            let identity = one.account.identity();
            let role = description.actions.iter().find(|action| action.action == "AssumeRole");
            if let (Some(role), Some(_)) = (role, &one.account.role_arn) {
                if assumed.insert(identity.clone()) {
                    estimate.calls.push(Expected::new(role, &Text::from(""), 1));
                }
                if !due.is_empty() && assumed_next.insert(identity.clone()) {
                    next.calls.push(Expected::new(role, &Text::from(""), 1));
                }
            }
            all.push(self.counted(one, &regions, interval, &estimate, &next, planned));
        }
        Ok(all)
    }

    fn counted(
        &self,
        one: &Prepared,
        regions: &[Text],
        interval: Duration,
        estimate: &Estimate,
        next: &Estimate,
        planned: Time,
    ) -> Counted {
        let description = one.collector.description();
        let account = one.account.identity();
        let mut calls: Vec<CallForecast> = Vec::new();
        let mut pools = Sums::new();
        let mut because: Vec<String> = estimate.at_least.clone();
        for expected in &estimate.calls {
            let every = collected_every(expected.every, interval).max(interval).as_secs();
            let call = name(expected);
            let exact = expected.at_least.is_none() && estimate.at_least.is_empty();
            if let Some(why) = &expected.at_least
                && !because.contains(why)
            {
                because.push(why.clone());
            }
            let (a_day, a_month) = (times(expected.calls, DAY, every), times(expected.calls, MONTH, every));
            let metrics_a_month = times(expected.metrics, MONTH, every);
            let partition = money::partition(&one.account, &expected.region);
            if let Some(price) = money::of(partition, &call) {
                let units = if price.unit == Unit::Metric { metrics_a_month } else { a_month };
                let pool = pools.entry((account.clone(), partition, &price.action)).or_default();
                pool.add(units, exact);
                pool.calls.insert(call.clone());
            }
            let known = calls.iter_mut().find(|known| known.call == call && known.every_seconds == every);
            let entry = match known {
                Some(known) => known,
                None => {
                    calls.push(CallForecast {
                        call,
                        every_seconds: every,
                        calls: 0,
                        calls_a_day: 0,
                        calls_a_month: 0,
                        metrics: 0,
                        metrics_a_day: 0,
                        metrics_a_month: 0,
                        exact: true,
                    });
                    let last = calls.len() - 1;
                    &mut calls[last]
                }
            };
            entry.calls += expected.calls;
            entry.calls_a_day += a_day;
            entry.calls_a_month += a_month;
            entry.metrics += expected.metrics;
            entry.metrics_a_day += times(expected.metrics, DAY, every);
            entry.metrics_a_month += metrics_a_month;
            entry.exact &= exact;
        }
        // What is never called, for certain, is of no interest.
        calls.retain(|call| call.calls > 0 || !call.exact);
        let mut next_calls: BTreeMap<String, u64> = BTreeMap::new();
        for expected in next.calls.iter().filter(|expected| expected.due && expected.calls > 0) {
            *next_calls.entry(name(expected)).or_default() += expected.calls;
        }
        let next_run = NextRun {
            at: rfc3339(planned),
            calls: next_calls,
            metrics: next.calls.iter().filter(|expected| expected.due).map(|expected| expected.metrics).sum(),
        };
        let forecast = CollectorForecast {
            name: description.name.into(),
            account,
            regions: regions.iter().filter(|region| !region.is_empty()).map(ToString::to_string).collect(),
            every_seconds: interval.as_secs(),
            exact: because.is_empty(),
            at_least_because: because,
            calls,
            next_run,
            path_seconds: self.path(one, estimate),
        };
        Counted { forecast, pools }
    }

    /// Regions are collected at once, each action at its own rate: a region takes as long as its slowest action, or as the calls that wait for each other.
    fn path(&self, one: &Prepared, estimate: &Estimate) -> f64 {
        let mut regions: BTreeMap<&str, InRegion> = BTreeMap::new();
        for expected in &estimate.calls {
            let region = regions.entry(&expected.region).or_default();
            let rate = self.0.settings.calls.rate(one.account.cloud, expected.action);
            region.actions.entry(expected.action.action).or_insert((0, rate)).0 += expected.calls;
            region.in_a_row += expected.in_a_row;
        }
        let seconds = regions.values().map(InRegion::seconds).fold(0.0, f64::max);
        (seconds * 10.0).round() / 10.0
    }

    /// What the budget of a pool's account allows in a month.
    async fn budget(
        &self,
        prepared: &[(String, Prepared)],
        partition: &str,
        pool: &Pool,
    ) -> Result<Option<u64>, Failure> {
        let Self(inner) = self;
        let settings = &inner.settings;
        for (_, one) in prepared.iter().filter(|(_, one)| one.account.identity() == pool.account) {
            let regions: Vec<Text> = one.spec.regions();
            if money::partition(&one.account, regions.first().map_or("", |region| region)) != partition {
                continue;
            }
            let (state, now) = (settings.state.as_ref(), settings.clock.now());
            let calls = |action: &str| action == pool.call;
            let watch = Watch::open(&settings.budgets, state, &one.account, calls, &regions, now).await;
            return match watch {
                Ok(watch) => Ok(watch.map(|watch| watch.limit())),
                Err(error) => Err(Failure::Budget(error.to_string())),
            };
        }
        Ok(None)
    }

    /// What is billed, by account; with the rhythm that stays free.
    async fn pools(
        &self,
        prepared: &[(String, Prepared)],
        counted: &[Counted],
        every: Duration,
    ) -> Result<Vec<Pool>, Failure> {
        let now = self.0.settings.clock.now();
        let mut pools = Vec::new();
        let mut ladder: Vec<(u64, Sums)> = Vec::new();
        for (key, sum) in sums(counted) {
            let (account, partition, action) = &key;
            let Some(price) = money::of(partition, action) else { continue };
            let used = money::used(self.0.settings.state.as_ref(), account, price, now).await;
            let used = used.map_err(|error| Failure::State(error.to_string()))?;
            let intervals = prepared
                .iter()
                .zip(counted)
                .filter(|(_, counted)| counted.pools.contains_key(&key))
                .map(|((_, one), _)| one.collector.description().interval.as_secs());
            let shortest = intervals.min().unwrap_or_default();
            let mut free_every = None;
            if price.free > 0 && price.metered {
                if ladder.is_empty() {
                    let rhythms: BTreeSet<u64> =
                        LADDER.iter().map(|minutes| 60 * minutes).chain([every.as_secs()]).collect();
                    for seconds in rhythms {
                        let counted = self.count(prepared, Duration::from_secs(seconds)).await?;
                        ladder.push((seconds, super::forecast::sums(&counted)));
                    }
                }
                // More often than it can be collected is as often as it can.
                let mut possible =
                    ladder.iter().filter(|(seconds, _)| *seconds >= shortest.min(every.as_secs()));
                let fits = |sums: &Sums| sums.get(&key).is_none_or(|sum| sum.units <= price.free);
                free_every = possible.find(|(_, sums)| fits(sums)).map(|(seconds, _)| *seconds);
            }
            let mut pool = pool(account.clone(), price, sum, used, free_every, now);
            pool.shortest_every_seconds = shortest;
            pool.budget_a_month = self.budget(prepared, partition, &pool).await?;
            pool.budget_until_this_month =
                pool.budget_a_month.and_then(|budget| ends_on(budget, used, pool.units_a_month, now));
            pools.push(pool);
        }
        Ok(pools)
    }
}

/// One region's calls of a run.
#[derive(Default)]
struct InRegion {
    /// Calls and their rate, by action.
    actions: BTreeMap<&'static str, (u64, f64)>,
    in_a_row: u64,
}

impl InRegion {
    fn seconds(&self) -> f64 {
        // The first call goes at once; the last one's answer is waited for.
        let spaced = |(calls, rate): &(u64, f64)| match calls {
            0 => 0.0,
            more => (more - 1) as f64 / rate + ANSWER,
        };
        let slowest = self.actions.values().map(spaced).fold(0.0, f64::max);
        slowest.max(self.in_a_row as f64 * ANSWER)
    }
}

fn pool(account: String, price: &Price, sum: Sum, used: u64, free_every: Option<u64>, now: Time) -> Pool {
    let units = sum.units;
    let over = price.free > 0 && units > price.free;
    Pool {
        account,
        call: price.action.clone(),
        calls: sum.calls,
        unit: price.unit,
        units_a_month: units,
        exact: sum.exact,
        free_a_month: price.free,
        used_this_month: used,
        budget_a_month: None,
        // The n-th day uses up what the days before it have left.
        free_until_day: over.then(|| whole_day(price.free, units)),
        free_until_this_month: ends_on(price.free, used, units, now).filter(|_| price.free > 0),
        budget_until_this_month: None,
        free_every_seconds: free_every,
        shortest_every_seconds: 0,
        price: price.amount,
        price_per: price.per,
        currency: price.currency.clone(),
        cost_a_month: money::cost(price, units).map(|cost| (cost * 100.0).round() / 100.0),
        price_read: price.read.clone(),
        price_source: price.source.clone(),
    }
}

/// The day of a whole month on which so many units are used up.
pub(super) fn whole_day(limit: u64, units_a_month: u64) -> u64 {
    limit.saturating_mul(30).div_ceil(units_a_month.max(1)).max(1)
}

/// The day of this month on which so many units are used up, when this rhythm goes on from now: today where nothing is left, none where they last.
fn ends_on(limit: u64, used: u64, units_a_month: u64, now: Time) -> Option<String> {
    let left = u128::from(limit.saturating_sub(used));
    let seconds = (left * u128::from(MONTH)).checked_div(u128::from(units_a_month))?;
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds <= MONTH.cast_signed() * 2)?;
    let end = now.saturating_add(seconds.saturating_mul(SECOND));
    (money::month(end) == money::month(now)).then(|| money::day(end))
}

/// By account, partition and call.
fn sums(counted: &[Counted]) -> Sums {
    let mut sums = Sums::new();
    for (key, one) in counted.iter().flat_map(|counted| &counted.pools) {
        let sum = sums.entry(key.clone()).or_default();
        sum.add(one.units, one.exact);
        sum.calls.extend(one.calls.iter().cloned());
    }
    sums
}

/// How often the script is thought to run.
fn rhythm(
    question: &Question,
    prepared: &[(String, Prepared)],
    warnings: &mut Vec<String>,
) -> (Duration, Rhythm) {
    if let Some(every) = question.every {
        return (every, Rhythm::Option);
    }
    let intervals = prepared.iter().map(|(_, one)| one.collector.description().interval);
    let shortest = intervals.min().unwrap_or(Duration::from_secs(60));
    match &question.crontab {
        Some(crontab) => match super::of_crontab(crontab).filter(|_| !question.delayed) {
            Some(every) => (every, Rhythm::Crontab),
            None => {
                warnings.push(format!(
                    "the crontab `{crontab}` does not fire evenly: planned for every {}, the shortest interval of its collectors; --every plans for another",
                    super::text::span(shortest.as_secs())
                ));
                (shortest, Rhythm::Intervals)
            }
        },
        None => (shortest, Rhythm::Intervals),
    }
}

/// From one time to the next of what may be done every `interval`, when there is an occasion every `every`. The slack is that of the gate.
fn collected_every(interval: Duration, every: Duration) -> Duration {
    let slack = (interval / 10).min(Duration::from_secs(10));
    let occasions = (interval - slack).as_nanos().div_ceil(every.as_nanos().max(1)).max(1);
    every.saturating_mul(u32::try_from(occasions).unwrap_or(u32::MAX))
}

fn name(expected: &Expected) -> String {
    format!("{}:{}", expected.action.service, expected.action.action)
}

/// So many each time, every so many seconds: how many in this time.
fn times(each: u64, within: u64, every: u64) -> u64 {
    let whole = u128::from(each) * u128::from(within);
    let every = u128::from(every.max(1));
    u64::try_from((whole + every / 2) / every).unwrap_or(u64::MAX)
}

fn nanoseconds(duration: Duration) -> Time {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX / 2).min(365 * 86_400 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_intervals_are_honoured_with_the_gates_slack() {
        let minutes = |interval, every| {
            let minute = |minutes: u64| Duration::from_secs(60 * minutes);
            collected_every(minute(interval), minute(every)).as_secs() / 60
        };
        assert_eq!(minutes(15, 1), 15);
        assert_eq!(minutes(15, 5), 15);
        assert_eq!(minutes(15, 10), 20, "after ten minutes it is not due yet");
        assert_eq!(minutes(1, 5), 5);
        assert_eq!(minutes(15, 60), 60);
        assert_eq!(collected_every(Duration::ZERO, Duration::from_secs(60)), Duration::from_secs(60));
    }

    #[test]
    fn a_month_is_the_documents_month() {
        assert_eq!(times(46, MONTH, 60), 1_987_200);
        assert_eq!(times(46, MONTH, 300), 397_440);
        assert_eq!(times(1, DAY, 7 * 60), 206);
    }

    #[test]
    fn the_day_on_which_the_free_quota_ends() {
        let price = money::of("aliyun", "cms:DescribeMetricList").unwrap();
        let sum = |units| Sum { units, ..Sum::default() };
        let day = |units| pool("a".into(), price, sum(units), 0, None, 0).free_until_day;
        assert_eq!(day(1_987_200), Some(16), "66,240 a day: 15 days leave 6,400");
        assert_eq!(day(1_000_000), None);
        assert_eq!(day(1_000_001), Some(30));
        assert_eq!(day(100_000_000), Some(1));
    }

    #[test]
    fn what_was_used_this_month_counts() {
        let at = |text: &str| -> Time {
            chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
        };
        let ends = |used, units, now: &str| ends_on(1_000_000, used, units, at(now));
        let day = |text: &str| Some(text.to_owned());
        // 30,000 a day.
        assert_eq!(ends(0, 900_000, "2026-11-01T00:00:00Z"), None, "it lasts");
        assert_eq!(ends(900_000, 900_000, "2026-11-12T12:00:00Z"), day("2026-11-15"), "100,000 are left");
        assert_eq!(ends(900_000, 900_000, "2026-11-28T12:00:00Z"), None, "to the end of the month");
        assert_eq!(ends(1_000_000, 900_000, "2026-11-12T12:00:00Z"), day("2026-11-12"));
        assert_eq!(ends(2_000_000, 1, "2026-11-12T12:00:00Z"), day("2026-11-12"));
        assert_eq!(ends(2_000_000, 0, "2026-11-12T12:00:00Z"), None, "nothing is needed");
        assert_eq!(ends(0, 1_987_200, "2026-11-01T00:00:00Z"), day("2026-11-16"));
        assert_eq!(ends(0, 1_987_200, "2026-11-20T00:00:00Z"), None, "a whole month is another matter");
        assert_eq!(ends_on(u64::MAX, 0, 1, at("2026-11-12T12:00:00Z")), None);
    }
}
