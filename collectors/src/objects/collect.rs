//! One collection: pages become objects, details are joined, filters decide, points leave.
//!
//! Owns the order of these steps. Memory holds two pages, the objects that wait for a batch to fill, and what was listed for the whole region.

use super::ahead;
use super::detail::{Detail, Details, How};
use super::list::{Tally, Walk, at, text};
use super::project::{Object, point};
use super::{ObjectCollector, Scope};
use crate::collector::{Failure, Output};
use crate::point::{Point, Text};
use crate::run::Run;
use futures_util::future::join_all;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Collects these regions.
pub(super) async fn collect(
    collector: &'static ObjectCollector,
    details: &[&'static Detail],
    run: &Run,
    regions: &[Text],
) {
    match collector.scope {
        Scope::Region => {
            join_all(regions.iter().map(|region| async move {
                let result = Collection::new(collector, details, run, region).region().await;
                run.done(region, result).await;
            }))
            .await;
        }
        Scope::Account { region, without } => {
            let result = account(collector, details, run, regions, |item| {
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

/// The account's one list, each item to its region.
async fn account(
    collector: &'static ObjectCollector,
    details: &[&'static Detail],
    run: &Run,
    regions: &[Text],
    region_of: impl Fn(&Json) -> Option<String>,
) -> Result<(), Failure> {
    let Some(first) = regions.first() else { return Ok(()) };
    let tally = Tally::of([collector.list.request.action]);
    let mut collections: BTreeMap<Text, Collection<'_>> = regions
        .iter()
        .map(|region| (region.clone(), Collection::new(collector, details, run, region)))
        .collect();
    let mut walk = Walk::new(&collector.list, first, &[], &tally);
    while walk.goes_on() {
        let mut shares: BTreeMap<Text, Vec<Json>> = BTreeMap::new();
        for item in walk.next(run).await? {
            if let Some(region) = region_of(&item)
                && let Some((region, _)) = collections.get_key_value(region.as_str())
            {
                shares.entry(region.clone()).or_default().push(item);
            }
        }
        let pages = collections.iter_mut().filter_map(|(region, collection)| {
            let items = shares.remove(region)?;
            Some(collection.page(items))
        });
        for result in join_all(pages).await {
            result?;
        }
    }
    for collection in collections.values_mut() {
        collection.finish(&walk).await?;
    }
    ahead::remember(collector, run, &Text::from(""), &tally).await
}

/// One region's collection.
struct Collection<'run> {
    collector: &'static ObjectCollector,
    run: &'run Run,
    region: Text,
    tally: Arc<Tally>,
    details: Details<'run>,
    /// Has what is listed once a region been listed?
    listed: bool,
    /// Objects that wait until a batch is full.
    waiting: Vec<Object>,
    nameless: u64,
}

impl<'run> Collection<'run> {
    fn new(
        collector: &'static ObjectCollector,
        details: &[&'static Detail],
        run: &'run Run,
        region: &Text,
    ) -> Self {
        let own = (collector.scope == Scope::Region).then_some(collector.list.request.action);
        let beside = details.iter().map(|detail| detail.list().request.action);
        let tally = Arc::new(Tally::of(own.into_iter().chain(beside)));
        let details = Details::new(run, region, &collector.description, details, tally.clone());
        Self {
            collector,
            run,
            region: region.clone(),
            tally,
            details,
            listed: false,
            waiting: Vec::new(),
            nameless: 0,
        }
    }

    /// All pages of the region. The next page is on its way while one is worked on.
    async fn region(&mut self) -> Result<(), Failure> {
        let run = self.run;
        let (region, tally) = (self.region.clone(), self.tally.clone());
        let mut walk = Walk::new(&self.collector.list, &region, &[], &tally);
        let mut items = walk.next(run).await?;
        while walk.goes_on() {
            let (page, following) = tokio::join!(self.page(items), walk.next(run));
            page?;
            items = following?;
        }
        self.page(items).await?;
        self.finish(&walk).await
    }

    /// One page's items, as far as they can be sent.
    async fn page(&mut self, items: Vec<Json>) -> Result<(), Failure> {
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
                objects.push(Object::new(item));
            } else {
                self.nameless += 1;
            }
        }
        if let Some(filter) = &self.run.filter {
            self.details.ask_each(&mut objects, |detail| self.details.makes_tags(detail)).await;
            let instances = objects.iter().map(|object| self.instance(object)).collect();
            let mut keep = filter.keep(instances).await?.into_iter();
            objects.retain(|_| keep.next().unwrap_or(false));
            self.details.ask_each(&mut objects, |detail| !self.details.makes_tags(detail)).await;
        } else {
            self.details.ask_each(&mut objects, |_| true).await;
        }
        let Some((batch, most)) = self.details.batch() else { return self.send(objects).await };
        let How::Batch { only: (path, wanted), .. } = &batch.how else { return self.send(objects).await };
        let (eligible, others): (Vec<Object>, Vec<Object>) = objects
            .into_iter()
            .partition(|object| at(&object.item, path).and_then(Json::as_str) == Some(wanted));
        self.send(others).await?;
        self.waiting.extend(eligible);
        while self.waiting.len() >= most {
            let later = self.waiting.split_off(most);
            let mut full = std::mem::replace(&mut self.waiting, later);
            self.details.ask_batch(batch, &mut full).await;
            self.send(full).await?;
        }
        Ok(())
    }

    /// What still waits, and what a person should know.
    async fn finish(&mut self, walk: &Walk<'_>) -> Result<(), Failure> {
        let mut rest = std::mem::take(&mut self.waiting);
        if let Some((batch, _)) = self.details.batch().filter(|_| !rest.is_empty()) {
            self.details.ask_batch(batch, &mut rest).await;
        }
        self.send(rest).await?;
        for warning in self.details.warnings() {
            self.run.warn(warning).await;
        }
        let region = &self.region;
        if self.nameless > 0 {
            self.run
                .warn(format!("{region}: {} items of the list have no id and were left out", self.nameless))
                .await;
        }
        if walk.missing() > 0 {
            // Nothing that was not seen may be forgotten.
            return Err(Failure::Answer(format!(
                "{region}: the list changed while it was read, twice: {} of its items were not shown",
                walk.missing()
            )));
        }
        ahead::remember(self.collector, self.run, &self.region, &self.tally).await
    }

    async fn send(&self, objects: Vec<Object>) -> Result<(), Failure> {
        let points: Vec<Point> = objects.into_iter().map(|object| self.point(object)).collect();
        if !points.is_empty() {
            self.run.send(Output::Objects { region: self.region.clone(), points }).await;
        }
        Ok(())
    }

    fn point(&self, mut object: Object) -> Point {
        let id = at(&object.item, self.collector.list.id).and_then(text).unwrap_or_default();
        self.details.join_region(&id, &mut object);
        point(&self.collector.description, &self.region, &object, self.run.started)
    }

    /// What a filter sees: the reported tags, and the API's own members where the name is free.
    fn instance(&self, object: &Object) -> Json {
        let point = point(&self.collector.description, &self.region, object, self.run.started);
        let mut instance = object.item.as_object().cloned().unwrap_or_default();
        for (key, value) in &point.tags {
            instance.insert(key.to_string(), Json::from(&**value));
        }
        Json::Object(instance)
    }
}
