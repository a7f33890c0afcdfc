//! Prices: a table of data and how it is read.

use super::usage::metrics_of;
use funchost_collectors::account::{Account, Cloud};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Calls.
    Call,
    /// Metrics asked for.
    Metric,
}

impl Unit {
    /// `calls`, `metrics`.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Call => "calls",
            Self::Metric => "metrics",
        }
    }
}

/// The price of one call in one partition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Whose price list: `aws-cn`.
    pub partition: String,
    /// `monitoring:GetMetricData`.
    pub action: String,
    /// Other calls that are billed alike, and use up the same free ones.
    #[serde(default)]
    pub with: Vec<String>,
    /// What is counted.
    pub unit: Unit,
    /// For [`Self::per`] units beyond the free ones; none where it is not known.
    pub amount: Option<f64>,
    /// Units that cost one amount.
    pub per: u64,
    /// `USD`, `CNY`; none where the amount is not known.
    pub currency: Option<String>,
    /// Units a month that cost nothing.
    pub free: u64,
    /// May a budget stop it?
    pub metered: bool,
    /// When the source was read.
    pub read: String,
    /// Where it says so.
    pub source: String,
}

impl Price {
    /// Every call that it is the price of.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.action).chain(&self.with).map(String::as_str)
    }

    /// Is it the price of this call? A cloud may not mind the letter case that a script writes.
    #[must_use]
    pub fn covers(&self, action: &str) -> bool {
        self.actions().any(|own| own.eq_ignore_ascii_case(action))
    }

    /// The units among what was counted.
    #[must_use]
    pub fn units(&self, counted: &BTreeMap<String, u64>) -> u64 {
        let is_unit = |key: &str| match self.unit {
            Unit::Call => self.covers(key),
            Unit::Metric => metrics_of(key).is_some_and(|action| self.covers(action)),
        };
        counted.iter().filter(|(key, _)| is_unit(key)).map(|(_, count)| count).sum()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    price: Vec<Price>,
}

/// The table is part of the program; a test proves that it can be read.
static PRICES: LazyLock<Vec<Price>> = LazyLock::new(|| {
    toml::from_str::<Table>(include_str!("prices.toml")).map(|table| table.price).unwrap_or_default()
});

/// Whose price list holds for a call.
#[must_use]
pub fn partition(account: &Account, region: &str) -> &'static str {
    match account.cloud {
        Cloud::Aliyun => "aliyun",
        Cloud::Aws if region.starts_with("cn-") => "aws-cn",
        // Their price lists were not read.
        Cloud::Aws if region.starts_with("us-gov-") || region.starts_with("eusc-") => "aws-other",
        Cloud::Aws => "aws",
        Cloud::Tencent if account.site.as_deref() == Some("intl") => "tencentcloud-intl",
        Cloud::Tencent => "tencentcloud-china",
    }
}

/// The price of a call; none for one that costs nothing.
#[must_use]
pub fn of(partition: &str, action: &str) -> Option<&'static Price> {
    PRICES.iter().find(|price| price.partition == partition && price.covers(action))
}

/// Every price of a partition.
pub fn all(partition: &str) -> impl Iterator<Item = &'static Price> {
    PRICES.iter().filter(move |price| price.partition == partition)
}

/// The one call of a partition that a budget may stop.
#[must_use]
pub fn metered(partition: &str) -> Option<&'static Price> {
    PRICES.iter().find(|price| price.partition == partition && price.metered)
}

/// What so many units a month cost; none where the price is not known.
#[must_use]
pub fn cost(price: &Price, units: u64) -> Option<f64> {
    let paid = units.saturating_sub(price.free);
    if paid == 0 {
        return Some(0.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "money, shown to the hundredth")]
    let share = paid as f64 / price.per.max(1) as f64;
    price.amount.map(|amount| amount * share)
}

/// `CNY 1,234.50`.
#[must_use]
pub fn money(amount: f64, currency: &str) -> String {
    let hundredths = (amount * 100.0).round().max(0.0);
    // Less than a hundredth is still not nothing.
    if amount > 0.0 && hundredths < 1.0 {
        return format!("less than {currency} 0.01");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and no one owes more than 2^63"
    )]
    let hundredths = hundredths as u64;
    format!("{currency} {}.{:02}", grouped(hundredths / 100), hundredths % 100)
}

