//! `funchost doctor [SCRIPT]`: what can be wrong, one line each, with the way out.
//!
//! Owns the order of the examination and its words. Nothing is written to DataKit and no mark moves. Calls of a cloud are announced first and
//! made only when they are allowed: each collector runs as it would, and every action goes through once. They are counted like those of a run, and a
//! metered one that would break the budget is not made.

mod clouds;
mod datakit;
mod machine;
mod network;
mod script;
mod trial;

use super::progress::{self, Both, Progress};
use super::{Common, Surroundings};
use crate::config::{Config, FILE_NAME};
use clap::Args;
use funchost_collectors::call::{CallPath, Options, is_near};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use trial::{Ledger, Once};

/// How long an endpoint has to answer a connection, and a script to name its collectors.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(super) struct DoctorArguments {
    /// The script whose keys, permissions and endpoints are examined
    script: Option<PathBuf>,
    /// The function, where the script registers several
    #[arg(long, value_name = "NAME")]
    func: Option<String>,
    /// Make the announced calls without asking
    #[arg(long, conflicts_with = "no_calls")]
    yes: bool,
    /// Call no cloud
    #[arg(long)]
    no_calls: bool,
}

/// How something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Is {
    Well,
    Doubtful,
    Wrong,
}

/// Says what was found, and remembers the worst.
struct Findings<'s> {
    surroundings: &'s Surroundings,
    worst: Is,
    wrong: usize,
    doubtful: usize,
}

impl Findings<'_> {
    fn say(&mut self, how: Is, what: &str, text: &str, hint: Option<&str>) {
        let mark = match how {
            Is::Well => "ok  ",
            Is::Doubtful => "WARN",
            Is::Wrong => "FAIL",
        };
        let text = funchost_collectors::call::cut(text);
        self.surroundings.out(&format!("{mark}  {what}: {text}\n"));
        for row in hint.into_iter().flat_map(str::lines) {
            self.surroundings.out(&format!("      hint: {row}\n"));
        }
        self.worst = self.worst.max(how);
        self.wrong += usize::from(how == Is::Wrong);
        self.doubtful += usize::from(how == Is::Doubtful);
    }

    fn well(&mut self, what: &str, text: &str) {
        self.say(Is::Well, what, text, None);
    }

    fn wrong(&mut self, what: &str, text: &str, hint: &str) {
        self.say(Is::Wrong, what, text, (!hint.is_empty()).then_some(hint));
    }

    /// A mistake with its source below it, as it was rendered: what comes after its first line.
    fn shown(&mut self, what: &str, message: &str, rendered: &str) {
        self.say(Is::Wrong, what, message, None);
        for row in rendered.lines().skip(1) {
            self.surroundings.out(&format!("      {row}\n"));
        }
    }

    /// The last line.
    fn sum(&self) {
        let plural =
            |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        self.surroundings.out(&format!(
            "\n{}, {}\n",
            plural(self.wrong, "failure"),
            plural(self.doubtful, "warning")
        ));
    }

    fn doubtful(&mut self, what: &str, text: &str, hint: &str) {
        self.say(Is::Doubtful, what, text, (!hint.is_empty()).then_some(hint));
    }
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &DoctorArguments) -> u8 {
    let shown = progress::show(surroundings);
    let (surroundings, counting, shown) = match shown {
        Some((inside, counting, shown)) => (&inside.clone(), Some(counting), Some(shown)),
        None => (surroundings, None, None),
    };
    let mut findings = Findings { surroundings, worst: Is::Well, wrong: 0, doubtful: 0 };
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => {
            for one in &error.diagnostics {
                findings.shown("configuration", &one.message, &one.rendered);
            }
            findings.sum();
            return 2;
        }
    };
    match &config.file {
        Some(file) => findings.well("configuration", &file.display().to_string()),
        None => findings.well("configuration", &format!("no {FILE_NAME}: the defaults hold")),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            surroundings.say(&format!("error: the program cannot start its threads: {error}"));
            return 1;
        }
    };
    let code = runtime.block_on(examine(&mut findings, &config, arguments, counting.as_ref()));
    drop(shown);
    runtime.shutdown_timeout(Duration::from_millis(200));
    findings.sum();
    if code == 2 { 2 } else { u8::from(findings.worst == Is::Wrong) }
}

async fn examine(
    findings: &mut Findings<'_>,
    config: &Config,
    arguments: &DoctorArguments,
    counting: Option<&Arc<Progress>>,
) -> u8 {
    let surroundings = findings.surroundings;
    let ledger = Ledger { state: machine::state(findings, config).await, budgets: &config.budgets };
    let mut proxy = network::proxy(findings).await;
    // A DataKit on this machine is never looked for behind a proxy.
    let elsewhere = |url: &str| !reqwest::Url::parse(url).is_ok_and(|url| is_near(&url));
    let shut = |url: &str| elsewhere(url) && proxy.shuts(url);
    // Which endpoints are behind it is known with a script only.
    let datakit = config.datakits.values().any(|datakit| shut(datakit.url.expose()));
    if arguments.script.is_none() || datakit {
        proxy.say(findings, true);
    }
    let tap = Arc::new(Once::default());
    let options = Options {
        limits: config.limits.clone(),
        endpoints: config.endpoints.clone(),
        attempts: 1,
        tap: Some(Both::of(tap.clone(), counting)),
        ..Options::default()
    };
    let calls = match CallPath::new(options, surroundings.clock.clone()) {
        Ok(calls) => Arc::new(calls),
        Err(error) => {
            findings.wrong("network", &error.to_string(), "check `[limits]`, the proxy and the certificates");
            return 1;
        }
    };
    datakit::examine(findings, config, &calls).await;
    let Some(script) = &arguments.script else {
        surroundings.out(
            "      name a script to examine its keys, permissions and endpoints: funchost doctor SCRIPT\n",
        );
        return 0;
    };
    let Some(collectors) = script::collectors(findings, config, arguments, script).await else {
        proxy.say(findings, true);
        return 2;
    };
    let own = network::endpoints(findings, &ledger, &calls, &collectors, &mut proxy).await;
    script::own(findings, &own);
    clouds::examine(findings, arguments, &ledger, &calls, &tap, &collectors).await;
    0
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
