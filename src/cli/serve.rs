//! `funchost serve`: everything by itself.
//!
//! Owns the tasks of the service and their end: who watches the files, who fires, who works, who answers, in which order they stop. What
//! each does stands in its own room.

use super::{Common, Refusal, Surroundings, config_entries, run, script_settings, tools, zone};
use crate::config::Config;
use crate::console::{self, Console, Plan};
use crate::schedule::{Engine, EngineSettings, Library, Scheduler, gather};
use crate::state::StateError;
use crate::state::runs::{Node, Store};
use crate::telemetry::Telemetry;
use clap::{Args, ValueEnum};
use funchost_collectors::call::{SharedRates, number};
use funchost_collectors::clock::SECOND;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often files are looked at.
const WATCH: Duration = Duration::from_secs(1);
/// How often the scheduler looks for what others changed: a trigger that was let go on.
const LOOK: Duration = Duration::from_secs(2);
/// How often a process says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// How often old records are forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// How long the runtime waits at the very end for threads that are still at something.
const RUNTIME: Duration = Duration::from_millis(200);

/// Seconds that runs may go on for when the service is stopped, where nothing else is said: with [`Limits`], all of it is done in thirty.
const PATIENCE: u64 = 27;

#[derive(Args)]
pub(super) struct ServeArguments {
    /// What this process does; several processes can share one state
    #[arg(long, value_enum, value_delimiter = ',', default_value = "scheduler,worker,web")]
    role: Vec<Role>,
    /// Where the console and the API listen, in place of `listen` of `[service]`
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// When it is stopped: seconds that runs may still go on, before they are given back
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE, value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Fires triggers
    Scheduler,
    /// Runs functions
    Worker,
    /// Answers calls and shows what happens
    Web,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Worker => "worker",
            Self::Web => "web",
        }
    }
}

pub(super) fn main(surroundings: &Surroundings, common: &Common, arguments: &ServeArguments) -> u8 {
    let config = match surroundings.config(common) {
        Ok(config) => config,
        Err(error) => {
            surroundings.say(error.to_string().trim_end());
            return 2;
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.enable_all().on_thread_park(crate::script::rest).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            surroundings.say(&format!("error: the program cannot start its threads: {error}"));
            return 1;
        }
    };
    let code = match runtime.block_on(serve(surroundings, common, config, arguments)) {
        Ok(()) => 0,
        Err(refusal) => {
            surroundings.say(&format!("error: {}", refusal.message));
            refusal.code
        }
    };
    runtime.shutdown_timeout(RUNTIME);
    code
}

/// What the tasks of a service share.
struct Service {
    surroundings: Surroundings,
    common: Common,
    store: Arc<dyn Store>,
    library: Arc<Library>,
    engine: Arc<Engine>,
    scheduler: Scheduler,
    console: Arc<Console>,
    /// As it was read last.
    config: Mutex<Arc<Config>>,
    /// Where it listens, whatever a later configuration says; none where it does not.
    listens: Option<SocketAddr>,
    /// Who keeps the rates that other machines share.
    rates: Option<Arc<dyn SharedRates>>,
    /// The triggers have changed.
    changed: Notify,
}

fn refuse(code: u8, message: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), code }
}

/// A service that others can reach must know who calls.
fn check_listening(config: &Config, listen: SocketAddr) -> Result<(), Refusal> {
    if listen.ip().is_loopback() || config.service.token.is_some() {
        return Ok(());
    }
    Err(refuse(
        2,
        format!(
            "{listen} can be reached from other machines, and no token is set\nhint: set `token` of `[service]` in funchost.toml, or FUNCHOST_SERVICE__TOKEN (`openssl rand -hex 32` makes one), or listen on 127.0.0.1"
        ),
    ))
}

fn machine() -> String {
    let named = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = named.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or("host");
    name.chars()
        .filter(|character| character.is_ascii_alphanumeric() || "-.".contains(*character))
        .take(60)
        .collect()
}

