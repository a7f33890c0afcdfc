//! A user's filters: functions of a script, called for collectors that run elsewhere.
//!
//! Owns the channel between both. A collector asks from any async worker; the script's own thread answers, a page of objects at
//! a time, while `.run()` waits: no function of a script ever runs on an async worker.

use super::convert::{from_json, kind};
use super::host::Host;
use super::output::{Kind, Level};
use super::{BackendError, explain, memory};
use funchost_collectors::call::cut;
use funchost_collectors::collector::Failure;
use funchost_collectors::run::ObjectFilter;
use rhai::{Dynamic, FnPtr, NativeCallContext};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A page of objects that waits for its answers.
pub(super) struct Job {
    collector: usize,
    objects: Vec<Value>,
    answer: oneshot::Sender<Result<Vec<bool>, Failure>>,
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
        let job = Job { collector: self.collector, objects, answer };
        self.jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// The script's side.
pub(super) struct Jobs {
    filters: Vec<Vec<FnPtr>>,
    waiting: mpsc::Receiver<Job>,
}

/// What the script's thread wakes up for.
enum Event {
    Job(Box<Job>),
    Answer(Result<Result<Value, BackendError>, String>),
}

impl Jobs {
    /// Both ends; the filters of each collector by its number.
    pub(super) fn new(filters: Vec<Vec<FnPtr>>) -> (Self, mpsc::Sender<Job>) {
        let (sender, waiting) = mpsc::channel(1);
        (Self { filters, waiting }, sender)
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
                    let Job { collector, objects, answer } = *job;
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
            for filter in self.filters.get(collector).into_iter().flatten() {
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
        Err(_) if host.stop.why().is_some() => Err("the run was stopped".into()),
        Err(error) => {
            let diagnostic = explain::error_of_callback(host, &error);
            // The line's own kind says "error" already.
            let text = diagnostic.render(false);
            host.say(Kind::Host(Level::Error), text.strip_prefix("error: ").unwrap_or(&text), None);
            Err(cut(&diagnostic.line()))
        }
    }
}
