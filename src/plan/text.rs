//! The forecast for a person.
//!
//! Owns its words, those of its warnings about budgets included. Every number that a person may be billed for says where its price comes from.

use super::Rhythm;
use super::forecast::{CallForecast, CollectorForecast, Forecast, Pool, whole_day};
use crate::cli::Table;
use crate::money::{Unit, grouped, money};
use funchost_collectors::estimate::{AS_FAILED_RUN, AS_LAST_RUN, AS_OPEN_RUN};
use std::fmt::Write as _;

impl Forecast {
    /// All of it, as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let from = match self.every_from {
            Rhythm::Option => "",
            Rhythm::Crontab => " (its crontab)",
            Rhythm::Intervals => " (the shortest interval of its collectors)",
        };
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}, run every {}{from}", self.function, span(self.every_seconds));
        if self.discovered.is_empty() {
            text.push_str("No cloud was called, and nothing was written.\n");
        } else {
            let calls: Vec<String> =
                self.discovered.iter().map(|(call, count)| format!("{} {call}", grouped(*count))).collect();
            let _ = writeln!(text, "Called for this plan: {}.", calls.join(", "));
        }
        for (datakit, points) in &self.own_points {
            let plural = if *points == 1 { "" } else { "s" };
            let _ = writeln!(
                text,
                "The script itself would write {} point{plural} to the DataKit `{datakit}`.",
                grouped(*points)
            );
        }
        if self.collectors.is_empty() {
            text.push_str("\nNo collector would run: the function calls no Runner(…).run().\n");
            return text;
        }
        let _ = write!(text, "\nCalls\n{}", self.table().indented());
        self.uncertain(&mut text);
        if !self.pools.is_empty() {
            text.push_str("\nWhat it costs\n");
            for pool in &self.pools {
                let _ = writeln!(text, "  {}", pool.words(self.every_seconds));
                let _ = writeln!(text, "    by {} (read {})", pool.price_source, pool.price_read);
            }
        }
        let least = if self.collectors.iter().all(|collector| collector.exact) { "" } else { "at least " };
        let _ = write!(
            text,
            "\nHow long it takes\n  the longest path is {least}{} s at these rates",
            self.longest_path_seconds
        );
        let _ = match self.suggested_timeout_seconds {
            Some(suggested) => writeln!(
                text,
                "; one and a half times that, rounded up: timeout = {suggested} (the function has {})",
                self.timeout_seconds
            ),
            None => writeln!(text),
        };
        let next: Vec<String> = self
            .collectors
            .iter()
            .flat_map(|collector| &collector.next_run.calls)
            .fold(Vec::<(String, u64)>::new(), |mut sums, (call, count)| {
                match sums.iter_mut().find(|(known, _)| known == call) {
                    Some((_, sum)) => *sum += count,
                    None => sums.push((call.clone(), *count)),
                }
                sums
            })
            .into_iter()
            .map(|(call, count)| format!("{} {call}", grouped(count)))
            .collect();
        let next = if next.is_empty() { "nothing: no collector is due".into() } else { next.join(", ") };
        let _ = writeln!(text, "\nThe next run, {} from now: {next}", span(self.every_seconds));
        for warning in &self.warnings {
            let _ = writeln!(text, "\nwarning: {warning}");
        }
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&["collector", "call", "every", "each time", "a day", "a month"]);
        for collector in &self.collectors {
            let mut name = self.label(collector);
            for call in &collector.calls {
                table.row(row(&std::mem::take(&mut name), call));
                if call.metrics > 0 {
                    table.row(vec![
                        String::new(),
                        "  metrics, as billed".into(),
                        String::new(),
                        number(call.metrics, call.exact),
                        number(call.metrics_a_day, call.exact),
                        number(call.metrics_a_month, call.exact),
                    ]);
                }
            }
            if collector.calls.is_empty() {
                let none = if collector.exact { "none" } else { "not known" };
                table.row(vec![name, none.into()]);
            }
        }
        table
    }

    /// A collector's name, with what tells it from the others of that name.
    fn label(&self, collector: &CollectorForecast) -> String {
        let others: Vec<&CollectorForecast> =
            self.collectors.iter().filter(|other| other.name == collector.name).collect();
        let mut apart = Vec::new();
        if others.iter().any(|other| other.account != collector.account) {
            apart.push(collector.account.clone());
        }
        if others.iter().any(|other| other.regions != collector.regions) {
            apart.push(collector.regions.join(", "));
        }
        if apart.is_empty() {
            collector.name.clone()
        } else {
            format!("{} ({})", collector.name, apart.join("; "))
        }
    }

    fn uncertain(&self, text: &mut String) {
        let uncertain: Vec<&CollectorForecast> =
            self.collectors.iter().filter(|collector| !collector.exact).collect();
        if uncertain.is_empty() {
            text.push_str(
                "  exact, as long as nothing changes in the cloud; attempts after a failure come on top\n",
            );
            return;
        }
        text.push_str("  at least, because\n");
        for collector in &uncertain {
            for why in &collector.at_least_because {
                let _ = writeln!(text, "    {}: {why}", collector.name);
            }
        }
        // What a script's own collector calls is as it is: another run only tells what that one called.
        let own = |why: &String| [AS_LAST_RUN, AS_FAILED_RUN, AS_OPEN_RUN].contains(&why.as_str());
        if uncertain.iter().flat_map(|one| &one.at_least_because).all(own) {
            return;
        }
        let again = if self.discovered.is_empty() {
            "run the script once, or plan with --discover, which asks for the lists"
        } else {
            "run the script once"
        };
        let _ = writeln!(text, "  to know it: {again}");
    }
}