/// What stands before the first task begins; nothing listens yet.
struct Prepared {
    service: Arc<Service>,
    telemetry: Option<Telemetry>,
    worker: String,
    roles: String,
}

async fn prepare(
    surroundings: &Surroundings,
    common: &Common,
    config: Config,
    arguments: &ServeArguments,
) -> Result<Prepared, Refusal> {
    let clock = surroundings.clock.clone();
    let listen = arguments.listen.unwrap_or(config.service.listen);
    let web = arguments.role.contains(&Role::Web);
    if web {
        check_listening(&config, listen)?;
    }
    let root = super::library(surroundings, &config);
    if !root.is_dir() {
        return Err(refuse(
            2,
            format!(
                "there is no script library {}\nhint: put scripts into <library>/<set>/<script>.rhai, and set `scripts` in funchost.toml where it is elsewhere",
                root.display()
            ),
        ));
    }
    let crate::state::Opened { store, rates } = super::open_state(surroundings, &config).await?;
    let tools = tools(surroundings, &config, rates.clone(), None)?;
    let library = Arc::new(Library::new(&root, script_settings(surroundings, &config)));
    let started = clock.now();
    let worker = format!("{}-{}-{:x}", machine(), std::process::id(), started / 1_000_000);
    let engine = Engine::new(
        store.clone(),
        clock.clone(),
        library.clone(),
        tools,
        EngineSettings {
            worker: worker.clone(),
            workers: usize::try_from(config.service.workers).unwrap_or(8),
            lease: config.service.lease,
            look: Duration::from_millis(500),
            renewal: config.service.lease / 3,
            patience: Duration::from_secs(arguments.patience),
            masker: surroundings.masker.clone(),
        },
    );
    let variables = &surroundings.variables;
    let telemetry = match crate::telemetry::endpoint(variables, config.service.otlp.as_deref()) {
        None => None,
        Some(url) => {
            for value in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
                .iter()
                .filter_map(|name| variables.get(*name))
                .flat_map(|headers| headers.split(','))
                .filter_map(|header| Some(header.split_once('=')?.1.trim()))
            {
                surroundings.masker.learn(value);
            }
            let http = engine.tools().calls.http_for(&url);
            Some(
                crate::telemetry::start(&url, http, &worker, variables, surroundings.masker.clone())
                    .map_err(|why| refuse(2, why))?,
            )
        }
    };
    let roles = arguments.role.iter().map(|role| role.word()).collect::<Vec<_>>().join(",");
    let console = Arc::new(Console {
        store: store.clone(),
        clock: clock.clone(),
        engine: engine.clone(),
        plan: RwLock::default(),
        token: RwLock::new(config.service.token.clone()),
        zone: RwLock::new(zone(&config)),
        roles: roles.clone(),
        started,
        forecast: console::Forecast::default(),
    });
    let service = Arc::new(Service {
        surroundings: surroundings.clone(),
        common: common.clone(),
        scheduler: Scheduler::new(store.clone(), clock.clone(), crate::schedule::LATE)
            .with_masker(surroundings.masker.clone()),
        store: store.clone(),
        library,
        engine: engine.clone(),
        console: console.clone(),
        config: Mutex::new(Arc::new(config)),
        listens: web.then_some(listen),
        rates,
        changed: Notify::new(),
    });
    Ok(Prepared { service, telemetry, worker, roles })
}

