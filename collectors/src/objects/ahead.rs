//! What a collection will call, from what the last one called and from the declaration.
//!
//! Owns the estimate of every object collector. What was counted is exact as long as the cloud does not change; where nothing was counted yet, the
//! declaration says how often each detail is asked for, for the objects that are remembered.

use super::collect::begin;
use super::detail::{AT_ONCE, Detail, How};
use super::list::{Paging, Tally, Walk, at, name, text};
use super::project::Object;
use super::{ObjectCollector, Scope, Wanted};
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

/// Nothing called yet, of what a collection may call.
pub(super) fn tally(collector: &ObjectCollector, details: &[&'static Detail]) -> Arc<Tally> {
    Arc::new(Tally::of(actions(collector, details)))
}

/// Everything that a region's collection may call, in the order it first does.
fn actions(collector: &ObjectCollector, details: &[&'static Detail]) -> Vec<&'static Action> {
    let mut actions = Vec::new();
    match collector.scope {
        Scope::Everywhere(_, regions) => actions.push(regions.request.action),
        Scope::Account { .. } | Scope::Region | Scope::Central(_) | Scope::Sites(_) => {}
    }
    // The account's one list is counted by itself.
    if !matches!(collector.scope, Scope::Account { .. }) {
        actions.push(collector.list.request.action);
    }
    actions.extend(details.iter().map(|detail| detail.list().request.action));
    for also in collector.also {
        actions.push(also.list.request.action);
        actions.extend(also.details.iter().map(|detail| detail.list().request.action));
    }
    actions
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

/// The same, for a collection that may have failed.
pub(super) async fn remembered(
    collector: &ObjectCollector,
    run: &Run,
    region: &Text,
    tally: &Tally,
    result: Result<(), Failure>,
) -> Result<(), Failure> {
    result?;
    remember(collector, run, region, tally).await
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
    wanted: &Wanted,
    ahead: &Ahead<'_>,
    regions: &[Text],
) -> Result<Estimate, Failure> {
    let mut estimate = Estimate::default();
    let list = collector.list.request.action;
    if let (Scope::Account { .. }, Some(first)) = (collector.scope, regions.first()) {
        let before = counted(collector, ahead, "").await?;
        let mut expected = Expected::new(list, first, before.get(&name(list)).copied().unwrap_or(1));
        if !before.contains_key(&name(list)) {
            expected.at_least = Some("the account's list has not been read yet".into());
        }
        estimate.calls.push(expected);
    }
    for region in regions {
        let before = counted(collector, ahead, region).await?;
        let mut objects = Vec::new();
        for class in own_classes(collector) {
            objects.extend(ahead.memory.objects(class, region).await?);
        }
        let guess = Guess {
            collector,
            region,
            objects: &objects,
            counted: &before,
            filtered: ahead.filtered,
            variants: wanted.variants.len(),
        };
        let mut seen: Vec<String> = Vec::new();
        for action in actions(collector, &wanted.details) {
            // What two of them call alike was counted as one.
            if seen.contains(&name(action)) && before.contains_key(&name(action)) {
                continue;
            }
            seen.push(name(action));
            let detail =
                wanted.details.iter().find(|detail| std::ptr::eq(detail.list().request.action, action));
            estimate.calls.push(guess.call(action, detail.copied()));
        }
    }
    Ok(estimate)
}

/// The classes that the list's own objects are reported as.
fn own_classes(collector: &ObjectCollector) -> Vec<&'static str> {
    let more = collector.class.iter().flat_map(|(_, classes)| classes.iter().map(|(_, class)| *class));
    let mut classes: Vec<&'static str> =
        std::iter::once(collector.description.measurement).chain(more).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// What is known of one region.
struct Guess<'known> {
    collector: &'static ObjectCollector,
    region: &'known Text,
    objects: &'known [Arc<BTreeMap<Text, Text>>],
    counted: &'known BTreeMap<String, u64>,
    filtered: bool,
    /// How often the list is read.
    variants: usize,
}

impl Guess<'_> {
    fn call(&self, action: &'static Action, detail: Option<&'static Detail>) -> Expected {
        let after_filter = detail.is_some_and(|detail| !matches!(detail.how, How::Region { .. }));
        let (calls, at_least) = match self.counted.get(&name(action)) {
            // Which objects are kept is decided anew each time; what is asked for before that is not.
            Some(calls) if self.filtered && after_filter => {
                (*calls, Some(format!("{}the filter decides anew for which objects", self.place())))
            }
            Some(calls) => (*calls, None),
            None => (self.declared(action, detail), Some(self.unknown())),
        };
        let one_by_one = detail.is_some_and(|detail| matches!(detail.how, How::Item { .. }));
        let in_a_row = if one_by_one { calls.div_ceil(AT_ONCE as u64) } else { calls };
        Expected { in_a_row, at_least, ..Expected::new(action, self.region, calls) }
    }

    /// By the declaration, for the objects that are remembered.
    fn declared(&self, action: &'static Action, detail: Option<&'static Detail>) -> u64 {
        let objects = self.objects.len();
        match detail.map(|detail| &detail.how) {
            // A region without objects needs no details.
            Some(How::Region { .. }) => u64::from(objects > 0),
            Some(How::Item { only, .. }) => self.fitting(*only) as u64,
            Some(How::Batch { most, only, .. }) => self.fitting(*only).div_ceil(*most) as u64,
            None if std::ptr::eq(action, self.collector.list.request.action) => {
                let variants = self.variants.max(1) as u64;
                pages(objects, most(self.collector.list.paging)).max(variants)
            }
            // The list of the regions, or another list of the package.
            None => u64::from(!self.collector.also.iter().any(|also| {
                also.details.iter().any(|detail| std::ptr::eq(detail.list().request.action, action))
            })),
        }
    }

    /// What the list says of an object is remembered where it is one of its tags.
    fn fitting(&self, only: Option<(&'static str, &'static str)>) -> usize {
        let Some((path, wanted)) = only else { return self.objects.len() };
        let is_path = |from: &Source| matches!(from, Source::Path(known) if *known == path);
        let tag = self.collector.description.tags.iter().find(|tag| is_path(&tag.from));
        let fits = |tags: &&Arc<BTreeMap<Text, Text>>| {
            tag.is_none_or(|tag| tags.get(tag.key).is_some_and(|value| **value == *wanted))
        };
        self.objects.iter().filter(fits).count()
    }

    fn place(&self) -> String {
        if self.region.is_empty() { String::new() } else { format!("{}: ", self.region) }
    }

    fn unknown(&self) -> String {
        let place = self.place();
        match self.objects.len() {
            0 if place.is_empty() => "nothing has been collected yet".into(),
            0 => format!("{place}nothing has been collected there yet"),
            1 => format!("{place}by the one object that is remembered, not by a complete collection"),
            more => format!("{place}by the {more} objects that are remembered, not by a complete collection"),
        }
    }
}

/// The largest page.
fn most(paging: Paging) -> usize {
    match paging {
        Paging::Numbers { sizes, .. } | Paging::FromZero { sizes, .. } | Paging::Offsets { sizes, .. } => {
            sizes.most()
        }
        Paging::Tokens { size, .. } => size.map_or(usize::MAX, |(_, most)| most),
        Paging::Whole => usize::MAX,
    }
}

/// See [`crate::collector::Spec::discover`]: the lists alone, without details and filters.
pub(super) async fn discover(
    collector: &'static ObjectCollector,
    wanted: &Wanted,
    run: &Run,
    regions: &[Text],
) -> Result<(), Failure> {
    let list: &'static Action = collector.list.request.action;
    for home in regions {
        let tally = Tally::of([list]);
        let places: Vec<Text> = match collector.scope {
            Scope::Account { region, without } => {
                return discover_account(collector, run, regions, region, without).await;
            }
            Scope::Region | Scope::Sites(_) => vec![home.clone()],
            Scope::Central(at) => vec![Text::from(at)],
            Scope::Everywhere(central, regions) => {
                let named = Walk::new(regions, &Text::from(central), &[], &tally).all(run).await?;
                let ids = named.iter().filter_map(|item| at(item, regions.id).and_then(text));
                ids.map(Text::from).collect()
            }
        };
        for place in &places {
            discover_list(collector, &wanted.variants, run, home, place, &tally).await?;
            for also in collector.also {
                discover_list(also, &Wanted::all(also).variants, run, home, place, &tally).await?;
            }
        }
        remember(collector, run, home, &tally).await?;
    }
    Ok(())
}

async fn discover_list(
    collector: &'static ObjectCollector,
    variants: &[&'static str],
    run: &Run,
    home: &Text,
    region: &Text,
    tally: &Tally,
) -> Result<(), Failure> {
    let asked: Vec<Option<(&'static str, &'static str)>> = match collector.variants {
        None => vec![None],
        Some((parameter, _)) => variants.iter().map(|value| Some((parameter, *value))).collect(),
    };
    for asked in asked {
        let parameters: Vec<(String, Json)> =
            asked.iter().map(|(parameter, value)| ((*parameter).to_owned(), Json::from(*value))).collect();
        let mut walk = Walk::new(&collector.list, region, &parameters, tally).apart_by(collector.apart);
        while walk.goes_on() {
            match walk.next(run).await {
                Ok(items) => send(collector, asked.map(|(_, value)| value), run, home, region, items).await,
                Err(Failure::Call(error)) if collector.quiet.contains(&error.code.as_str()) => break,
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

async fn discover_account(
    collector: &'static ObjectCollector,
    run: &Run,
    regions: &[Text],
    paths: &'static [&'static str],
    without: &'static str,
) -> Result<(), Failure> {
    let tally = Tally::of([collector.list.request.action]);
    let Some((mut walk, mut items)) = begin(collector, run, regions, &tally).await? else { return Ok(()) };
    loop {
        let mut shares: BTreeMap<&Text, Vec<Json>> = BTreeMap::new();
        for item in items {
            let own = paths.iter().find_map(|path| at(&item, path).and_then(text));
            let own = own.as_deref().map(|own| own.strip_prefix(without).unwrap_or(own));
            if let Some(region) = regions.iter().find(|region| Some(&***region) == own) {
                shares.entry(region).or_default().push(item);
            }
        }
        for (region, items) in shares {
            send(collector, None, run, region, region, items).await;
        }
        if !walk.goes_on() {
            break;
        }
        items = walk.next(run).await?;
    }
    remember(collector, run, &Text::from(""), &tally).await
}

async fn send(
    collector: &'static ObjectCollector,
    asked: Option<&'static str>,
    run: &Run,
    home: &Text,
    region: &Text,
    items: Vec<Json>,
) {
    let points: Vec<_> = items
        .into_iter()
        .map(|item| collector.point(region, &Object { asked, ..Object::new(item) }, run.time()))
        .collect();
    if !points.is_empty() {
        run.send(Output::Objects { region: home.clone(), points }).await;
    }
}
