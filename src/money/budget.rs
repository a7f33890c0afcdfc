//! Budgets: how much of an account's metered calls is allowed in a month, and whether a run may begin its own.
//!
//! Owns the rule: metered calls that would break the budget are not begun; lists and objects go on. What is used comes from the counts in the state, so
//! it holds for all runs, scripts and processes that share one. A month is a calendar month, UTC.

use crate::money::{Price, Unit, grouped, metered, money, month, of, partition, used};
use crate::state::{State, StateError, Time};
use funchost_collectors::account::Account;
use funchost_collectors::call::Allowance;
use funchost_collectors::estimate::Estimate;
use funchost_collectors::point::Text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// From this share of a budget on, in tenths, a run warns.
const WARNING: u64 = 8;

/// What a refused run can be told to do.
pub const WAY_OUT: &str = "raise the budget under [budget] in funchost.toml, run it less often, or choose fewer metrics: `funchost plan SCRIPT` shows what each costs";

/// What an account may use in a month; of two limits the tighter one holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Units as the cloud bills them: data reads of CloudMonitor, calls of `GetMonitorData`, metrics asked for with `GetMetricData`.
    pub calls: Option<u64>,
    /// Money.
    pub money: Option<Money>,
}

/// An amount of money.
#[derive(Clone, Debug, PartialEq)]
pub struct Money {
    /// How much.
    pub amount: f64,
    /// Of what: `CNY`, `USD`.
    pub currency: String,
}

/// The budgets of a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budgets {
    /// Of every account that has none of its own, each by itself.
    pub each: Option<Budget>,
    /// By access key id or role.
    pub accounts: BTreeMap<String, Budget>,
}

impl Budgets {
    /// An account's budget: its role's, else its key's, else everybody's.
    #[must_use]
    pub fn of(&self, account: &Account) -> Option<&Budget> {
        self.of_identity(&account.identity())
    }

    /// The same by the account's identity: `aws/AKIA…`, `aws/AKIA…/arn:aws:iam::…`.
    #[must_use]
    pub fn of_identity(&self, identity: &str) -> Option<&Budget> {
        let mut parts = identity.splitn(3, '/').skip(1);
        let (key, role) = (parts.next(), parts.next());
        let own = |name: Option<&str>| name.and_then(|name| self.accounts.get(name));
        own(role).or_else(|| own(key)).or(self.each.as_ref())
    }
}

/// What is used and left of an account's budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReport {
    /// The account's identity: `aws/AKIA…`.
    pub account: String,
    /// `2026-11`, UTC.
    pub month: String,
    /// `calls` or `metrics`.
    pub unit: std::borrow::Cow<'static, str>,
    /// What the month's budget is, in units.
    pub limit: u64,
    /// Used, this run included.
    pub used: u64,
    /// Left.
    pub left: u64,
    /// The same as it is configured, where that is money.
    pub money: Option<String>,
}

impl BudgetReport {
    /// What to warn of, where most of it is used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let most = self.limit.saturating_mul(WARNING) / 10;
        (self.used >= most.max(1)).then(|| {
            let percent = self.used.saturating_mul(100) / self.limit.max(1);
            format!("{percent} % of the budget of {} for {}: {}", self.account, self.month, self.words())
        })
    }

    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        let money = self.money.as_deref().map(|money| format!(" ({money})")).unwrap_or_default();
        format!(
            "{} of {} {}{money} used, {} left",
            grouped(self.used),
            grouped(self.limit),
            self.unit,
            grouped(self.left)
        )
    }
}

/// One account's budget while a collector runs.
#[derive(Clone, Debug)]
pub struct Watch {
    price: &'static Price,
    account: String,
    month: String,
    limit: u64,
    used: u64,
    money: Option<String>,
}

impl Watch {
    /// Watches a collector that makes metered calls in these regions; none where it makes none, or nobody set a budget.
    ///
    /// # Errors
    /// The state cannot be read; or, as text, a budget that cannot be kept.
    pub async fn open(
        budgets: &Budgets,
        state: &dyn State,
        account: &Account,
        calls: impl Fn(&str) -> bool,
        regions: &[Text],
        now: Time,
    ) -> Result<Option<Self>, BudgetError> {
        // A collector without regions of its own works where its account does.
        let region = regions.first().filter(|region| !region.is_empty());
        let partition =
            partition(account, region.map_or(account.region.as_deref().unwrap_or_default(), |region| region));
        let Some(price) = metered(partition).filter(|price| price.actions().any(&calls)) else {
            return Ok(None);
        };
        Self::of_identity(budgets, state, &account.identity(), price, now).await
    }

