//! Any call of a cloud by its names: what a script asks for without a declaration.
//!
//! Owns how a named call is made: which protocol a service speaks, which version of its API, how nested parameters are written. The
//! way of the request is every other's: signed, paced, retried and counted by the one path. Knows no product.

mod how;
mod paging;

pub use how::{How, Style, known};
pub use paging::{Pages, TOKENS, WrittenPaging};

use crate::account::Cloud;
use crate::call::CallError;
use crate::collector::Action;
use crate::mistake::{Argument, Mistake, nearest};
use crate::names;
use crate::objects::Api as _;
use crate::point::Text;
use crate::run::Run;
use serde::Deserialize;
use serde_json::Value as Json;

/// Calls a second of an action that no collector declares: well below what any of the clouds allows.
pub const RATE: f64 = 5.0;

/// What may be said beside a call's parameters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where it is asked; the collector's region unless given.
    pub region: Option<String>,
    /// Of the service's API; the known one unless given.
    pub version: Option<String>,
    /// AWS: `query`, `ec2`, `json` or `rest`.
    pub protocol: Option<String>,
    /// AWS, `json`: what stands before the action in `X-Amz-Target`.
    pub target: Option<String>,
    /// AWS, `rest`: `GET` unless given.
    pub method: Option<String>,
    /// AWS, `rest`: the path; `{name}` stands for a parameter.
    pub path: Option<String>,
    /// Calls a second, where no collector declares the action.
    pub rate: Option<f64>,
    /// Lists: where the items stand in an answer.
    pub items: Option<String>,
    /// Lists: where an item's id stands. With it, what comes twice is left out and what is missing is an error.
    pub id: Option<String>,
    /// Lists: how they go on; the service's known way unless given.
    pub paging: Option<WrittenPaging>,
}

/// A call that can be made.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Whose.
    pub cloud: Cloud,
    /// What.
    pub action: &'static Action,
    /// How.
    pub how: &'static How,
}

fn wrong(path: &str, message: impl Into<String>) -> Mistake {
    Mistake::new(Argument::Options, path, message)
}

impl Named {
    /// Finds out how a call is made.
    ///
    /// # Errors
    /// A [`Mistake`] in the options: a service whose API's version is not known and not given, a protocol that is none.
    pub fn new(cloud: Cloud, service: &str, action: &str, options: &Options) -> Result<Self, Mistake> {
        if let Some(rate) = options.rate
            && !(rate.is_finite() && rate > 0.0)
        {
            return Err(wrong("rate", format!("is {rate}: write calls a second, more than 0")));
        }
        let service = how::service(cloud, service);
        let how = how::of(cloud, service, options)?;
        let action = names::action(cloud, service, action, options.rate)
            .map_err(|error| wrong("", error.to_string()))?;
        Ok(Self { cloud, action, how })
    }

    /// Makes the call once.
    ///
    /// # Errors
    /// A [`CallError`] when it failed for good.
    pub async fn ask(
        &self,
        run: &Run,
        region: &Text,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        self.how.ask(run, region, self.action, parameters).await
    }
}

/// What to say about a service that is not among the known ones.
fn unknown_service(service: &str, known: &[&str], what: &str, form: &str) -> Mistake {
    let near = nearest(service, known.iter().copied()).filter(|near| *near != service);
    let hint = match near {
        Some(near) => format!("did you mean `{near}`? Else write {form}"),
        None => format!("write {form}"),
    };
    wrong("", format!("do not say {what} of `{service}`, which is not among those that funchost knows"))
        .hint(hint)
}
