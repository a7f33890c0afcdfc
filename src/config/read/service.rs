//! `[service]` and `[[triggers]]`.

use super::super::value::{Given, Wrong, mismatch};
use super::super::{CatchUp, TriggerConfig};
use super::{At, Key, Problem, Reader, Spot, unknown};
use crate::schedule::cron;
use secrecy::SecretString;
use std::net::SocketAddr;
use toml::Spanned;
use toml::de::DeValue;

/// The members of `[service]`.
pub(in crate::config) const SERVICE: [&str; 8] =
    ["keep_days", "keep_runs", "lease", "listen", "otlp", "timezone", "token", "workers"];

pub(in crate::config) const TRIGGER: [&str; 8] =
    ["catch_up", "cron", "delays", "enabled", "func", "id", "kwargs", "timezone"];

/// A token that can be guessed is none.
const SHORTEST_TOKEN: usize = 16;

impl Reader<'_> {
    pub(super) fn service(&mut self, value: &Spanned<DeValue<'_>>) {
        for spot in self.members("service", value) {
            let name = spot.path["service.".len()..].to_owned();
            match SERVICE.iter().find(|known| **known == name) {
                Some(known) => self.leaf(Key::Service(known), spot),
                None => self.unknown(&spot, &SERVICE),
            }
        }
    }

    pub(super) fn set_service(&mut self, name: &str, given: Given<'_>) -> Result<(), Wrong> {
        match name {
            "listen" => {
                let text = given.text()?.trim();
                self.service.listen = text.parse::<SocketAddr>().map_err(|_| {
                    Wrong::new("is no address with a port")
                        .hint("write `127.0.0.1:8088`, or `0.0.0.0:8088` for all of this machine's addresses")
                })?;
            }
            "token" => {
                let text = given.text()?;
                if text.chars().count() < SHORTEST_TOKEN || text.chars().any(|c| !c.is_ascii_graphic()) {
                    return Err(Wrong::new(format!(
                        "must be at least {SHORTEST_TOKEN} letters, digits and signs, without a blank"
                    ))
                    .hint("`openssl rand -hex 32` makes a good one"));
                }
                self.service.token = Some(SecretString::from(text));
            }
            "otlp" => {
                let text = given.text()?.trim();
                crate::telemetry::check(text)
                    .map_err(|why| Wrong::new(why).hint("spans go to `<otlp>/v1/traces`"))?;
                self.service.otlp = Some(text.to_owned());
            }
            "workers" => self.service.workers = whole(given, 1, 1000)?,
            "keep_runs" => self.service.keep_runs = whole(given, 1, 1_000_000)?,
            "lease" => self.service.lease = std::time::Duration::from_secs(whole(given, 5, 3600)?.into()),
            "keep_days" => self.service.keep_days = whole(given, 1, 36_500)?,
            _ => self.service.timezone = Some(zone(given.text()?)?),
        }
        Ok(())
    }

    pub(super) fn triggers(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Array(list) = value.get_ref() else {
            let wrong = mismatch(value.get_ref(), "a list of tables")
                .hint("write `[[triggers]]`, with `func` and `cron` below it");
            self.problems.push(Problem::new(At::Span(value.span()), "triggers", wrong));
            return;
        };
        for (index, item) in list.iter().enumerate() {
            self.trigger(&format!("triggers[{index}]"), item);
        }
    }

    fn trigger(&mut self, path: &str, item: &Spanned<DeValue<'_>>) {
        let before = self.problems.len();
        let mut id = None;
        let mut func = None;
        let mut trigger = TriggerConfig {
            id: String::new(),
            func: String::new(),
            cron: None,
            timezone: None,
            kwargs: serde_json::Map::new(),
            enabled: true,
            delays: Vec::new(),
            catch_up: CatchUp::default(),
        };
        for member in self.members(path, item) {
            let given = Given::File(member.value.get_ref());
            let name = member.path[path.len() + 1..].to_owned();
            let read = match name.as_str() {
                "id" => given.text().and_then(plain_id).map(|text| id = Some(text)),
                "func" => given.text().and_then(func_id).map(|text| func = Some(text)),
                "cron" => given.text().and_then(|text| {
                    cron::check(text).map_err(wrong)?;
                    trigger.cron = Some(text.to_owned());
                    Ok(())
                }),
                "timezone" => given.text().and_then(zone).map(|zone| trigger.timezone = Some(zone)),
                "enabled" => given.truth().map(|truth| trigger.enabled = truth),
                "catch_up" => given.text().and_then(|text| {
                    trigger.catch_up = match text {
                        "last" => CatchUp::Last,
                        "none" => CatchUp::None,
                        _ => return Err(Wrong::new("is neither `last` nor `none`")),
                    };
                    Ok(())
                }),
                "delays" => delays(member.value).map(|delays| trigger.delays = delays),
                "kwargs" => match json(member.value) {
                    Ok(serde_json::Value::Object(map)) => {
                        trigger.kwargs = map;
                        Ok(())
                    }
                    Ok(_) => Err(mismatch(member.value.get_ref(), "a table of arguments")),
                    Err(wrong) => Err(wrong),
                },
                other => Err(unknown(other, TRIGGER)),
            };
            if let Err(wrong) = read {
                self.wrong(&member, wrong);
            }
        }
        let whole = Spot { path: path.to_owned(), key: item.span(), value: item };
        match func {
            Some(func) => {
                trigger.id = id.unwrap_or_else(|| func.clone());
                trigger.func = func;
            }
            None if self.problems.len() == before => {
                let wrong = Wrong::new("has no `func`").at_key();
                self.wrong(&whole, wrong.hint("write `func = \"<set>__<script>.<function>\"`"));
            }
            None => {}
        }
        if self.problems.len() > before {
            return;
        }
        if self.triggers.iter().any(|other| other.id == trigger.id) {
            let wrong = Wrong::new(format!("has the same id as another: `{}`", trigger.id)).at_key();
            self.wrong(&whole, wrong.hint("give each trigger of a function an `id` of its own"));
            return;
        }
        self.triggers.push(trigger);
    }
}

