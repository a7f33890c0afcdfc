//! A user's filters and own collectors: functions of a script, called for a Runner that works elsewhere.
//!
//! Owns the channel between both. A collector asks from any async worker; the script's own thread answers, a page of objects at
//! a time, while `.run()` waits: no function of a script ever runs on an async worker.

use super::convert::{from_json, kind};
use super::host::Host;
use super::output::{Kind, Level};
use super::packages::Created;
use super::{BackendError, custom, ending, explain, memory};
use funchost_collectors::call::cut;
use funchost_collectors::collector::{Failure, Window};
use funchost_collectors::point::Text;
use funchost_collectors::run::{ObjectFilter, Run};
use rhai::{Dynamic, EvalAltResult, FnPtr, NativeCallContext};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Work for the script's thread.
pub(super) enum Job {
    /// A page of objects waits for its filters.
    Filter(FilterJob),
    /// A region waits for the function of a script's own collector.
    Collect(Box<CollectJob>),
}

/// A page of objects that waits for its answers.
pub(super) struct FilterJob {
    collector: usize,
    objects: Vec<Value>,
    answer: oneshot::Sender<Result<Vec<bool>, Failure>>,
}

/// A region that is to be collected by a function.
pub(super) struct CollectJob {
    pub(super) collector: usize,
    pub(super) run: Run,
    pub(super) region: Text,
    pub(super) window: Option<Window>,
    pub(super) answer: oneshot::Sender<std::result::Result<(), Unfinished>>,
}

/// Why a region was not collected to its end.
pub(super) enum Unfinished {
    /// It failed.
    Failed(Failure),
    /// The script was stopped meanwhile.
    Stopped(Failure),
}

