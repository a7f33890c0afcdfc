//! Rhythms: how often a script is thought to run.
//!
//! Owns what `--every` takes, and which crontabs are a plain rhythm. When a crontab fires is the scheduler's to say.

use serde::Serialize;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// Where the rhythm comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rhythm {
    /// `--every`.
    Option,
    /// The function's `fixed_crontab`.
    Crontab,
    /// The shortest minimum interval of its collectors.
    Intervals,
}

/// Reads `5m`, `90s`, `1h`, `1d`.
///
/// # Errors
/// What is wrong with it.
pub fn every(text: &str) -> Result<Duration, String> {
    const FORM: &str = "write a number and s, m, h or d, such as 5m";
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "s" => 1,
        "m" | "min" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "" => return Err(format!("it has no unit: {FORM}")),
        _ => return Err(FORM.into()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    match seconds {
        Some(seconds @ MINUTE..=DAY) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("it must be 1 minute to 1 day: no collector runs more often".into()),
        None => Err(FORM.into()),
    }
}

/// The rhythm of a crontab that fires evenly; none for one that does not.
#[must_use]
pub fn of_crontab(crontab: &str) -> Option<Duration> {
    let fields: Vec<&str> = crontab.split_whitespace().collect();
    let [minute, hour, "*", "*", "*"] = fields.as_slice() else { return None };
    let seconds = match (steps(minute, 60)?, steps(hour, 24)?) {
        (minutes, 1) => minutes * MINUTE,
        // Once in the hours that are named.
        (60, hours) => hours * HOUR,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// From one firing to the next within a field: 1 for `*`, 15 for `*/15` of 60 and for `0,15,30,45`, all of it for one number.
fn steps(field: &str, all: u64) -> Option<u64> {
    if field == "*" {
        return Some(1);
    }
    if let Some(step) = field.strip_prefix("*/") {
        return step.parse().ok().filter(|step| *step > 0 && all.is_multiple_of(*step));
    }
    let mut numbers: Vec<u64> = field.split(',').map(|number| number.parse().ok()).collect::<Option<_>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    let step = all / numbers.len() as u64;
    let even = numbers.windows(2).all(|pair| pair[1] - pair[0] == step);
    (even && step * numbers.len() as u64 == all).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_crontabs_are_rhythms_and_others_are_not() {
        for (crontab, minutes) in [
            ("* * * * *", Some(1)),
            ("*/1 * * * *", Some(1)),
            ("*/5 * * * *", Some(5)),
            ("*/60 * * * *", Some(60)),
            ("0,30 * * * *", Some(30)),
            ("45,15,30,0 * * * *", Some(15)),
            ("7 * * * *", Some(60)),
            ("7 */6 * * *", Some(360)),
            ("0 3 * * *", Some(1440)),
            ("*/7 * * * *", None),
            ("0,10 * * * *", None),
            ("*/5 8-18 * * *", None),
            ("*/5 */2 * * *", None),
            ("0 3 * * MON", None),
            ("0 3 1 * *", None),
        ] {
            assert_eq!(of_crontab(crontab).map(|every| every.as_secs() / 60), minutes, "{crontab}");
        }
    }

    #[test]
    fn every_has_a_unit_and_bounds() {
        for (text, seconds) in
            [("5m", Some(300)), ("90s", Some(90)), ("1h", Some(3600)), ("1d", Some(86_400))]
        {
            assert_eq!(every(text).ok().map(|every| every.as_secs()), seconds, "{text}");
        }
        for wrong in ["5", "m", "", "30s", "2d", "5 m", "-5m", "99999999999999999999d", "5w"] {
            assert!(every(wrong).is_err(), "{wrong}");
        }
    }
}
