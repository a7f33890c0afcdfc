//! The command line: one file for each command.
//!
//! Owns words, exit codes and streams. Exit code 0: all went well; 1: something failed at run time; 2: the user's input is
//! wrong and no cloud was called; 124: the deadline; 130: interrupted. What is asked for goes to stdout, what is said to
//! a person on the way goes to stderr.

mod check;
mod collectors;
mod definitions;
mod demo;
mod doctor;
mod list;
mod new;
mod outbox;
mod pages;
mod plan;
mod progress;
mod remote;
mod run;
mod runs;
mod serve;
mod slips;
mod table;
mod test;

pub(crate) use table::Table;

use crate::config::{Config, LoadRequest};
use crate::runner::Lines;
use crate::schedule::Tools;
use crate::script::{self, EnvEntry, Line, Masker, ScriptOutput};
use clap::{Args, Parser, Subcommand, ValueEnum};
use funchost_collectors::call::{SharedRates, Tap};
use funchost_collectors::clock::{Clock, SystemClock};
use funchost_collectors::mapped::Mapped as _;
use secrecy::ExposeSecret as _;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Cloud metrics and resources into DataKit, by short Rhai scripts.
#[derive(Parser)]
#[command(name = "funchost", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Clone, Default)]
struct Common {
    /// Read this configuration instead of searching for funchost.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep the state in this folder, or in this PostgreSQL database (postgres://…)
    #[arg(long, global = true, value_name = "DIR|URL")]
    state: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script's function: collect, and write the points to DataKit
    Run(run::RunArguments),
    /// Show what a script will call, what that costs and how long it takes, before it does
    Plan(plan::PlanArguments),
    /// Check scripts without calling a cloud
    Check(check::CheckArguments),
    /// Run scripts by their crontabs, answer calls and show them, until it is stopped
    Serve(serve::ServeArguments),
    /// What ran, what did not, and why: the list, or one run
    Runs(runs::RunsArguments),
    /// What a run said
    Logs(runs::LogsArguments),
    /// List the functions that scripts register with DFF.API
    List(list::ListArguments),
    /// Find out what is wrong: configuration, DataKit, clocks, keys, permissions, disk
    Doctor(doctor::DoctorArguments),
    /// Run a script's own tests, without a cloud
    Test(test::TestArguments),
    /// Write a script to begin with
    New(new::NewArguments),
    /// Write what editors complete scripts from (.d.rhai)
    Definitions(definitions::DefinitionsArguments),
    /// Show what can be collected: configuration, calls, permissions, tags and fields
    Collectors(collectors::CollectorsArguments),
    /// List, send or drop the points that DataKit has not taken yet
    Outbox(outbox::OutboxArguments),
    /// Try a script against simulated clouds: no account, no configuration, nothing is kept
    Demo(demo::DemoArguments),
}

/// How the report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// What a process gets from outside; a test gives its own.
#[derive(Clone)]
pub struct Surroundings {
    /// The words after the program's name.
    pub arguments: Vec<OsString>,
    /// The environment.
    pub variables: BTreeMap<String, String>,
    /// The current folder.
    pub directory: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For what was asked for.
    pub stdout: Lines,
    /// For what is said on the way.
    pub stderr: Lines,
    /// Is stderr a terminal that wants colour?
    pub color: bool,
    /// Knows every secret that was used so far: nothing is written around it.
    pub masker: Arc<Masker>,
}

impl Surroundings {
    /// The real ones.
    #[must_use]
    pub fn of_process() -> Self {
        use std::io::IsTerminal as _;
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .mapped();
        // https://no-color.org; and a terminal that knows no escapes.
        let quiet = variables.get("NO_COLOR").is_some_and(|value| !value.is_empty())
            || variables.get("TERM").is_some_and(|term| term == "dumb");
        Self {
            arguments: std::env::args_os().skip(1).collect(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            clock: Arc::new(SystemClock),
            stdout: Arc::new(Mutex::new(std::io::stdout())),
            stderr: Arc::new(Mutex::new(std::io::stderr())),
            color: !quiet && std::io::stderr().is_terminal(),
            masker: Arc::new(Masker::new()),
            variables,
        }
    }

    /// Writes to stdout. A reader that has gone away has seen what it wanted; a full disk has to be told.
    fn out(&self, text: &str) {
        let text = self.masker.mask(text);
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        drop(stdout);
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.say(&format!("error: what was asked for cannot be written to stdout: {error}"));
        }
    }

