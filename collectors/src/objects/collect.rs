//! One collection: pages become objects, details are joined, filters decide, points leave.
//!
//! Owns the order of these steps. Memory holds two pages, the objects that wait for a batch to fill, and what was listed for the whole region.

use super::ahead;
use super::detail::{Details, How, is};
use super::list::{List, Tally, Walk, at, text};
use super::project::Object;
use super::{ObjectCollector, Scope, Wanted};
use crate::call::{Fault, number};
use crate::collector::{Failure, Output};
use crate::mapped::Mapped as _;
use crate::mistake::nearest;
use crate::point::{Point, Text};
use crate::region_hint;
use crate::run::Run;
use futures_util::future::join_all;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Objects that are handed over at once: few, as one can take 20 kB.
const AT_ONCE: usize = 250;

/// Collects these regions.
pub(super) async fn collect(
    collector: &'static ObjectCollector,
    wanted: &Wanted,
    run: &Run,
    regions: &[Text],
) {
    match collector.scope {
        Scope::Region | Scope::Sites(_) => {
            join_all(regions.iter().map(|region| async move {
                let tally = ahead::tally(collector, &wanted.details);
                let result = here(collector, wanted, run, region, region, &tally).await;
                let result = ahead::remembered(collector, run, region, &tally, result).await;
                run.done(region, result).await;
            }))
            .await;
        }
        Scope::Central(at) => {
            for region in regions {
                let tally = ahead::tally(collector, &wanted.details);
                let result = here(collector, wanted, run, region, &Text::from(at), &tally).await;
                let result = ahead::remembered(collector, run, region, &tally, result).await;
                run.done(region, result).await;
            }
        }
        Scope::Everywhere(at, list) => {
            for region in regions {
                let tally = ahead::tally(collector, &wanted.details);
                let at = Text::from(at);
                let result = everywhere(collector, wanted, run, region, &at, list, &tally).await;
                let result = ahead::remembered(collector, run, region, &tally, result).await;
                run.done(region, result).await;
            }
        }
        Scope::Account { region, without } => {
            let result = account(collector, wanted, run, regions, |item| {
                let own = region.iter().find_map(|path| at(item, path).and_then(text))?;
                Some(own.strip_prefix(without).unwrap_or(&own).to_owned())
            })
            .await;
            for region in regions {
                run.done(region, result.clone()).await;
            }
        }
    }
}

/// What there is at one region's host, reported as of `home`.
async fn here(
    collector: &'static ObjectCollector,
    wanted: &Wanted,
    run: &Run,
    home: &Text,
    region: &Text,
    tally: &Arc<Tally>,
) -> Result<(), Failure> {
    let mut result = Collection::new(collector, wanted, run, home, region, tally).region().await;
    // A list that fails keeps no other from being read.
    for collector in collector.also {
        let more =
            Collection::new(collector, &Wanted::all(collector), run, home, region, tally).region().await;
        result = result.and(more);
    }
    result
}

/// What there is in all regions that the cloud names.
async fn everywhere(
    collector: &'static ObjectCollector,
    wanted: &Wanted,
    run: &Run,
    home: &Text,
    at: &Text,
    list: &'static List,
    tally: &Arc<Tally>,
) -> Result<(), Failure> {
    let named = Walk::new(list, at, &[], tally).all(run).await?;
    let regions: Vec<Text> = named
        .iter()
        .filter_map(|item| super::list::at(item, list.id).and_then(text))
        .map(Text::from)
        .collect();
    let results =
        join_all(regions.iter().map(|region| here(collector, wanted, run, home, region, tally))).await;
    results.into_iter().collect()
}