    async fn of_identity(
        budgets: &Budgets,
        state: &dyn State,
        identity: &str,
        price: &'static Price,
        now: Time,
    ) -> Result<Option<Self>, BudgetError> {
        let Some(budget) = budgets.of_identity(identity) else { return Ok(None) };
        let mut limit = budget.calls.unwrap_or(u64::MAX);
        let mut words = None;
        if let Some(wanted) = &budget.money {
            let units = units(state, identity, price, wanted, now).await?;
            if units <= limit {
                limit = units;
                words = Some(money(wanted.amount, &wanted.currency));
            }
        }
        let used = used(state, identity, price, now).await?;
        Ok(Some(Self { price, account: identity.to_owned(), month: month(now), limit, used, money: words }))
    }

    /// Units that the month's budget allows.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The units that an estimate's due calls would use.
    #[must_use]
    pub fn needs(&self, estimate: &Estimate) -> u64 {
        let calls = estimate.calls.iter().filter(|expected| {
            expected.due
                && self.price.covers(&format!("{}:{}", expected.action.service, expected.action.action))
        });
        calls
            .map(|expected| match self.price.unit {
                Unit::Call => expected.calls,
                Unit::Metric => expected.metrics,
            })
            .sum()
    }

    /// What a collector may still use.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        let report = self.report(0);
        let why = format!("the budget of {} for {}: {}", self.account, self.month, report.words());
        Allowance { left: report.left, ..nothing(self.price, why) }
    }

    /// May a run that needs so many units begin them?
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, needs: u64) -> Result<(), String> {
        let allowance = self.allowance();
        if needs > allowance.left { Err(allowance.refusal(&self.price.action, needs)) } else { Ok(()) }
    }

    /// What a collector may use in all, which has counted so much of it in the state: others may have used of the same budget since it began.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn left(
        &self,
        state: &dyn State,
        counted: &BTreeMap<String, u64>,
        now: Time,
    ) -> Result<u64, StateError> {
        let own = self.price.units(counted);
        let others = used(state, &self.account, self.price, now).await?.saturating_sub(own);
        Ok(self.limit.saturating_sub(others))
    }

    /// What is used and left after a collector that used these counts.
    #[must_use]
    pub fn after(&self, counted: &BTreeMap<String, u64>) -> BudgetReport {
        self.report(self.price.units(counted))
    }

    fn report(&self, more: u64) -> BudgetReport {
        let used = self.used.saturating_add(more);
        BudgetReport {
            account: self.account.clone(),
            month: self.month.clone(),
            unit: self.price.unit.plural().into(),
            limit: self.limit,
            used,
            left: self.limit.saturating_sub(used),
            money: self.money.clone(),
        }
    }
}

/// An allowance of no metered call: for want of a budget that can be kept.
#[must_use]
pub fn nothing(price: &Price, why: String) -> Allowance {
    Allowance {
        actions: price.actions().map(str::to_owned).collect(),
        by_metric: price.unit == Unit::Metric,
        left: 0,
        why,
    }
}

/// What is used and left of an account's budget now; none where nobody set one.
///
/// # Errors
/// See [`Watch::open`].
pub async fn standing(
    budgets: &Budgets,
    state: &dyn State,
    identity: &str,
    price: &'static Price,
    now: Time,
) -> Result<Option<BudgetReport>, BudgetError> {
    let watch = Watch::of_identity(budgets, state, identity, price, now).await?;
    Ok(watch.map(|watch| watch.report(0)))
}

/// Why a budget cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    /// What was used is not known.
    #[error(transparent)]
    State(#[from] StateError),
    /// It is in another currency than the cloud's.
    #[error(
        "the budget of {account} is in {budget}, and {action} is billed in {bill}: metered calls are not begun"
    )]
    Currency {
        /// Whose.
        account: String,
        /// Its currency.
        budget: String,
        /// The call.
        action: String,
        /// Its currency.
        bill: String,
    },
}

/// How many units an amount of money buys this month: the free ones first. Where the price is not known, only those.
async fn units(
    state: &dyn State,
    identity: &str,
    price: &Price,
    wanted: &Money,
    now: Time,
) -> Result<u64, BudgetError> {
    let (Some(amount), Some(currency)) = (price.amount, &price.currency) else { return Ok(price.free) };
    if !currency.eq_ignore_ascii_case(&wanted.currency) {
        return Err(BudgetError::Currency {
            account: identity.to_owned(),
            budget: wanted.currency.clone(),
            action: price.action.clone(),
            bill: currency.clone(),
        });
    }
    // Lists are never stopped; what they cost is no longer there for the rest.
    let mut left = wanted.amount;
    if let Some(lists) = of(&price.partition, "monitoring:ListMetrics") {
        left -= super::cost(lists, used(state, identity, lists, now).await?).unwrap_or(0.0);
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of units, not negative"
    )]
    // A millionth more, so that an amount that is an exact number of units in decimals is that number.
    let paid = (left.max(0.0) / amount * price.per as f64 + 1e-6) as u64;
    Ok(price.free.saturating_add(paid))
}