    /// Writes a line to stderr.
    pub fn say(&self, text: &str) {
        let text = self.masker.mask(text);
        let mut stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.write_all(b"\n")));
    }

    /// The configuration, with what the command line says put over it.
    fn config(&self, common: &Common) -> Result<Config, crate::config::ConfigError> {
        let mut environment = self.variables.clone();
        if let Some(state) = &common.state {
            // A path counts from the current folder, wherever the file lies; a URL is read as it is.
            let place = match state.to_str() {
                Some(url) if url.contains("://") => url.to_owned(),
                _ => self.directory.join(state).display().to_string(),
            };
            environment.insert("FUNCHOST_STATE".into(), place);
        }
        let request =
            LoadRequest { explicit: common.config.clone(), directory: self.directory.clone(), environment };
        let config = crate::config::load(&request)?;
        self.learn(&config);
        Ok(config)
    }

    /// Every secret of a configuration, before anything uses it: what is said must not depend on whether a script has read it already.
    fn learn(&self, config: &Config) {
        for value in config.env.values().filter(|value| value.secret) {
            self.masker.learn(value.value.expose_secret());
        }
        if let Some(token) = &config.service.token {
            self.masker.learn(token.expose_secret());
        }
        for secret in config.triggers.iter().flat_map(|trigger| crate::hiding::secrets(&trigger.kwargs)) {
            self.masker.learn(&secret);
        }
    }
}

/// Turns the log on: what the program itself says, on stderr, from the level in `FUNCHOST_LOG` on (default `warn`, for a service
/// `info`), as text or, with `FUNCHOST_LOG_FORMAT=json`, as one JSON object a line.
///
/// Only this program's own events: a library's may hold what was signed.
///
/// # Errors
/// A level that is none.
pub fn start_log(surroundings: &Surroundings) -> Result<(), String> {
    use tracing_subscriber::Layer as _;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let level = match surroundings.variables.get("FUNCHOST_LOG") {
        // A service tells what it does; all else only what is wrong.
        None if surroundings.arguments.iter().any(|word| word == "serve") => LevelFilter::INFO,
        None => LevelFilter::WARN,
        Some(level) => level.parse().map_err(|_| {
            format!("error: FUNCHOST_LOG is `{level}`\nhint: write error, warn, info, debug, trace or off")
        })?,
    };
    let json = match surroundings.variables.get("FUNCHOST_LOG_FORMAT").map(String::as_str) {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            return Err(format!("error: FUNCHOST_LOG_FORMAT is `{other}`\nhint: write text or json"));
        }
    };
    let own = Targets::new().with_target("funchost", level).with_target("funchost_collectors", level);
    let (stderr, masker) = (surroundings.stderr.clone(), surroundings.masker.clone());
    let writer = move || MaskedLines { stream: stderr.clone(), masker: masker.clone() };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    // A process that has a log already keeps it.
    let log = tracing_subscriber::registry().with(crate::telemetry::layer());
    drop(if json {
        log.with(lines.json().flatten_event(true).with_filter(own)).try_init()
    } else {
        log.with(lines.with_filter(own)).try_init()
    });
    Ok(())
}

/// From now on a panic, on whatever thread, says what it says without any known secret: its words may hold what the code had in hand.
pub fn mask_panics(surroundings: &Surroundings) {
    let surroundings = surroundings.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let (name, place) = (thread.name().unwrap_or("without a name"), panic.location());
        let place = place.map_or_else(String::new, |place| format!(" at {place}"));
        let words = panic.payload_as_str().unwrap_or("no words");
        surroundings.say(&format!(
            "error: a defect in funchost: the thread `{name}` ended{place}: {words}\nhint: please report it, with the script"
        ));
    }));
}

/// Runs a command to its exit code.
#[must_use]
pub fn main(surroundings: &Surroundings) -> u8 {
    let words = std::iter::once(OsString::from("funchost")).chain(surroundings.arguments.iter().cloned());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return slips::answer(surroundings, &error),
    };
    match cli.command {
        Command::Run(arguments) => run::main(surroundings, &cli.common, &arguments),
        Command::Serve(arguments) => serve::main(surroundings, &cli.common, &arguments),
        Command::Runs(arguments) => runs::main(surroundings, &cli.common, &arguments),
        Command::Logs(arguments) => runs::logs(surroundings, &cli.common, &arguments),
        Command::Plan(arguments) => plan::main(surroundings, &cli.common, &arguments),
        Command::Check(arguments) => check::main(surroundings, &cli.common, &arguments),
        Command::List(arguments) => list::main(surroundings, &cli.common, &arguments),
        Command::Collectors(arguments) => collectors::main(surroundings, &arguments),
        Command::Outbox(arguments) => outbox::main(surroundings, &cli.common, &arguments),
        Command::Doctor(arguments) => doctor::main(surroundings, &cli.common, &arguments),
        Command::Test(arguments) => test::main(surroundings, &cli.common, &arguments),
        Command::New(arguments) => new::main(surroundings, &cli.common, &arguments),
        Command::Definitions(arguments) => definitions::main(surroundings, &arguments),
        Command::Demo(arguments) => demo::main(surroundings, &arguments),
    }
}