async fn serve(
    surroundings: &Surroundings,
    common: &Common,
    config: Config,
    arguments: &ServeArguments,
) -> Result<(), Refusal> {
    let Prepared { service, telemetry, worker, roles } =
        prepare(surroundings, common, config, arguments).await?;
    let (console, engine) = (service.console.clone(), service.engine.clone());
    let has = |role: Role| arguments.role.contains(&role);
    let listener = match service.listens {
        None => None,
        Some(listen) => Some(tokio::net::TcpListener::bind(listen).await.map_err(|error| {
            refuse(
                1,
                format!("cannot listen on {listen}: {error}\nhint: another program may listen there: set `listen` of `[service]`, or --listen"),
            )
        })?),
    };
    service.publish().await;
    service.plan().await;
    // Who asks at once is not told that nobody works here.
    if let Err(error) = service.here(&roles).await {
        tracing::error!(%error, "the state cannot be kept in order now");
    }

    let functions = service.library.published().functions().count();
    let triggers = console.plan().triggers.len();
    let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
    let place = address.map(|address| format!(" at http://{address}")).unwrap_or_default();
    surroundings.say(&format!(
        "funchost serves{place}: {}, {} ({roles})",
        number(functions as u64, "function", "functions"),
        number(triggers as u64, "trigger", "triggers")
    ));
    tracing::info!(worker, roles, functions, triggers, "started");

    let stop = CancellationToken::new();
    let ending = tokio::spawn(run::interrupts(stop.clone()));
    let closed = CancellationToken::new();
    let answering = listener.map(|listener| {
        let closing = closed.clone();
        let router = console::router(console.clone());
        tokio::spawn(console::serve(listener, router, console::Patience::default(), closing))
    });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(service.clone().watch(stop.clone()));
    tasks.spawn(service.clone().keep(stop.clone(), roles));
    if has(Role::Scheduler) {
        tasks.spawn(service.clone().fire(stop.clone()));
    }
    if has(Role::Worker) {
        let (engine, stop) = (engine.clone(), stop.clone());
        tasks.spawn(async move { engine.work(stop).await });
    }
    stop.cancelled().await;
    tracing::info!("stopping: what runs may finish, or is given back");
    let limits = Limits::of(Duration::from_secs(arguments.patience));
    let farewell = async {
        if let Err(error) = service.store.gone(&worker).await {
            tracing::warn!(%error, "the end of this process could not be told");
        }
    };
    let spans = async |left: Duration| {
        if let Some(telemetry) = telemetry {
            telemetry.end(left).await;
        }
    };
    end(limits, tasks, answering.map(|answering| (closed, answering)), farewell, spans).await;
    ending.abort();
    tracing::info!("stopped");
    Ok(())
}

/// What the parts of the end may take, each at most, and all of them together.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The tasks: what runs, and its delivery.
    tasks: Duration,
    /// Answers that are still open.
    answers: Duration,
    /// To tell the state that this process is gone.
    farewell: Duration,
    /// All of it. What the others leave is for the last spans.
    all: Duration,
}

impl Limits {
    /// Where runs may go on for so long.
    fn of(patience: Duration) -> Self {
        Self {
            tasks: patience + Duration::from_millis(500),
            answers: Duration::from_secs(1),
            farewell: Duration::from_millis(500),
            all: patience + Duration::from_millis(2_700),
        }
    }
}

/// Ends what a service is made of, in this order, whatever hangs: a state that does not answer, a collector of spans that never does.
async fn end(
    limits: Limits,
    mut tasks: tokio::task::JoinSet<()>,
    answering: Option<(CancellationToken, tokio::task::JoinHandle<()>)>,
    farewell: impl Future<Output = ()>,
    spans: impl AsyncFnOnce(Duration),
) {
    let deadline = tokio::time::Instant::now() + limits.all;
    let within = |most: Duration| deadline.min(tokio::time::Instant::now() + most);
    let left = |what: &str| tracing::warn!(what, "did not end in time, and is left");
    // Callers that wait for a run get its answer: the console ends after the runs.
    let done = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout_at(within(limits.tasks), done).await.is_err() {
        left("a task");
        tasks.abort_all();
    }
    if let Some((closed, mut answering)) = answering {
        closed.cancel();
        if tokio::time::timeout_at(within(limits.answers), &mut answering).await.is_err() {
            answering.abort();
        }
    }
    if tokio::time::timeout_at(within(limits.farewell), farewell).await.is_err() {
        left("the farewell in the state");
    }
    let rest = deadline.saturating_duration_since(tokio::time::Instant::now());
    if tokio::time::timeout_at(deadline, spans(rest)).await.is_err() {
        left("the sending of spans");
    }
}