fn row(collector: &str, call: &CallForecast) -> Vec<String> {
    vec![
        collector.into(),
        call.call.clone(),
        span(call.every_seconds),
        number(call.calls, call.exact),
        number(call.calls_a_day, call.exact),
        number(call.calls_a_month, call.exact),
    ]
}

fn number(number: u64, exact: bool) -> String {
    let digits = grouped(number);
    if exact { digits } else { format!("at least {digits}") }
}

impl Pool {
    fn words(&self, every: u64) -> String {
        let unit = self.unit.plural();
        let calls: Vec<&str> = self.calls.iter().map(String::as_str).collect();
        let mut text = format!(
            "{} {}: {} {unit} a month",
            self.account,
            calls.join(" + "),
            number(self.units_a_month, self.exact)
        );
        let cost = match (self.cost_a_month, &self.currency) {
            (Some(cost), Some(currency)) => {
                let least = if self.exact { "" } else { "at least " };
                let per = format!(
                    "{currency} {} for {} {unit}",
                    self.price.unwrap_or_default(),
                    grouped(self.price_per)
                );
                format!("{least}{} ({per})", money(cost, currency))
            }
            (Some(_), None) => "free".into(),
            (None, _) => "the price of what follows is unknown".into(),
        };
        if self.free_a_month == 0 {
            let _ = write!(text, ": {cost}; none are free");
        } else {
            let _ = match self.free_until_day {
                Some(day) => {
                    write!(
                        text,
                        ": {} are free, and a whole month has used them up on day {day}; {cost}",
                        grouped(self.free_a_month)
                    )
                }
                None if self.exact => write!(text, ": free, as up to {} are", grouped(self.free_a_month)),
                None => write!(text, ": {} are free", grouped(self.free_a_month)),
            };
            let _ = match self.free_every_seconds {
                Some(seconds) if seconds > every => {
                    write!(text, "; run every {} to stay free", span(seconds))
                }
                Some(seconds) if seconds < every => {
                    write!(text, "; every {} would still be free", span(seconds))
                }
                Some(_) if every > self.shortest_every_seconds => {
                    write!(text, "; no shorter interval stays free")
                }
                Some(_) => write!(text, "; it cannot be collected more often"),
                None if self.free_until_day.is_some() => {
                    write!(text, "; not even every two hours stays free")
                }
                None => Ok(()),
            };
        }
        if let Some(budget) = self.budget_a_month {
            let _ = write!(text, "; the budget allows {}", grouped(budget));
        }
        if self.used_this_month > 0 {
            let _ = write!(text, "; {} counted this month", grouped(self.used_this_month));
        }
        if let Some(day) = &self.free_until_this_month {
            let _ = match self.used_this_month >= self.free_a_month {
                true => write!(text, ", and no free one is left"),
                false => write!(text, "; from now on the free ones last until {day}"),
            };
        }
        if self.unit == Unit::Call && self.free_a_month > 0 {
            text.push_str("; the free ones are the account's, whoever calls");
        }
        text
    }

    /// What will happen to a budget that does not last: this month with what was used of it, and in a whole one.
    pub(super) fn budget_warning(&self) -> Option<String> {
        let budget = self.budget_a_month?;
        let over = self.units_a_month > budget;
        let whole = whole_day(budget, self.units_a_month);
        let stop = match (&self.budget_until_this_month, over) {
            (Some(_), _) if self.used_this_month >= budget => {
                "nothing is left of it this month: these calls are not made".to_owned()
            }
            (Some(day), true) => {
                format!("these calls will stop on {day}, and in a whole month on day {whole}")
            }
            (Some(day), false) => format!(
                "with the {} counted this month these calls will stop on {day}",
                grouped(self.used_this_month)
            ),
            (None, true) => format!(
                "it lasts to the end of this month; in a whole one these calls will stop on day {whole}"
            ),
            (None, false) => return None,
        };
        Some(format!(
            "{} {}: a month needs {} {}, and the budget allows {}: {stop}",
            self.account,
            self.call,
            grouped(self.units_a_month),
            self.unit.plural(),
            grouped(budget)
        ))
    }
}

/// A time span in the largest unit that fits.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0 => "run".into(),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
