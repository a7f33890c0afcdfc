//! What a collection will call, from what the last one called and from the declaration.
//!
//! Owns the estimate of every object collector. What was counted is exact as long as the cloud does not change; where nothing was counted yet, the
//! declaration says how often each detail is asked for, for the objects that are remembered.

use super::detail::{AT_ONCE, Detail, How};
use super::list::{Paging, Tally, Walk, at, text};
use super::project::{Object, point};
use super::{ObjectCollector, Scope};
use crate::collector::{Action, Failure, Output, Source};
use crate::estimate::{Ahead, Estimate, Expected, pages};
use crate::point::Text;
use crate::run::Run;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the calls of a collection are remembered.
const VALID: Duration = Duration::from_secs(90 * 86_400);

/// The calls of a region's last complete collection.
#[derive(Serialize, Deserialize)]
struct Counted {
    version: u32,
    /// By action; one that was wanted and not needed is 0.
    calls: BTreeMap<String, u64>,
}

const VERSION: u32 = 1;

fn key(collector: &ObjectCollector, region: &str, filtered: bool) -> String {
    let filtered = if filtered { "\nfiltered" } else { "" };
    format!("{}\ncalls\n{region}{filtered}", collector.description.name)
}

/// Keeps what a complete collection called.
pub(super) async fn remember(
    collector: &ObjectCollector,
    run: &Run,
    region: &Text,
    tally: &Tally,
) -> Result<(), Failure> {
    let counted = Counted { version: VERSION, calls: tally.calls() };
    let value = serde_json::to_vec(&counted).map_err(|error| Failure::State(error.to_string()))?;
    run.memory.remember(&key(collector, region, run.filter.is_some()), &value, VALID).await
}

async fn counted(
    collector: &ObjectCollector,
    ahead: &Ahead<'_>,
    region: &str,
) -> Result<BTreeMap<String, u64>, Failure> {
    let known = ahead.memory.known(&key(collector, region, ahead.filtered)).await?;
    // A value that cannot be read is as good as none.
    let counted = known.and_then(|(value, _)| serde_json::from_slice::<Counted>(&value).ok());
    Ok(counted.filter(|counted| counted.version == VERSION).map(|counted| counted.calls).unwrap_or_default())
}

/// See [`crate::collector::Spec::estimate`].
pub(super) async fn estimate(
    collector: &'static ObjectCollector,
    details: &[&'static Detail],
    ahead: &Ahead<'_>,
    regions: &[Text],
) -> Result<Estimate, Failure> {
    let mut estimate = Estimate::default();
    let list = collector.list.request.action;
    if let (Scope::Account { .. }, Some(first)) = (collector.scope, regions.first()) {
        let before = counted(collector, ahead, "").await?;
        let mut expected = Expected::new(list, first, before.get(list.action).copied().unwrap_or(1));
        if !before.contains_key(list.action) {
            expected.at_least = Some("the account's list has not been read yet".into());
        }
        estimate.calls.push(expected);
    }
    for region in regions {
        let before = counted(collector, ahead, region).await?;
        let objects = ahead.memory.objects(collector.description.measurement, region).await?;
        let guess =
            Guess { collector, region, objects: &objects, counted: &before, filtered: ahead.filtered };
        if collector.scope == Scope::Region {
            estimate.calls.push(guess.list());
        }
        estimate.calls.extend(details.iter().map(|detail| guess.detail(detail)));
    }
    Ok(estimate)
}

/// What is known of one region.
struct Guess<'known> {
    collector: &'static ObjectCollector,
    region: &'known Text,
    objects: &'known [Arc<BTreeMap<Text, Text>>],
    counted: &'known BTreeMap<String, u64>,
    filtered: bool,
}