/// The first page of the account's one list, from the first region whose host answers: one that does not exist keeps no other from being read.
/// Regions that are known come first.
pub(super) async fn begin<'list>(
    collector: &'static ObjectCollector,
    run: &Run,
    regions: &[Text],
    tally: &'list Tally,
) -> Result<Option<(Walk<'list>, Vec<Json>)>, Failure> {
    let cloud = collector.description.cloud;
    let mut homes: Vec<&Text> = regions.iter().collect();
    homes.sort_by_key(|region| region_hint(cloud, region).is_some());
    let mut failure = None;
    for home in homes {
        let mut walk = Walk::new(&collector.list, home, &[], tally).apart_by(collector.apart);
        match walk.next(run).await {
            Ok(items) => return Ok(Some((walk, items))),
            // What holds for the keys holds everywhere.
            Err(Failure::Call(error)) if matches!(error.fault, Fault::Transient | Fault::Refused) => {
                failure = failure.or(Some(Failure::Call(error)));
            }
            Err(failure) => return Err(failure),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// What to say of a region in which nothing lies: nothing where the cloud is known to have it.
fn nowhere(collector: &ObjectCollector, region: &str, places: &BTreeSet<String>) -> Option<String> {
    let hint = region_hint(collector.description.cloud, region)?;
    // A region that is too new to be known may have a near one among those that are used.
    let near = nearest(region, places.iter().map(String::as_str)).filter(|_| !hint.contains("did you mean"));
    Some(near.map_or_else(|| hint.clone(), |near| format!("{hint}: did you mean `{near}`?")))
}

/// The account's one list, each item to its region.
async fn account(
    collector: &'static ObjectCollector,
    wanted: &Wanted,
    run: &Run,
    regions: &[Text],
    region_of: impl Fn(&Json) -> Option<String>,
) -> Result<(), Failure> {
    let tally = Tally::of([collector.list.request.action]);
    let Some((mut walk, mut items)) = begin(collector, run, regions, &tally).await? else { return Ok(()) };
    let mut collections: BTreeMap<Text, Collection<'_>> = regions
        .iter()
        .map(|region| {
            let tally = ahead::tally(collector, &wanted.details);
            (region.clone(), Collection::new(collector, wanted, run, region, region, &tally))
        })
        .mapped();
    // Where anything lies at all.
    let mut places: BTreeSet<String> = BTreeSet::new();
    loop {
        let mut shares: BTreeMap<Text, Vec<Json>> = BTreeMap::new();
        for item in items {
            let Some(region) = region_of(&item) else { continue };
            if let Some((region, _)) = collections.get_key_value(region.as_str()) {
                shares.entry(region.clone()).or_default().push(item);
            }
            places.insert(region);
        }
        let pages = collections.iter_mut().filter_map(|(region, collection)| {
            let items = shares.remove(region)?;
            Some(collection.page(items))
        });
        for result in join_all(pages).await {
            result?;
        }
        if !walk.goes_on() {
            break;
        }
        items = walk.next(run).await?;
    }
    for region in regions.iter().filter(|region| !places.contains(&***region)) {
        if let Some(hint) = nowhere(collector, region, &places) {
            run.warn(format!("{region}: the account has nothing there, and {hint}")).await;
        }
    }
    for collection in collections.values_mut() {
        collection.lack = walk.lack().map(str::to_owned);
        collection.finish().await?;
        ahead::remember(collector, run, &collection.region, &collection.tally).await?;
    }
    ahead::remember(collector, run, &Text::from(""), &tally).await
}

/// One region's collection.
struct Collection<'run> {
    collector: &'static ObjectCollector,
    run: &'run Run,
    /// As what its points go out.
    home: Text,
    /// Where it is asked for.
    region: Text,
    tally: Arc<Tally>,
    details: Details<'run>,
    /// Values of the parameter by which the list is read several times.
    variants: Vec<&'static str>,
    /// The one by which it is being read.
    asked: Option<&'static str>,
    /// Has what is listed once a region been listed?
    listed: bool,
    /// Objects that wait until a batch is full.
    waiting: Vec<Object>,
    nameless: u64,
    skipped: u64,
    /// What a list promised and did not show.
    lack: Option<String>,
    /// Ids that came in an earlier variant of the list, or with an earlier item of theirs.
    came: HashSet<String>,
    /// Names that are taken, where the name is not the id.
    named: HashSet<Text>,
    /// Objects that wait until all are there, of a product whose objects share names.
    held: Vec<Object>,
}

impl<'run> Collection<'run> {
    fn new(
        collector: &'static ObjectCollector,
        wanted: &Wanted,
        run: &'run Run,
        home: &Text,
        region: &Text,
        tally: &Arc<Tally>,
    ) -> Self {
        let details = Details::new(run, region, &collector.description, &wanted.details, tally.clone());
        Self {
            collector,
            run,
            home: home.clone(),
            region: region.clone(),
            tally: tally.clone(),
            details,
            variants: wanted.variants.clone(),
            asked: None,
            listed: false,
            waiting: Vec::new(),
            nameless: 0,
            skipped: 0,
            lack: None,
            came: HashSet::new(),
            named: HashSet::new(),
            held: Vec::new(),
        }
    }

    /// All of the region.
    async fn region(&mut self) -> Result<(), Failure> {
        let read = self.lists().await;
        // What came before a page failed is reported all the same, though its batch is not full.
        self.flush().await;
        read?;
        self.finish().await
    }

    /// The list, once for each value by which it is read.
    async fn lists(&mut self) -> Result<(), Failure> {
        match self.collector.variants {
            None => self.list(&[]).await?,
            Some((parameter, _)) => {
                for value in self.variants.clone() {
                    self.asked = Some(value);
                    self.list(&[(parameter.to_owned(), Json::from(value))]).await?;
                }
            }
        }
        Ok(())
    }

    /// All pages of a list. The next page is on its way while one is worked on: it is asked for first, as a page is worked on for long before it waits for
    /// anything.
    async fn list(&mut self, parameters: &[(String, Json)]) -> Result<(), Failure> {
        let run = self.run;
        let (region, tally) = (self.region.clone(), self.tally.clone());
        let mut walk =
            Walk::new(&self.collector.list, &region, parameters, &tally).apart_by(self.collector.apart);
        let mut items = match walk.next(run).await {
            Err(Failure::Call(error)) if self.collector.quiet.contains(&error.code.as_str()) => {
                let place = if self.region.is_empty() { String::new() } else { format!("{}: ", self.region) };
                let title = self.collector.description.title;
                run.warn(format!("{place}{title}: not opened or not to be had there ({})", error.code)).await;
                return Ok(());
            }
            items => items?,
        };
        while walk.goes_on() {
            let (following, page) = tokio::join!(walk.next(run), self.page(items));
            page?;
            items = following?;
        }
        self.page(items).await?;
        self.lack = self.lack.take().or_else(|| walk.lack().map(str::to_owned));
        Ok(())
    }

    /// One page's items, as far as they can be sent.
    async fn page(&mut self, mut items: Vec<Json>) -> Result<(), Failure> {
        if let Some(skip) = &self.collector.skip {
            let before = items.len();
            items.retain(|item| {
                let value = at(item, skip.path).and_then(text).unwrap_or_default();
                skip.values.contains(&value.as_str()) == skip.others
            });
            self.skipped += (before - items.len()) as u64;
        }
        if self.collector.variants.is_some() || !self.collector.apart.is_empty() {
            let id = self.collector.list.id;
            items.retain(|item| at(item, id).and_then(text).is_none_or(|id| self.came.insert(id)));
        }
        if items.is_empty() {
            return Ok(());
        }
        // A region without objects needs no details.
        if !std::mem::replace(&mut self.listed, true) {
            self.details.list_region().await;
        }
        let mut objects = Vec::with_capacity(items.len());
        for item in items {
            if at(&item, self.collector.list.id).and_then(text).is_some() {
                let mut object = Object { asked: self.asked, ..Object::new(item) };
                object.hide(self.collector.hide);
                objects.push(object);
            } else {
                self.nameless += 1;
            }
        }
        if let Some(filter) = &self.run.filter {
            self.details.ask_each(&mut objects, |detail| self.details.makes_tags(detail)).await;
            let batch = self.details.batch().filter(|(batch, _)| self.details.makes_tags(batch));
            if let Some((batch, most)) = batch {
                for chunk in objects.chunks_mut(most) {
                    self.details.ask_batch(batch, chunk).await;
                }
            }
            self.hide(&mut objects);
            let instances = objects.iter().map(|object| self.instance(object)).collect();
            let mut keep = filter.keep(instances).await?.into_iter();
            objects.retain(|_| keep.next().unwrap_or(false));
            self.details.ask_each(&mut objects, |detail| !self.details.makes_tags(detail)).await;
            if batch.is_some() {
                self.hide(&mut objects);
                self.send(objects).await;
                return Ok(());
            }
        } else {
            self.details.ask_each(&mut objects, |_| true).await;
        }
        self.hide(&mut objects);
        let batch = self.details.batch();
        let Some((batch, most, only)) = batch.and_then(|(batch, most)| match &batch.how {
            How::Batch { only, .. } => Some((batch, most, *only)),
            How::Item { .. } | How::Region { .. } => None,
        }) else {
            self.send(objects).await;
            return Ok(());
        };
        let (eligible, others): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| is(&object.item, only));
        self.send(others).await;
        self.waiting.extend(eligible);
        while self.waiting.len() >= most {
            let later = self.waiting.split_off(most);
            let mut full = std::mem::replace(&mut self.waiting, later);
            self.details.ask_batch(batch, &mut full).await;
            self.send(full).await;
        }
        Ok(())
    }

    fn hide(&self, objects: &mut [Object]) {
        objects.iter_mut().for_each(|object| object.hide(self.collector.hide));
    }

    /// What waits for a batch to fill.
    async fn flush(&mut self) {
        let mut rest = std::mem::take(&mut self.waiting);
        if let Some((batch, _)) = self.details.batch().filter(|_| !rest.is_empty()) {
            self.details.ask_batch(batch, &mut rest).await;
        }
        self.send(rest).await;
    }

    /// What still waits, and what a person should know.
    async fn finish(&mut self) -> Result<(), Failure> {
        self.flush().await;
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_cached_key(|object| {
            let id = at(&object.item, self.collector.list.id).and_then(text).unwrap_or_default();
            // Numbers by their size: the shorter is the smaller.
            (id.len(), id)
        });
        self.send_all(held).await;
        for warning in self.details.warnings() {
            self.run.warn(warning).await;
        }
        let central = matches!(self.collector.scope, Scope::Central(_));
        let place = if central { String::new() } else { format!("{}: ", self.region) };
        if self.nameless > 0 {
            self.run
                .warn(format!(
                    "{place}{} left out",
                    number(
                        self.nameless,
                        "item of the list has no id and was",
                        "items of the list have no id and were"
                    )
                ))
                .await;
        }
        if let Some(skip) =
            self.collector.skip.as_ref().filter(|skip| self.skipped > 0 && !skip.note.is_empty())
        {
            self.run.warn(format!("{place}{} {}", self.skipped, skip.note)).await;
        }
        if let Some(lack) = self.lack.take() {
            // Nothing that was not seen may be forgotten.
            return Err(Failure::Answer(format!("{place}{lack}")));
        }
        Ok(())
    }

    async fn send(&mut self, objects: Vec<Object>) {
        if self.collector.shared_names {
            self.held.extend(objects);
        } else {
            self.send_all(objects).await;
        }
    }

    async fn send_all(&mut self, objects: Vec<Object>) {
        let mut objects = objects.into_iter().peekable();
        while objects.peek().is_some() {
            // A part of the page at a time: the next is made when there is room for it.
            let points: Vec<Point> =
                objects.by_ref().take(AT_ONCE).map(|object| self.point(object)).collect();
            self.run.send(Output::Objects { region: self.home.clone(), points }).await;
        }
    }

    fn point(&mut self, mut object: Object) -> Point {
        let id = at(&object.item, self.collector.list.id).and_then(text).unwrap_or_default();
        self.details.join_region(&id, &mut object);
        let mut point = self.collector.point(&self.region, &object, self.run.time());
        // Two objects of one name would be one: the second is called by its id.
        if let Some((_, name)) = point.tags.iter_mut().find(|(key, name)| &**key == "name" && **name != *id)
            && !self.named.insert(name.clone())
        {
            *name = id.into();
        }
        point
    }

    /// What a filter sees: the reported tags, and the API's own members where the name is free.
    fn instance(&self, object: &Object) -> Json {
        let point = self.collector.point(&self.region, object, self.run.time());
        let mut instance = object.item.as_object().cloned().unwrap_or_default();
        for (key, value) in &point.tags {
            instance.insert(key.to_string(), Json::from(&**value));
        }
        Json::Object(instance)
    }
}
