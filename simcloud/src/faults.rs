//! Faults: what a test can make go wrong.
//!
//! Owns which calls are hit. Knows no service: each says itself how a fault looks in its protocol.

use std::sync::{Mutex, PoisonError};

/// A fault that waits for its calls; `Kind` is what can go wrong at one cloud.
#[derive(Clone, Debug)]
pub struct Fault<Kind = FaultKind> {
    /// The service's signing name, such as `monitoring`; none is any.
    pub service: Option<String>,
    /// The action, such as `GetMetricData`; none is any.
    pub action: Option<String>,
    /// The region; none is any.
    pub region: Option<String>,
    /// Calls that pass first.
    pub skip: u64,
    /// Calls that are hit then.
    pub times: u64,
    /// How.
    pub kind: Kind,
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused as too fast, with the service's own code.
    Throttle,
    /// An error of this status in the service's own shape.
    Status(u16),
    /// 503 with an HTML page, as a proxy answers.
    HtmlUnavailable,
    /// The answer ends in its middle.
    CutBody,
    /// 200 with a body that does not parse.
    BadBody,
    /// 200 without a body.
    EmptyBody,
    /// 200 with so many bytes of white space.
    HugeBody(usize),
    /// Never answered.
    Hang,
    /// The connection is closed without an answer.
    Reset,
    /// Permission refused.
    Denied,
    /// The temporary keys have expired.
    ExpiredToken,
    /// Refused for its time.
    SkewedClock,
    /// `GetMetricData`: the first results have the status `InternalError` and no values.
    InternalErrorResult,
    /// `GetMetricData`: all results have the status `Forbidden` and no values.
    ForbiddenResult,
    /// `GetMetricData`: half of each result's values, the status `PartialData`, and the rest on a second page.
    PartialData,
    /// `GetMetricData`: a message beside the results.
    TopLevelMessage,
    /// The answer's page token is the request's again.
    RepeatedToken,
    /// `GetMonitorData`: instances are called `vm_uuid`, and there is a series more, of one that nobody asked for.
    OtherDimensions,
}

/// The faults that wait.
#[derive(Debug)]
pub(crate) struct Faults<Kind = FaultKind>(Mutex<Vec<Fault<Kind>>>);

impl<Kind> Default for Faults<Kind> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Kind: Clone> Faults<Kind> {
    pub(crate) fn add(&self, fault: Fault<Kind>) {
        self.lock().push(fault);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// What happens to this call.
    pub(crate) fn hit(&self, service: &str, action: &str, region: &str) -> Option<Kind> {
        let mut faults = self.lock();
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        for index in 0..faults.len() {
            let fault = &mut faults[index];
            if !is(&fault.service, service) || !is(&fault.action, action) || !is(&fault.region, region) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            let kind = fault.kind.clone();
            fault.times = fault.times.saturating_sub(1);
            if fault.times == 0 {
                faults.remove(index);
            }
            return Some(kind);
        }
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault<Kind>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
