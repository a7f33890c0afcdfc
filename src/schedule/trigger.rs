//! Triggers: which function runs when, from the configuration and from the functions themselves.
//!
//! Owns who wins: a function's own crontab and delays over those of a trigger. Fires nothing.

use super::cron::Crontab;
use crate::config::{CatchUp, TriggerConfig};
use crate::schedule::zone::Zone;
use crate::script::{ApiFunction, Masker, Options};
use crate::state::runs::TriggerRow;
use crate::state::{Time, said};
use funchost_collectors::mistake::nearest;
use serde_json::{Map, Value, json};

/// How long a run may wait for a worker where its function does not say.
const EXPIRES: u64 = 900;

/// How long a run may take where its function does not say.
const TIMEOUT: u64 = 300;

/// One that can fire.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its name.
    pub id: String,
    /// What it runs.
    pub func: String,
    /// When.
    pub crontab: Crontab,
    /// The crontab is the function's own.
    pub fixed: bool,
    /// With what.
    pub kwargs: Map<String, Value>,
    /// Does it fire? Where it does not, its ticks pass.
    pub enabled: bool,
    /// Seconds after each tick; at least one.
    pub delays: Vec<u64>,
    /// What becomes of ticks that nothing was there to fire.
    pub catch_up: CatchUp,
    /// Seconds that a run of it may wait.
    pub expires: u64,
    /// Seconds that a run of it may take.
    pub timeout: u64,
}

/// One that cannot.
#[derive(Clone, Debug)]
pub struct Idle {
    /// Its name.
    pub id: String,
    /// What it would run.
    pub func: String,
    /// Why it cannot.
    pub why: String,
    /// What it would be, where its ticks are known: they are recorded as missed.
    pub would: Option<Box<Trigger>>,
}

impl Idle {
    /// Is the same said of the same?
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        (&self.id, &self.func, &self.why) == (&other.id, &other.func, &other.why)
    }
}

impl Trigger {
    /// As other machines and the console see it: without what `masker`, or its name, says is secret.
    #[must_use]
    pub fn row(&self, now: Time, masker: &Masker) -> TriggerRow {
        TriggerRow {
            id: self.id.clone(),
            func: self.func.clone(),
            cron: self.crontab.text().to_owned(),
            zone: self.crontab.zone().name().to_owned(),
            definition: json!({
                "kwargs": crate::hiding::shown(&self.kwargs, masker),
                // Stands last: the state looks for it at the end, where no argument of that name can be.
                "switched": if self.enabled { "on" } else { "off" },
                "fixed": self.fixed,
                "delays": self.delays,
                "catch_up": match self.catch_up { CatchUp::Last => "last", CatchUp::None => "none" },
                "expires": self.expires,
            })
            .to_string(),
            upto: now,
            since: now,
            paused: false,
            seen: now,
        }
    }
}

/// All triggers that there are: those of the configuration, and of each function with a crontab of its own that none of them names.
#[must_use]
pub fn gather(
    configured: &[TriggerConfig],
    functions: &[ApiFunction],
    zone: Zone,
) -> (Vec<Trigger>, Vec<Idle>) {
    let mut triggers: Vec<Trigger> = Vec::new();
    let mut idle = Vec::new();
    for one in configured {
        let found = functions.iter().find(|function| function.id == one.func);
        add(one, found, functions, zone, &mut triggers, &mut idle);
    }
    for function in functions {
        let Some(cron) = &function.options.fixed_crontab else { continue };
        if configured.iter().any(|one| one.func == function.id) {
            continue;
        }
        let one = TriggerConfig {
            id: function.id.clone(),
            func: function.id.clone(),
            cron: Some(cron.clone()),
            timezone: None,
            kwargs: Map::new(),
            enabled: true,
            delays: Vec::new(),
            catch_up: CatchUp::default(),
        };
        add(&one, Some(function), functions, zone, &mut triggers, &mut idle);
    }
    (triggers, idle)
}

fn unpublished(func: &str, functions: &[ApiFunction]) -> String {
    match nearest(func, functions.iter().map(|function| function.id.as_str())) {
        Some(near) => said::UNPUBLISHED_NEAR.with(&[func, near]),
        None => said::UNPUBLISHED.with(&[func]),
    }
}

/// Takes a trigger up, or says why it cannot fire. An id is that of the first: what a trigger has done is remembered by it.
fn add(
    one: &TriggerConfig,
    function: Option<&ApiFunction>,
    functions: &[ApiFunction],
    zone: Zone,
    triggers: &mut Vec<Trigger>,
    idle: &mut Vec<Idle>,
) {
    let mut cannot = |why: String, would: Option<Trigger>| {
        idle.push(Idle { id: one.id.clone(), func: one.func.clone(), why, would: would.map(Box::new) });
    };
    if let Some(first) = triggers.iter().find(|trigger| trigger.id == one.id) {
        let why = said::SAME_ID.with(&[&first.func, &one.id]);
        return cannot(why, None);
    }
    match (made(one, function, zone), function) {
        (Err(why), Some(_)) => cannot(why, None),
        (made, None) => cannot(unpublished(&one.func, functions), made.ok()),
        (Ok(trigger), Some(function)) => match function.refuses(&one.kwargs) {
            Some(why) => {
                cannot(format!("{why}{}", said::THEIR_ARGUMENTS), Some(trigger));
            }
            None => triggers.push(trigger),
        },
    }
}