impl From<Failure> for Unfinished {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The collectors' side.
pub(super) struct ChannelFilter {
    collector: usize,
    jobs: mpsc::Sender<Job>,
}

impl ChannelFilter {
    /// The filter of one collector.
    pub(super) fn shared(collector: usize, jobs: &mpsc::Sender<Job>) -> Arc<dyn ObjectFilter> {
        Arc::new(Self { collector, jobs: jobs.clone() })
    }
}

#[async_trait::async_trait]
impl ObjectFilter for ChannelFilter {
    async fn keep(&self, objects: Vec<Value>) -> Result<Vec<bool>, Failure> {
        let gone = || Failure::Filter("the script has ended".into());
        let (answer, answered) = oneshot::channel();
        let job = FilterJob { collector: self.collector, objects, answer };
        self.jobs.send(Job::Filter(job)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// The script's side.
pub(super) struct Jobs {
    collectors: Vec<Created>,
    waiting: mpsc::Receiver<Job>,
}

/// What the script's thread wakes up for.
enum Event {
    Job(Box<Job>),
    Answer(Result<Result<Value, BackendError>, String>),
}

impl Jobs {
    /// Both ends; collectors are known by their numbers.
    pub(super) fn new(collectors: Vec<Created>) -> (Self, mpsc::Sender<Job>) {
        let (sender, waiting) = mpsc::channel(1);
        (Self { collectors, waiting }, sender)
    }

    /// Answers filter calls until the backend has answered. After the run was stopped, the backend has a while to end.
    ///
    /// # Errors
    /// The backend panicked, or did not end.
    pub(super) fn serve(
        mut self,
        host: &Host,
        runtime: &tokio::runtime::Handle,
        context: &NativeCallContext,
        mut backend: JoinHandle<Result<Value, BackendError>>,
    ) -> Result<Result<Value, BackendError>, String> {
        let patience = host.settings.patience;
        loop {
            let event = memory::uncounted(|| {
                runtime.block_on(async {
                    let too_late = async {
                        host.stop.token.cancelled().await;
                        tokio::time::sleep(patience).await;
                    };
                    tokio::select! {
                        biased;
                        answer = &mut backend => Event::Answer(answer.map_err(|error| {
                            format!("the Runner failed with an internal error: {}", cut(&error.to_string()))
                        })),
                        Some(job) = self.waiting.recv() => Event::Job(Box::new(job)),
                        () = too_late => Event::Answer(Err(format!(
                            "the collectors did not end within {} s after they were stopped",
                            patience.as_secs()
                        ))),
                    }
                })
            });
            match event {
                Event::Answer(answer) => {
                    backend.abort();
                    return answer;
                }
                Event::Job(job) => {
                    let FilterJob { collector, objects, answer } = match *job {
                        Job::Filter(job) => job,
                        Job::Collect(job) => {
                            self.collect(host, context, *job);
                            continue;
                        }
                    };
                    let kept = self.keep(host, context, collector, &objects).map_err(Failure::Filter);
                    memory::uncounted(|| {
                        drop(objects);
                        // Whoever asked may have ended meanwhile.
                        drop(answer.send(kept));
                    });
                }
            }
        }
    }

    /// Calls a collector's function, and says how it failed.
    fn collect(&self, host: &Host, context: &NativeCallContext, job: CollectJob) {
        let waited_for = host.waited_for();
        let result = match self.collectors.get(job.collector) {
            Some(created) => custom::collect(host, context, created, &job).inspect_err(|error| {
                // What it waited for itself, such as a call, is known.
                let waits = host.waited_for().filter(|waiting| Some(waiting) != waited_for.as_ref());
                if host.stop.why().is_some() && waits.is_none() {
                    custom::note_end(host, error, created, &job);
                }
            }),
            None => Ok(()),
        };
        if host.stop.why().is_none()
            && let Some(((script, position), what)) = waited_for
        {
            host.begin_waiting(&script, position, &what);
        }
        let result = result.map_err(|error| match failed(host, &error) {
            (line, Some(hint)) => Failure::Script(format!("{line}\nhint: {hint}")),
            (line, None) => Failure::Script(line),
        });
        let result = result.map_err(|failure| match host.stop.why() {
            Some(_) => Unfinished::Stopped(failure),
            None => Unfinished::Failed(failure),
        });
        memory::uncounted(|| {
            let CollectJob { run, answer, .. } = job;
            drop(run);
            // Whoever asked may have ended meanwhile.
            drop(answer.send(result));
        });
    }

    fn keep(
        &self,
        host: &Host,
        context: &NativeCallContext,
        collector: usize,
        objects: &[Value],
    ) -> Result<Vec<bool>, String> {
        let mut kept = memory::uncounted(|| Vec::with_capacity(objects.len()));
        for object in objects {
            let instance = from_json(object);
            let mut keep = true;
            for filter in self.collectors.get(collector).into_iter().flat_map(|created| &created.0.filters) {
                if !keep {
                    break;
                }
                keep = call(host, context, filter, instance.clone())?;
            }
            kept.push(keep);
        }
        Ok(kept)
    }
}

/// One filter, one object.
fn call(host: &Host, context: &NativeCallContext, filter: &FnPtr, instance: Dynamic) -> Result<bool, String> {
    if host.stop.why().is_some() {
        return Err("the run was stopped".into());
    }
    match filter.call_within_context::<Dynamic>(context, (instance,)) {
        Ok(answer) => answer.as_bool().map_err(|_| {
            let place =
                host.function_place(filter.fn_name()).map_or(String::new(), |place| format!(" ({place})"));
            format!("it answered {}, expected true or false{place}", kind(&answer))
        }),
        Err(error) => {
            if host.stop.why().is_some() {
                ending::note_callback(host, &error, filter.fn_name(), "a filter");
            }
            Err(failed(host, &error).0)
        }
    }
}

/// Says how a function failed; answers with one line for the report, and what to do.
fn failed(host: &Host, error: &EvalAltResult) -> (String, Option<String>) {
    if host.stop.why().is_some() {
        return ("the run was stopped".into(), None);
    }
    let diagnostic = explain::error_of_callback(host, error);
    // The line's own kind says "error" already.
    let text = diagnostic.render(false);
    host.say(Kind::Host(Level::Error), text.strip_prefix("error: ").unwrap_or(&text), None);
    (cut(&diagnostic.line()), diagnostic.hint)
}
