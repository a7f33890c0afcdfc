//! What stands between a signature and its call: nonces, permissions, rates, the month's quota.

use super::{Refusal, not_allowed, quota_used_up, throttled, used_nonce};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Seconds for which a nonce is remembered.
const MEMORY: i64 = 1800;

/// Calls a second of one region and action, by the vendor's page; all others 10.
const RATES: &[(&str, u64)] = &[
    ("cms:DescribeMetricList", 50),
    ("cms:DescribeMetricLast", 50),
    ("cms:DescribeMetricData", 10),
    ("cms:DescribeMetricTop", 10),
    ("cms:DescribeMetricMetaList", 20),
    ("cms:DescribeProjectMeta", 20),
];

/// The calls that the free quota counts.
const COUNTED: &[&str] =
    &["cms:DescribeMetricList", "cms:DescribeMetricLast", "cms:DescribeMetricData", "cms:DescribeMetricTop"];

/// The account's limits.
#[derive(Debug, Default)]
pub(super) struct Guard {
    nonces: HashMap<(String, String), i64>,
    /// By key; those of the empty key are refused to all.
    pub(super) denied: BTreeMap<String, BTreeSet<String>>,
    /// Calls a second by `service:Action`; none is no limit.
    pub(super) rates: BTreeMap<String, u64>,
    /// Second and calls in it, by region and `service:Action`.
    spent: HashMap<(String, String), (i64, u64)>,
    /// Counted calls that are left of the month; none is no limit.
    pub(super) quota: Option<u64>,
}

impl Guard {
    /// A nonce of a key counts once.
    pub(super) fn nonce(&mut self, access_key: &str, nonce: &str, now: i64) -> Result<(), Refusal> {
        if self.nonces.len() > 100_000 {
            self.nonces.retain(|_, seen| now - *seen < MEMORY);
        }
        match self.nonces.insert((access_key.to_owned(), nonce.to_owned()), now) {
            Some(seen) if now - seen < MEMORY => Err(used_nonce()),
            _ => Ok(()),
        }
    }

    pub(super) fn allow(&self, access_key: &str, permission: &str) -> Result<(), Refusal> {
        let denied = ["", access_key]
            .iter()
            .any(|key| self.denied.get(*key).is_some_and(|denied| denied.contains(permission)));
        if denied { Err(not_allowed()) } else { Ok(()) }
    }

    /// The documented rates.
    pub(super) fn documented_rates(&mut self) {
        self.rates = RATES.iter().map(|(name, rate)| ((*name).to_owned(), *rate)).collect();
        for (product, _, _, actions) in super::PRODUCTS {
            for action in *actions {
                self.rates.entry(format!("{product}:{action}")).or_insert(10);
            }
        }
    }

    /// Is a call within rate and quota?
    pub(super) fn pass(&mut self, region: &str, name: &str, now: i64) -> Result<(), Refusal> {
        if let Some(rate) = self.rates.get(name).copied() {
            let spent = self.spent.entry((region.to_owned(), name.to_owned())).or_default();
            if spent.0 != now {
                *spent = (now, 0);
            }
            spent.1 += 1;
            if spent.1 > rate {
                return Err(throttled(Some(1000)));
            }
        }
        if COUNTED.contains(&name)
            && let Some(left) = &mut self.quota
        {
            if *left == 0 {
                return Err(quota_used_up());
            }
            *left -= 1;
        }
        Ok(())
    }
}