impl Guess<'_> {
    fn list(&self) -> Expected {
        let action = self.collector.list.request.action;
        match self.counted.get(action.action) {
            Some(calls) => Expected::new(action, self.region, *calls),
            None => {
                let calls = pages(self.objects.len(), most(self.collector.list.paging));
                Expected { at_least: Some(self.unknown()), ..Expected::new(action, self.region, calls) }
            }
        }
    }

    fn detail(&self, detail: &'static Detail) -> Expected {
        let action = detail.list().request.action;
        let (calls, at_least) = match self.counted.get(action.action) {
            // Which objects are kept is decided anew each time; what is asked for before that is not.
            Some(calls) if self.filtered && !matches!(detail.how, How::Region { .. }) => {
                (*calls, Some(format!("{}: the filter decides anew for which objects", self.region)))
            }
            Some(calls) => (*calls, None),
            None => (self.declared(&detail.how), Some(self.unknown())),
        };
        let in_a_row = match detail.how {
            How::Region { .. } | How::Batch { .. } => calls,
            How::Item { .. } => calls.div_ceil(AT_ONCE as u64),
        };
        Expected { in_a_row, at_least, ..Expected::new(action, self.region, calls) }
    }

    /// By the declaration, for the objects that are remembered.
    fn declared(&self, how: &How) -> u64 {
        let objects = self.objects.len();
        match how {
            // A region without objects needs no details.
            How::Region { .. } => u64::from(objects > 0),
            How::Item { .. } => objects as u64,
            How::Batch { most, only: (path, wanted), .. } => {
                // What the list says of an object is remembered where it is one of its tags.
                let tag = self.collector.description.tags.iter().find(|tag| tag.from == Source::Path(path));
                let fits = |tags: &&Arc<BTreeMap<Text, Text>>| {
                    tag.is_none_or(|tag| tags.get(tag.key).is_some_and(|value| **value == **wanted))
                };
                self.objects.iter().filter(fits).count().div_ceil(*most) as u64
            }
        }
    }

    fn unknown(&self) -> String {
        match self.objects.len() {
            0 => format!("{}: nothing has been collected there yet", self.region),
            1 => {
                format!("{}: by the one object that is remembered, not by a complete collection", self.region)
            }
            more => {
                format!(
                    "{}: by the {more} objects that are remembered, not by a complete collection",
                    self.region
                )
            }
        }
    }
}

/// The largest page.
fn most(paging: Paging) -> usize {
    match paging {
        Paging::Numbers { most, .. } | Paging::Offsets { most, .. } => most,
        Paging::Tokens { size, .. } => size.map_or(usize::MAX, |(_, most)| most),
        Paging::Whole => usize::MAX,
    }
}

/// See [`crate::collector::Spec::discover`]: the lists alone, without details and filters.
pub(super) async fn discover(
    collector: &'static ObjectCollector,
    run: &Run,
    regions: &[Text],
) -> Result<(), Failure> {
    let list: &'static Action = collector.list.request.action;
    match collector.scope {
        Scope::Region => {
            for region in regions {
                let tally = Tally::of([list]);
                let mut walk = Walk::new(&collector.list, region, &[], &tally);
                while walk.goes_on() {
                    let items = walk.next(run).await?;
                    send(collector, run, region, items).await;
                }
                remember(collector, run, region, &tally).await?;
            }
        }
        Scope::Account { region: paths, without } => {
            let Some(first) = regions.first() else { return Ok(()) };
            let tally = Tally::of([list]);
            let mut walk = Walk::new(&collector.list, first, &[], &tally);
            while walk.goes_on() {
                let mut shares: BTreeMap<&Text, Vec<Json>> = BTreeMap::new();
                for item in walk.next(run).await? {
                    let own = paths.iter().find_map(|path| at(&item, path).and_then(text));
                    let own = own.as_deref().map(|own| own.strip_prefix(without).unwrap_or(own));
                    if let Some(region) = regions.iter().find(|region| Some(&***region) == own) {
                        shares.entry(region).or_default().push(item);
                    }
                }
                for (region, items) in shares {
                    send(collector, run, region, items).await;
                }
            }
            remember(collector, run, &Text::from(""), &tally).await?;
        }
    }
    Ok(())
}

async fn send(collector: &'static ObjectCollector, run: &Run, region: &Text, items: Vec<Json>) {
    let points: Vec<_> = items
        .into_iter()
        .map(|item| point(&collector.description, region, &Object::new(item), run.started))
        .collect();
    if !points.is_empty() {
        run.send(Output::Objects { region: region.clone(), points }).await;
    }
}