impl Service {
    fn config(&self) -> Arc<Config> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes what has changed in the library; says whether anything has.
    async fn publish(&self) -> bool {
        let (library, now) = (self.library.clone(), self.surroundings.clock.now());
        // Scripts are loaded on threads of their own, which this waits for.
        tokio::task::spawn_blocking(move || library.refresh(now)).await.unwrap_or(false)
    }

    /// Makes the triggers anew, from the configuration and from what is published.
    async fn plan(&self) {
        let config = self.config();
        let published = self.library.published();
        let functions: Vec<_> = published.functions().cloned().collect();
        let (triggers, idle) = gather(&config.triggers, &functions, zone(&config));
        let before = self.console.plan();
        for one in idle.iter().filter(|one| !before.idle.iter().any(|known| known.is_as(one))) {
            tracing::warn!(trigger = one.id, func = one.func, why = one.why, "cannot fire");
        }
        let plan = Arc::new(Plan { triggers, idle });
        if let Err(error) = self.announce(&plan).await {
            tracing::error!(%error, "the triggers cannot be told to the others now");
        }
        *self.console.plan.write().unwrap_or_else(PoisonError::into_inner) = plan;
        self.changed.notify_one();
        // A function that was published may have runs that wait for it.
        self.engine.wake();
    }

    /// Tells the state which triggers there are, also those that cannot fire now.
    async fn announce(&self, plan: &Plan) -> Result<(), StateError> {
        let idle = plan.idle.iter().filter_map(|idle| idle.would.as_deref());
        let all: Vec<_> = plan.triggers.iter().chain(idle).cloned().collect();
        self.scheduler.announce(&all).await
    }

