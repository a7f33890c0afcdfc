//! What was called this month, and what it costs, against quota and budget.
//!
//! Owns the sums by account and day. The prices and the budget's rule stand in the money room.

use super::Console;
use super::answer::{Answer, Refused};
use crate::money::budget::{BudgetError, BudgetReport, standing};
use crate::money::{self, Price};
use axum::extract::State;
use chrono::{DateTime, Datelike as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One account's month.
struct Account {
    id: String,
    partition: Option<String>,
    /// By day, then by what is counted.
    days: BTreeMap<String, BTreeMap<String, u64>>,
    budget: Result<Option<BudgetReport>, String>,
}

/// `GET /api/v1/usage`.
pub(super) async fn usage(State(console): State<Arc<Console>>) -> Result<Answer, Refused> {
    let now = DateTime::from_timestamp_nanos(console.clock.now()).date_naive();
    let last = last_day(now);
    let accounts = accounts(&console).await?;
    Ok(Answer::of(json!({
        "month": money::month(console.clock.now()),
        "today": now.day(),
        "days": last,
        "accounts": accounts.iter().map(|account| account.shown(now, last)).collect::<Vec<_>>(),
    })))
}

/// Budgets that are used up, or nearly: what to say of each, and whether it is used up.
pub(super) async fn tight(console: &Console) -> Result<Vec<(String, String, bool)>, Refused> {
    let mut found = Vec::new();
    if console.engine.tools().budgets == crate::money::budget::Budgets::default() {
        return Ok(found);
    }
    for account in accounts(console).await? {
        match account.budget {
            Ok(Some(report)) => {
                if let Some(warning) = report.warning() {
                    found.push((account.id, warning, report.left == 0));
                }
            }
            Ok(None) => {}
            Err(why) => found.push((account.id, why, true)),
        }
    }
    Ok(found)
}

fn last_day(day: chrono::NaiveDate) -> u32 {
    let next = day.with_day(1).and_then(|first| first.checked_add_months(chrono::Months::new(1)));
    next.and_then(|next| next.pred_opt()).map_or(31, |last| last.day())
}

async fn accounts(console: &Console) -> Result<Vec<Account>, Refused> {
    let now = console.clock.now();
    let month = money::month(now);
    let calls = console.store.calls_between(&format!("{month}-01"), &format!("{month}-31")).await?;
    let ids: BTreeSet<String> = calls.iter().map(|calls| calls.account.clone()).collect();
    let budgets = console.engine.tools().budgets.clone();
    let mut accounts = Vec::with_capacity(ids.len());
    for id in ids {
        let partition = match money::known_partition(&*console.store, &id, now).await? {
            Some(partition) => Some(partition),
            // This cloud has one price list only.
            None => id.starts_with("aliyun/").then(|| "aliyun".to_owned()),
        };
        let budget = match partition.as_deref().and_then(money::metered) {
            None => Ok(None),
            Some(price) => match standing(&budgets, &*console.store, &id, price, now).await {
                Ok(report) => Ok(report),
                Err(BudgetError::State(error)) => return Err(error.into()),
                Err(error @ BudgetError::Currency { .. }) => Err(error.to_string()),
            },
        };
        let mut days: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for calls in calls.iter().filter(|calls| calls.account == id) {
            let count = u64::try_from(calls.count).unwrap_or(0);
            *days.entry(calls.day.clone()).or_default().entry(calls.action.clone()).or_default() += count;
        }
        accounts.push(Account { id, partition, days, budget });
    }
    Ok(accounts)
}

impl Account {
    fn total(&self, price: &Price) -> u64 {
        self.days.values().map(|day| price.units(day)).sum()
    }

    /// One thing that is charged for, or has a free quota.
    fn priced(&self, price: &Price) -> Value {
        let used = self.total(price);
        let cost = money::cost(price, used);
        json!({
            "action": price.action,
            "unit": price.unit.plural(),
            "used": used,
            "free": price.free,
            "cost": cost,
            "currency": price.currency,
            "price": price.amount.zip(price.currency.as_ref()).map(|(amount, currency)| {
                json!({ "amount": amount, "currency": currency, "per": price.per, "read": price.read })
            }),
            "metered": price.metered,
        })
    }

    fn shown(&self, today: chrono::NaiveDate, last: u32) -> Value {
        let metered = self.partition.as_deref().and_then(money::metered);
        // Metrics are no calls: they stand beside the calls that asked for them.
        let calls = |day: &BTreeMap<String, u64>| -> u64 {
            day.iter().filter(|(action, _)| !action.ends_with(" metrics")).map(|(_, count)| count).sum()
        };
        let days: Vec<Value> = (1..=last)
            .map(|number| {
                let day = format!("{}-{number:02}", today.format("%Y-%m"));
                let counted = self.days.get(&day);
                let units = metered.zip(counted).map_or(0, |(price, counted)| price.units(counted));
                json!({ "day": day, "calls": counted.map_or(0, calls), "units": units })
            })
            .collect();
        let mut actions: BTreeMap<&str, u64> = BTreeMap::new();
        for (action, count) in self.days.values().flatten() {
            *actions.entry(action).or_default() += count;
        }
        let (budget, problem) = match &self.budget {
            Ok(budget) => (budget.as_ref(), None),
            Err(why) => (None, Some(why)),
        };
        json!({
            "account": self.id,
            "priceList": self.partition,
            "calls": self.days.values().map(calls).sum::<u64>(),
            "actions": actions.iter().map(|(action, count)| json!({ "action": action, "count": count })).collect::<Vec<_>>(),
            "priced": self.partition.iter().flat_map(|partition| money::all(partition)).map(|price| self.priced(price)).collect::<Vec<_>>(),
            "budget": budget,
            "budgetProblem": problem,
            "days": days,
        })
    }
}