/// `1,987,200`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use funchost_collectors::COLLECTORS;

    #[test]
    fn the_table_is_read_and_names_calls_that_exist() {
        assert!(PRICES.len() >= 7, "{PRICES:?}");
        for price in PRICES.iter() {
            let known = COLLECTORS.iter().flat_map(|collector| collector.description().actions);
            let exists = known
                .into_iter()
                .any(|action| format!("{}:{}", action.service, action.action) == price.action);
            assert!(exists, "{price:?}");
            assert_eq!(price.amount.is_some(), price.currency.is_some(), "{price:?}");
            assert!(price.per > 0 && !price.source.is_empty() && price.read.len() == 10, "{price:?}");
        }
        for partition in ["aws", "aws-cn", "aliyun", "tencentcloud-china", "tencentcloud-intl"] {
            assert_eq!(
                PRICES.iter().filter(|price| price.partition == partition && price.metered).count(),
                1
            );
        }
    }

    #[test]
    fn the_documents_worked_costs_come_out() {
        let cost = |partition: &str, action: &str, units: u64| {
            let price = of(partition, action).unwrap();
            super::cost(price, units)
                .map(|amount| money(amount, price.currency.as_deref().unwrap_or_default()))
        };
        // 1,000 instances, 10 metrics, every five minutes.
        assert_eq!(cost("aws", "monitoring:GetMetricData", 86_400_000).as_deref(), Some("USD 864.00"));
        assert_eq!(cost("aws-cn", "monitoring:GetMetricData", 86_400_000).as_deref(), Some("CNY 5,624.64"));
        assert_eq!(
            cost("tencentcloud-intl", "monitor:GetMonitorData", 8_640_000).as_deref(),
            Some("USD 26.74")
        );
        assert_eq!(
            cost("tencentcloud-china", "monitor:GetMonitorData", 8_640_000),
            None,
            "unknown, not free"
        );
        assert_eq!(cost("aliyun", "cms:DescribeMetricList", 1_000_000).as_deref(), Some(" 0.00"));
        assert_eq!(
            cost("aws", "monitoring:ListMetrics", 14_400).as_deref(),
            Some("USD 0.00"),
            "in the free tier"
        );
        assert_eq!(money(0.001, "USD"), "less than USD 0.01");
    }

    #[test]
    fn one_pool_holds_all_reads_of_its_data() {
        let pool = of("aliyun", "cms:DescribeMetricTop").unwrap();
        assert_eq!(pool.action, "cms:DescribeMetricList");
        let counted = |calls: &[(&str, u64)]| {
            pool.units(&calls.iter().map(|(call, count)| ((*call).to_owned(), *count)).collect())
        };
        let reads = [("List", 1), ("Last", 2), ("Data", 4), ("Top", 8)].map(|(read, count)| {
            [(format!("cms:DescribeMetric{read}"), count), (format!("cms:QueryMetric{read}"), 16 * count)]
        });
        let reads: Vec<(&str, u64)> =
            reads.iter().flatten().map(|(call, count)| (call.as_str(), *count)).collect();
        assert_eq!(counted(&reads), 255);
        assert_eq!(counted(&[("cms:describemetriclist", 3)]), 3);
        assert_eq!(counted(&[("cms:DescribeMetricMetaList", 5), ("ecs:DescribeDisks", 7)]), 0);
        let metrics = of("aws", "monitoring:GetMetricData").unwrap();
        let counted = BTreeMap::from([
            ("monitoring:GetMetricData".to_owned(), 3),
            ("monitoring:GetMetricData metrics".to_owned(), 250),
        ]);
        assert_eq!(metrics.units(&counted), 250);
        assert!(of("tencentcloud-china", "monitor:DescribeStatisticData").is_none(), "it is not billed");
    }

    #[test]
    fn digits_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_987_200, "1,987,200")] {
            assert_eq!(grouped(number), text);
        }
    }
}