/// A trigger, whatever it is for; without its function it is what the configuration says.
fn made(one: &TriggerConfig, function: Option<&ApiFunction>, zone: Zone) -> Result<Trigger, String> {
    let plain = Options::default();
    let options = function.map_or(&plain, |function| &function.options);
    let Some(cron) = options.fixed_crontab.as_ref().or(one.cron.as_ref()) else {
        return Err(said::NO_CRONTAB.text().into());
    };
    let crontab = Crontab::new(cron, one.timezone.unwrap_or(zone))
        .map_err(|wrong| format!("the crontab `{cron}` {}: {}", wrong.message, wrong.hint))?;
    let delays = [&options.delayed_crontab, &one.delays].into_iter().find(|delays| !delays.is_empty());
    Ok(Trigger {
        id: one.id.clone(),
        func: one.func.clone(),
        crontab,
        fixed: options.fixed_crontab.is_some(),
        kwargs: one.kwargs.clone(),
        enabled: one.enabled,
        delays: delays.cloned().unwrap_or_else(|| vec![0]),
        catch_up: one.catch_up,
        expires: options.expires.unwrap_or(EXPIRES),
        timeout: options.timeout.unwrap_or(TIMEOUT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(id: &str, options: Options, parameters: &[&str]) -> ApiFunction {
        ApiFunction {
            id: id.into(),
            name: id.rsplit('.').next().unwrap().into(),
            title: "a function".into(),
            options,
            place: None,
            parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn configured(id: &str, func: &str) -> TriggerConfig {
        TriggerConfig {
            id: id.into(),
            func: func.into(),
            cron: Some("*/5 * * * *".into()),
            timezone: None,
            kwargs: Map::new(),
            enabled: true,
            delays: vec![5],
            catch_up: CatchUp::default(),
        }
    }

    #[test]
    fn what_the_function_says_wins_over_the_trigger() {
        let own = Options {
            fixed_crontab: Some("*/7 * * * *".into()),
            delayed_crontab: vec![0, 10],
            ..Options::default()
        };
        let functions = [function("a__b.own", own, &[]), function("a__b.plain", Options::default(), &[])];
        let (triggers, idle) =
            gather(&[configured("one", "a__b.own"), configured("two", "a__b.plain")], &functions, Zone::UTC);
        assert!(idle.is_empty(), "{idle:?}");
        let shown: Vec<_> = triggers
            .iter()
            .map(|one| (one.id.as_str(), one.crontab.text(), one.fixed, one.delays.as_slice()))
            .collect();
        assert_eq!(
            shown,
            [
                ("one", "*/7 * * * *", true, [0_u64, 10].as_slice()),
                ("two", "*/5 * * * *", false, [5].as_slice())
            ]
        );
    }

    #[test]
    fn an_id_is_that_of_the_first() {
        let own = Options { fixed_crontab: Some("*/7 * * * *".into()), ..Options::default() };
        let functions = [function("a__b.own", own, &[]), function("a__b.plain", Options::default(), &[])];
        // The function's own trigger would have the function's id, which another has taken.
        let (triggers, idle) = gather(&[configured("a__b.own", "a__b.plain")], &functions, Zone::UTC);
        assert_eq!(triggers.len(), 1);
        assert_eq!(triggers[0].func, "a__b.plain");
        let why = "another trigger, of `a__b.plain`, has the id `a__b.own`: give it another `id` under [[triggers]]";
        assert_eq!(idle.len(), 1);
        assert!(idle[0].would.is_none(), "its ticks would be the other's");
        assert_eq!((idle[0].id.as_str(), idle[0].why.as_str()), ("a__b.own", why));
    }

    #[test]
    fn arguments_that_do_not_fit_are_said_before_a_run_fails_with_them() {
        let own = Options { fixed_crontab: Some("*/7 * * * *".into()), ..Options::default() };
        let functions =
            [function("a__b.two", Options::default(), &["x", "y"]), function("a__b.own", own, &["x"])];
        let with = |kwargs: Value| TriggerConfig {
            kwargs: kwargs.as_object().unwrap().clone(),
            ..configured("t", "a__b.two")
        };
        let why = |kwargs: Value| -> Vec<String> {
            gather(&[with(kwargs)], &functions, Zone::UTC).1.into_iter().map(|idle| idle.why).collect()
        };
        // A function with a crontab of its own is given no arguments.
        let own = "the argument `x` of `a__b.own` is missing, it takes: x; its arguments are `kwargs` of [[triggers]]";
        assert_eq!(why(json!({ "x": 1, "y": null })), [own]);
        assert_eq!(
            why(json!({ "x": 1 })),
            [
                "the argument `y` of `a__b.two` is missing, it takes: x, y; its arguments are `kwargs` of [[triggers]]",
                own
            ]
        );
        assert_eq!(
            why(json!({ "x": 1, "y": 2, "z": 3 })),
            [
                "`a__b.two` takes no argument `z`, it takes: x, y; its arguments are `kwargs` of [[triggers]]",
                own
            ]
        );
        // What a function says of its arguments is worded elsewhere: it is one of the sentences that can be said in another language.
        let functions =
            [function("a__b.two", Options::default(), &["x"]), function("a__b.own", Options::default(), &[])];
        let code = |func: &str, kwargs: Value| {
            let one = TriggerConfig { func: func.into(), ..with(kwargs) };
            said::read(&gather(&[one], &functions, Zone::UTC).1[0].why).map(|(sentence, _)| sentence)
        };
        assert_eq!(code("a__b.two", json!({})), Some(said::ARGUMENT_MISSING));
        assert_eq!(code("a__b.two", json!({ "x": 1, "z": 1 })), Some(said::ARGUMENT_UNKNOWN));
        assert_eq!(code("a__b.own", json!({ "z": 1 })), Some(said::NO_ARGUMENTS));
    }
}
