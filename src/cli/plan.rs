//! `funchost plan SCRIPT`: what it will call and cost, before it does.

use super::Refusal;
use super::progress;
use super::run::{calls, interrupts, invalid, json, overlaps};
use super::{Common, Format, Surroundings, config_entries, script_settings};
use crate::config::Config;
use crate::plan::{Discovered, Planner, Question, Settings, every};
use crate::script::{self, Ended, Fault, RunOptions};
use crate::state::{FILE_NAME, Sqlite, State};
use clap::Args;
use funchost_collectors::call::Tap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Args)]
pub(super) struct PlanArguments {
    /// The script: a file ending in .rhai
    script: PathBuf,
    /// The function to plan, where the script registers several
    #[arg(long, value_name = "NAME")]
    func: Option<String>,
    /// How often it will run, such as 5m or 1h; without it: as its crontab says, else as often as its collectors can
    #[arg(long, value_name = "TIME", value_parser = every)]
    every: Option<Duration>,
    /// Ask the clouds for the lists that are not known yet. They are free, but AWS: ListMetrics costs $0.01 per 1,000 calls beyond
    /// the free tier (CNY 0.0622 in China)
    #[arg(long)]
    discover: bool,
    /// How the plan is written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &PlanArguments) -> u8 {
    let document = arguments.output == Format::Json;
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => return invalid(surroundings, document, &error.to_string(), config_entries(&error)),
    };
    match plan(surroundings, &config, arguments) {
        Ok(code) => code,
        Err(Refusal { message, code }) => {
            let text = format!("error: {message}");
            if code == 2 {
                return invalid(
                    surroundings,
                    document,
                    &text,
                    vec![serde_json::json!({ "message": message })],
                );
            }
            surroundings.say(&text);
            if document {
                surroundings.out(&json(&serde_json::json!({ "status": "failed", "reason": message })));
            }
            code
        }
    }
}

fn failed(message: impl std::fmt::Display) -> Refusal {
    Refusal { message: message.to_string(), code: 1 }
}

fn plan(surroundings: &Surroundings, config: &Config, arguments: &PlanArguments) -> Result<u8, Refusal> {
    // Without asking a cloud there is nothing to wait for.
    let shown = if arguments.discover { progress::show(surroundings) } else { None };
    let (surroundings, tap, shown) = match shown {
        Some((inside, counting, shown)) => (&inside.clone(), Some(counting as Arc<dyn Tap>), Some(shown)),
        None => (surroundings, None, None),
    };
    let document = arguments.output == Format::Json;
    let wrong = |report: &script::Report| {
        invalid(surroundings, document, &report.render(surroundings.color), report.entries())
    };
    let path = surroundings.directory.join(&arguments.script);
    let settings = script_settings(surroundings, config);
    let opened = match script::open(&path, &settings) {
        Ok(opened) => opened,
        Err(report) => return Ok(wrong(&report)),
    };
    let functions = match script::list(&opened) {
        Ok(functions) => functions,
        Err(report) => return Ok(wrong(&report)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("the program cannot start its threads: {error}")))?;
    let planner = runtime.block_on(planner(surroundings, config, arguments.discover, tap))?;
    let stop = CancellationToken::new();
    let interrupted = runtime.spawn(interrupts(stop.clone()));
    let options = RunOptions { function: arguments.func.clone(), timeout: None, ..RunOptions::default() };
    let outcome = runtime.block_on(script::run(&opened, options, Arc::new(planner.clone()), stop.clone()));
    if let Err(report) = &outcome.result {
        return match (outcome.ended, report.fault()) {
            (Ended::Finished, Fault::Input) => Ok(wrong(report)),
            (ended, _) => {
                surroundings.say(report.render(surroundings.color).trim_end());
                let code = match ended {
                    Ended::TimedOut => 124,
                    Ended::Stopped => 130,
                    Ended::Finished => 1,
                };
                Err(Refusal { message: report.headline(), code })
            }
        };
    }
    let id = outcome.function.unwrap_or_default();
    let options = functions.into_iter().find(|function| function.id == id).map(|function| function.options);
    let options = options.unwrap_or_default();
    let question = Question {
        function: id,
        timeout: options.timeout.unwrap_or(settings.default_timeout.as_secs()),
        every: arguments.every,
        crontab: options.fixed_crontab,
        delayed: options.delayed_crontab.len() > 1,
    };
    let made = runtime.block_on(async {
        let discovered = match arguments.discover {
            false => Discovered::default(),
            true => tokio::select! {
                () = stop.cancelled() => return Err(Refusal { message: "interrupted".into(), code: 130 }),
                discovered = planner.discover() => discovered,
            },
        };
        let troubled = !discovered.failures.is_empty();
        let forecast = planner.forecast(&question, discovered).await.map_err(failed)?;
        Ok((forecast, troubled))
    });
    drop(shown);
    interrupted.abort();
    runtime.shutdown_timeout(Duration::from_millis(200));
    let (forecast, troubled) = made?;
    surroundings.out(&if document { json(&forecast) } else { forecast.text() });
    Ok(u8::from(troubled))
}

async fn planner(
    surroundings: &Surroundings,
    config: &Config,
    discover: bool,
    tap: Option<Arc<dyn Tap>>,
) -> Result<Planner, Refusal> {
    // Where nothing was ever remembered, a plan leaves nothing behind; calls that are made are counted.
    let exists = config.database.is_some() || config.state.join(FILE_NAME).exists();
    let (state, rates): (Arc<dyn State>, _) = if exists || discover {
        let opened = super::open_state(surroundings, config).await?;
        (opened.store, opened.rates)
    } else {
        (Arc::new(Sqlite::in_memory(surroundings.clock.clone()).await.map_err(failed)?), None)
    };
    Ok(Planner::new(Settings {
        state,
        calls: Arc::new(calls(surroundings, config, rates, tap)?),
        clock: surroundings.clock.clone(),
        overlap: overlaps(config),
        budgets: config.budgets.clone(),
    }))
}