/// Lines on one of the streams (of debug mode on stdout, of the log on stderr), without any known secret.
struct MaskedLines {
    stream: Lines,
    masker: Arc<Masker>,
}

impl std::io::Write for MaskedLines {
    /// Takes whole lines: a secret that is split over two calls would not be found.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        match std::str::from_utf8(bytes) {
            Ok(text) => stream.write_all(self.masker.mask(text).as_bytes())?,
            Err(_) => stream.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// What a script says goes to stderr.
struct Said(Surroundings);

impl ScriptOutput for Said {
    fn line(&self, line: &Line) {
        self.0.say(&line.to_string());
    }
}

/// Why nothing can be done.
#[derive(Debug)]
struct Refusal {
    message: String,
    code: u8,
}

/// The state that the configuration names.
async fn open_state(surroundings: &Surroundings, config: &Config) -> Result<crate::state::Opened, Refusal> {
    crate::state::open(&config.state, config.database.as_ref(), surroundings.clock.clone())
        .await
        .map_err(|error| Refusal { message: error.to_string(), code: 1 })
}

/// What runs are made with, from the configuration.
fn tools(
    surroundings: &Surroundings,
    config: &Config,
    rates: Option<Arc<dyn SharedRates>>,
    tap: Option<Arc<dyn Tap>>,
) -> Result<Tools, Refusal> {
    let calls = run::calls(surroundings, config, rates, tap)?;
    let datakits = run::datakits(surroundings, config, &calls)
        .map_err(|error| Refusal { message: error.to_string(), code: 2 })?;
    Ok(Tools {
        calls: Arc::new(calls),
        datakits,
        overlap: run::overlaps(config),
        outbox_limit: config.outbox_limit,
        budgets: config.budgets.clone(),
    })
}

/// The library of scripts: the configured one, else the folder `scripts`, else the current folder where script sets lie in it, as
/// `funchost new` puts them.
fn library(surroundings: &Surroundings, config: &Config) -> PathBuf {
    let named = || surroundings.directory.join("scripts");
    config.scripts.clone().unwrap_or_else(|| {
        let here = &surroundings.directory;
        let found = !named().is_dir() && list::scripts_of(here).is_ok_and(|scripts| !scripts.is_empty());
        if found { here.clone() } else { named() }
    })
}

/// The time zone of crontabs and logs: the configured one, else the machine's.
fn zone(config: &Config) -> crate::schedule::zone::Zone {
    let machine = || iana_time_zone::get_timezone().ok().and_then(|name| name.parse().ok());
    config.service.timezone.or_else(machine).unwrap_or(crate::schedule::zone::Zone::UTC)
}

/// What the script host needs of a configuration.
fn script_settings(surroundings: &Surroundings, config: &Config) -> Arc<script::Settings> {
    let mut env: BTreeMap<String, EnvEntry> = surroundings
        .variables
        .iter()
        .map(|(name, value)| (name.clone(), EnvEntry { value: value.clone().into(), secret: false }))
        .mapped();
    // What the configuration says wins over the environment.
    env.extend(
        config.env.iter().map(|(name, value)| {
            (name.clone(), EnvEntry { value: value.value.clone(), secret: value.secret })
        }),
    );
    Arc::new(script::Settings {
        directory: Some(surroundings.directory.clone()),
        command: slips::command(&surroundings.arguments),
        library: config.scripts.clone(),
        env,
        datakits: Some(config.datakits.keys().cloned().collect()),
        clock: surroundings.clock.clone(),
        output: Arc::new(Said(surroundings.clone())),
        masker: surroundings.masker.clone(),
        ..script::Settings::new(funchost_collectors::COLLECTORS)
    })
}

/// The mistakes of a configuration, for a program.
fn config_entries(error: &crate::config::ConfigError) -> Vec<serde_json::Value> {
    let entry = |diagnostic: &crate::config::Diagnostic| {
        serde_json::json!({
            "message": diagnostic.message,
            "file": diagnostic.file.as_ref().map(|file| file.display().to_string()),
            "line": diagnostic.line,
            "column": diagnostic.column,
            "hint": diagnostic.hint,
        })
    };
    error.diagnostics.iter().map(entry).collect()
}