    /// Watches the scripts, the configuration and SIGHUP.
    async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = Hangup::new();
        let file = self.config().file.clone();
        let read = || file.as_ref().and_then(|file| std::fs::read(file).ok());
        let mut text = read();
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                () = hangup.wait() => true,
                () = tokio::time::sleep(WATCH) => false,
            };
            let now = read();
            // A file that is being replaced is not there for a moment.
            let edited = now.is_some() && now != text;
            if edited {
                text = now;
            }
            if asked || edited {
                self.reload().await;
            } else if self.publish().await {
                self.plan().await;
            }
        }
    }

    /// Reads the configuration again. One that is wrong changes nothing.
    async fn reload(&self) {
        let config = match self.surroundings.config(&self.common) {
            Ok(config) => config,
            Err(error) => {
                let mistakes = config_entries(&error).len();
                tracing::error!(mistakes, %error, "the configuration is wrong: it stays as it was");
                return;
            }
        };
        let before = self.config();
        if let Some(listens) = self.listens
            && let Err(refusal) = check_listening(&config, listens)
        {
            tracing::error!(why = refusal.message, "the configuration stays as it was");
            return;
        }
        let going = self.engine.tools().calls.clone();
        let made = tools(&self.surroundings, &config, self.rates.clone(), None).and_then(|mut tools| {
            if (&config.limits, &config.endpoints) == (&before.limits, &before.endpoints) {
                tools.calls = going;
            } else {
                // By itself a new path would know nothing of the calls that go on: each would go by a rate of its own.
                let mut calls = run::calls(&self.surroundings, &config, self.rates.clone(), None)?;
                calls.follow(&going);
                tools.calls = Arc::new(calls);
            }
            Ok(tools)
        });
        let tools = match made {
            Ok(tools) => tools,
            Err(refusal) => {
                tracing::error!(why = refusal.message, "the configuration stays as it was");
                return;
            }
        };
        for (name, same) in [
            ("state", (&config.state, &config.database) == (&before.state, &before.database)),
            (
                "scripts",
                super::library(&self.surroundings, &config) == super::library(&self.surroundings, &before),
            ),
            ("service.listen", config.service.listen == before.service.listen),
            ("service.workers", config.service.workers == before.service.workers),
            ("service.lease", config.service.lease == before.service.lease),
            ("service.otlp", config.service.otlp == before.service.otlp),
        ] {
            if !same {
                tracing::warn!(key = name, "counts after a restart only");
            }
        }
        self.engine.set(tools);
        *self.console.token.write().unwrap_or_else(PoisonError::into_inner) = config.service.token.clone();
        *self.console.zone.write().unwrap_or_else(PoisonError::into_inner) = zone(&config);
        let settings = script_settings(&self.surroundings, &config);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        let (library, now) = (self.library.clone(), self.surroundings.clock.now());
        drop(tokio::task::spawn_blocking(move || library.set(settings, now)).await);
        self.plan().await;
        tracing::info!("the configuration was read again");
    }

    /// Fires triggers.
    async fn fire(self: Arc<Self>, stop: CancellationToken) {
        let clock = &self.surroundings.clock;
        while !stop.is_cancelled() {
            let plan = self.console.plan();
            if let Err(error) = self.scheduler.pass_by(&plan.idle).await {
                tracing::error!(%error, "missed ticks cannot be recorded now");
            }
            let pause = match self.scheduler.step(&plan.triggers).await {
                Err(error) => {
                    tracing::error!(%error, "the triggers cannot be fired now");
                    LOOK
                }
                Ok(step) => {
                    if step.asked > 0 {
                        self.engine.wake();
                    }
                    let until = step.next.map_or(i64::MAX, |next| (next - clock.now()).max(0));
                    clock.wait(Duration::from_nanos(u64::try_from(until).unwrap_or(0))).min(LOOK)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause.max(Duration::from_millis(1))) => {}
            }
        }
    }

    /// Says that this process is there, and what it does.
    async fn here(&self, roles: &str) -> Result<(), StateError> {
        let node = Node {
            id: self.engine.worker().to_owned(),
            roles: roles.to_owned(),
            started: self.console.started,
            seen: self.surroundings.clock.now(),
        };
        self.store.here(&node).await
    }

    /// Says that this process is there; ends what nobody took; forgets what is old.
    async fn keep(self: Arc<Self>, stop: CancellationToken, roles: String) {
        let clock = &self.surroundings.clock;
        let mut kept: Option<tokio::time::Instant> = None;
        while !stop.is_cancelled() {
            let now = clock.now();
            let mut done = self.here(&roles).await;
            if done.is_ok() {
                done = self.announce(&self.console.plan()).await;
            }
            if done.is_ok() {
                done = self.store.expire(now).await.map(drop);
            }
            if done.is_ok() && kept.is_none_or(|kept| kept.elapsed() >= HOUSEKEEPING) {
                let service = self.config().service.clone();
                let before = now - i64::from(service.keep_days) * 86_400 * SECOND;
                done = self.store.forget_runs(i64::from(service.keep_runs), before).await.map(|count| {
                    if count > 0 {
                        tracing::info!(count, "old records were forgotten");
                    }
                });
                kept = Some(tokio::time::Instant::now());
            }
            if let Err(error) = done {
                tracing::error!(%error, "the state cannot be kept in order now");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
    }
}

/// SIGHUP, where there is one.
struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use funchost_collectors::clock::SystemClock;
    use secrecy::ExposeSecret as _;

    #[tokio::test]
    async fn a_reload_that_would_leave_an_open_address_without_its_token_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scripts")).unwrap();
        let write = |zone: &str, token: &str| {
            let text = format!("state = \"state\"\n[service]\ntimezone = \"{zone}\"\n{token}");
            std::fs::write(folder.path().join("funchost.toml"), text).unwrap();
        };
        let surroundings = Surroundings {
            arguments: Vec::new(),
            variables: [("HOME".to_owned(), folder.path().display().to_string())].into(),
            directory: folder.path().to_owned(),
            clock: Arc::new(SystemClock),
            stdout: Arc::new(Mutex::new(std::io::sink())),
            stderr: Arc::new(Mutex::new(std::io::sink())),
            color: false,
            masker: Arc::default(),
        };
        let common = Common::default();
        // An address that others reach; nothing listens there in this test.
        let open = "192.0.2.7:8088".parse().unwrap();
        let arguments = ServeArguments { role: vec![Role::Web], listen: Some(open), patience: PATIENCE };
        let prepared = async |arguments: &ServeArguments| {
            let config = surroundings.config(&common).unwrap();
            prepare(&surroundings, &common, config, arguments).await
        };
        write("UTC", "");
        let refusal = prepared(&arguments).await.err().unwrap();
        assert!(refusal.code == 2 && refusal.message.contains("no token is set"), "{}", refusal.message);

        write("UTC", "token = \"first-token-of-many\"");
        let service =
            prepared(&arguments).await.unwrap_or_else(|refusal| panic!("{}", refusal.message)).service;
        let seen = || {
            let token = service.console.token.read().unwrap().clone();
            let zone = *service.console.zone.read().unwrap();
            (token.map(|token| token.expose_secret().to_owned()), zone.name())
        };
        // Without a token all of the new configuration is refused, also where it says that it listens for this machine alone: it is bound already.
        for listen in ["", "listen = \"127.0.0.1:8088\""] {
            write("Asia/Tokyo", listen);
            service.reload().await;
            assert_eq!(seen(), (Some("first-token-of-many".into()), "UTC"), "{listen}");
        }
        write("Asia/Tokyo", "token = \"second-token-of-many\"");
        service.reload().await;
        assert_eq!(seen(), (Some("second-token-of-many".into()), "Asia/Tokyo"));

        // For this machine alone it may go.
        let own = ServeArguments { listen: Some("127.0.0.1:0".parse().unwrap()), ..arguments };
        let service = prepared(&own).await.unwrap_or_else(|refusal| panic!("{}", refusal.message)).service;
        write("UTC", "");
        service.reload().await;
        assert!(service.console.token.read().unwrap().is_none());
    }

    #[test]
    fn by_default_all_of_the_end_is_done_in_thirty_seconds() {
        let limits = Limits::of(Duration::from_secs(PATIENCE));
        assert!(limits.all + RUNTIME < Duration::from_secs(30));
        let before_spans = limits.tasks + limits.answers + limits.farewell;
        assert!(before_spans < limits.all, "something is left for the spans, whatever hangs before them");
    }

    #[tokio::test]
    async fn the_end_comes_in_its_order_whatever_hangs() {
        async fn hang() {
            std::future::pending::<()>().await;
        }
        let short = Duration::from_millis(20);
        let limits = Limits { tasks: short, answers: short, farewell: short, all: short * 10 };
        let order = Mutex::new(Vec::new());
        let note = |what: &'static str| order.lock().unwrap().push(what);
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(hang());
        let closed = CancellationToken::new();
        let answering = tokio::spawn(hang());
        let farewell = async {
            note(if closed.is_cancelled() { "farewell, with the door closed" } else { "farewell" });
            hang().await;
        };
        let spans = async |left: Duration| {
            note("spans");
            assert!(left <= limits.all);
            hang().await;
        };
        end(limits, tasks, Some((closed.clone(), answering)), farewell, spans).await;
        assert_eq!(*order.lock().unwrap(), ["farewell, with the door closed", "spans"]);

        // Where nothing hangs, nothing is waited for.
        let hours = Duration::from_secs(7200);
        let limits = Limits { tasks: hours, answers: hours, farewell: hours, all: hours };
        end(limits, tokio::task::JoinSet::new(), None, async {}, async |_| {}).await;
    }
}
