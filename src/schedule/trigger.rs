//! Triggers: which function runs when, from the configuration and from the functions themselves.
//!
//! Owns who wins: a function's own crontab and delays over those of a trigger. Fires nothing.

use super::cron::Crontab;
use crate::config::{CatchUp, TriggerConfig};
use crate::script::{ApiFunction, Masker};
use crate::state::Time;
use crate::state::runs::TriggerRow;
use chrono_tz::Tz;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Its name.
    pub id: String,
    /// What it would run.
    pub func: String,
    /// Why it cannot.
    pub why: String,
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
    zone: Tz,
) -> (Vec<Trigger>, Vec<Idle>) {
    let mut triggers = Vec::new();
    let mut idle = Vec::new();
    for one in configured {
        let mut cannot = |why: String| idle.push(Idle { id: one.id.clone(), func: one.func.clone(), why });
        let Some(function) = functions.iter().find(|function| function.id == one.func) else {
            let near = nearest(&one.func, functions.iter().map(|function| function.id.as_str()));
            cannot(match near {
                Some(near) => format!("no function `{}` is published: did you mean `{near}`?", one.func),
                None => format!(
                    "no function `{}` is published: put `@DFF.API(\"title\")` above it, and its script into the library",
                    one.func
                ),
            });
            continue;
        };
        let fixed = function.options.fixed_crontab.as_ref();
        let Some(cron) = fixed.or(one.cron.as_ref()) else {
            cannot("has no crontab: write `cron = \"*/5 * * * *\"`".into());
            continue;
        };
        let delays =
            [&function.options.delayed_crontab, &one.delays].into_iter().find(|delays| !delays.is_empty());
        match Crontab::new(cron, one.timezone.unwrap_or(zone)) {
            Err(wrong) => cannot(format!("the crontab `{cron}` {}: {}", wrong.message, wrong.hint)),
            Ok(crontab) => triggers.push(Trigger {
                id: one.id.clone(),
                func: one.func.clone(),
                crontab,
                fixed: fixed.is_some(),
                kwargs: one.kwargs.clone(),
                enabled: one.enabled,
                delays: delays.cloned().unwrap_or_else(|| vec![0]),
                catch_up: one.catch_up,
                expires: function.options.expires.unwrap_or(EXPIRES),
                timeout: function.options.timeout.unwrap_or(TIMEOUT),
            }),
        }
    }
    for function in functions {
        let Some(cron) = &function.options.fixed_crontab else { continue };
        if configured.iter().any(|one| one.func == function.id) {
            continue;
        }
        let (id, func) = (function.id.clone(), function.id.clone());
        match Crontab::new(cron, zone) {
            Err(wrong) => {
                let why = format!("the crontab `{cron}` {}: {}", wrong.message, wrong.hint);
                idle.push(Idle { id, func, why });
            }
            Ok(crontab) => triggers.push(Trigger {
                id,
                func,
                crontab,
                fixed: true,
                kwargs: Map::new(),
                enabled: true,
                delays: match function.options.delayed_crontab.as_slice() {
                    [] => vec![0],
                    delays => delays.to_vec(),
                },
                catch_up: CatchUp::default(),
                expires: function.options.expires.unwrap_or(EXPIRES),
                timeout: function.options.timeout.unwrap_or(TIMEOUT),
            }),
        }
    }
    (triggers, idle)
}