fn wrong(wrong: cron::Wrong) -> Wrong {
    Wrong::new(wrong.message).hint(wrong.hint)
}

fn zone(text: &str) -> Result<crate::schedule::zone::Zone, Wrong> {
    cron::zone(text.trim()).map_err(wrong)
}

fn whole(given: Given<'_>, least: u32, most: u32) -> Result<u32, Wrong> {
    let number = match given {
        Given::File(DeValue::Integer(number)) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
        Given::File(other) => return Err(mismatch(other, "a whole number")),
        Given::Variable(text) => text.trim().parse().ok(),
    };
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Wrong::new(format!("must be a whole number from {least} to {most}")))
}

/// Ids stand in paths of URLs.
fn plain_id(text: &str) -> Result<String, Wrong> {
    let plain = |character: char| character.is_alphanumeric() || "_-.".contains(character);
    if text.is_empty() || text.chars().count() > 100 || !text.chars().all(plain) {
        return Err(Wrong::new("is no id: letters, digits, `_`, `-` and `.`, at most 100"));
    }
    Ok(text.to_owned())
}

fn func_id(text: &str) -> Result<String, Wrong> {
    let known = text.split_once('.').is_some_and(|(script, function)| {
        script.split_once("__").is_some_and(|(set, name)| !set.is_empty() && !name.is_empty())
            && !function.is_empty()
            && !function.contains('.')
    });
    if known {
        return plain_id(text);
    }
    Err(Wrong::new("is no id of a function").hint(
        "write `<set>__<script>.<function>`: `my_aws__main.run` is `fn run()` of scripts/my_aws/main.rhai",
    ))
}

fn delays(value: &Spanned<DeValue<'_>>) -> Result<Vec<u64>, Wrong> {
    let shape = || {
        Wrong::new("must be a list of whole numbers of seconds from 0 to 86400")
            .hint("write `[0, 30]`: one run at the tick, one 30 seconds later")
    };
    let DeValue::Array(list) = value.get_ref() else { return Err(shape()) };
    let mut delays = Vec::with_capacity(list.len());
    for item in list.iter() {
        match item.get_ref() {
            DeValue::Integer(number) => match u64::from_str_radix(number.as_str(), number.radix()) {
                Ok(seconds) if seconds <= 86_400 => delays.push(seconds),
                _ => return Err(shape()),
            },
            _ => return Err(shape()),
        }
    }
    delays.sort_unstable();
    delays.dedup();
    if delays.is_empty() { Err(shape()) } else { Ok(delays) }
}

/// A value as a script's argument.
fn json(value: &Spanned<DeValue<'_>>) -> Result<serde_json::Value, Wrong> {
    Ok(match value.get_ref() {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| Wrong::new("holds a whole number that is too large"))?
            .into(),
        DeValue::Float(number) => number.as_str().parse::<f64>().unwrap_or(f64::NAN).into(),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(_) => return Err(Wrong::new("holds a date or time: write it as a text")),
        DeValue::Array(list) => list.iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        DeValue::Table(table) => {
            let mut map = serde_json::Map::new();
            for (key, value) in table {
                map.insert(key.get_ref().to_string(), json(value)?);
            }
            map.into()
        }
    })
}
