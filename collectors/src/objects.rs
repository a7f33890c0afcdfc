//! Object collectors as declarations: list, page, filter, project.
//!
//! Owns what all of them do alike. A product is one literal: how its list is asked for, where the id stands, and which members
//! become tags and fields. Knows no product and no protocol: a [`Listing`] brings its pages.

use crate::account::Account;
use crate::call::CallError;
use crate::collector::{Collector, Description, Failure, Output, Reported, Source, Spec, Type, regions};
use crate::mistake::{Argument, Mistake};
use crate::point::{Category, Point, Text, Value};
use crate::run::Run;
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::Value as Json;

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// The items, spelled as the vendor's SDKs spell them.
    pub items: Vec<Json>,
    /// What brings the next page.
    pub next: Option<String>,
}

/// How the items of a product are listed in one region.
#[async_trait::async_trait]
pub trait Listing: Sync + Send + std::fmt::Debug {
    /// One page; `token` is what the page before said.
    async fn page(&self, run: &Run, region: &Text, token: Option<&str>) -> Result<Page, CallError>;
}

/// A product's objects.
#[derive(Debug)]
pub struct ObjectCollector {
    /// What it is; its tags and fields say which member each comes from.
    pub description: Description,
    /// How it is listed.
    pub listing: &'static dyn Listing,
}

impl Collector for ObjectCollector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn read(&'static self, account: &Account, configs: &Json) -> Result<Box<dyn Spec>, Mistake> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            regions: Option<Vec<String>>,
        }
        if configs.get("targets").is_some() {
            return Err(Mistake::new(
                Argument::Configs,
                "targets",
                "belongs to a metrics collector: this one reports objects",
            )
            .hint(format!("{} takes `regions` alone", self.description.name)));
        }
        let written: Written = crate::mistake::read(Argument::Configs, configs)?;
        let regions = regions(account, written.regions.as_deref())?;
        Ok(Box::new(ObjectSpec { collector: self, regions }))
    }
}

/// An object collector with its regions.
#[derive(Debug)]
struct ObjectSpec {
    collector: &'static ObjectCollector,
    regions: Vec<Text>,
}

#[async_trait::async_trait]
impl Spec for ObjectSpec {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        join_all(regions.iter().map(|region| async move {
            let result = self.region(run, region).await;
            run.done(region, result).await;
        }))
        .await;
    }
}

impl ObjectSpec {
    /// All pages of a region. The next page is on its way while one is filtered and sent.
    async fn region(&self, run: &Run, region: &Text) -> Result<(), Failure> {
        let listing = self.collector.listing;
        let mut page = listing.page(run, region, None).await?;
        let mut token: Option<String> = None;
        loop {
            let next = page.next.take();
            if next.is_some() && next == token {
                return Err(Failure::Answer(format!(
                    "the list of {region} does not end: the cloud gave the same page token twice"
                )));
            }
            let sending = self.send(run, region, page.items);
            match next {
                None => return sending.await,
                Some(next) => {
                    let (sent, following) = tokio::join!(sending, listing.page(run, region, Some(&next)));
                    sent?;
                    page = following?;
                    token = Some(next);
                }
            }
        }
    }

    async fn send(&self, run: &Run, region: &Text, items: Vec<Json>) -> Result<(), Failure> {
        let mut points = Vec::with_capacity(items.len());
        let mut nameless = 0;
        let mut instances = Vec::new();
        for item in items {
            let point = point(&self.collector.description, region, &item, run.started);
            if point.tag("name").is_none() {
                nameless += 1;
                continue;
            }
            if run.filter.is_some() {
                instances.push(instance(&point, item));
            }
            points.push(point);
        }
        if nameless > 0 {
            run.warn(format!("{region}: {nameless} items of the list have no id and were left out")).await;
        }
        if let Some(filter) = &run.filter {
            let keep = filter.keep(instances).await?;
            let mut keep = keep.into_iter();
            points.retain(|_| keep.next().unwrap_or(false));
        }
        if !points.is_empty() {
            run.send(Output::Objects { region: region.clone(), points }).await;
        }
        Ok(())
    }
}

/// What a filter sees: the reported tags, and the API's own members where the name is free.
fn instance(point: &Point, item: Json) -> Json {
    let mut instance = match item {
        Json::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    for (key, value) in &point.tags {
        instance.insert(key.to_string(), Json::from(&**value));
    }
    Json::Object(instance)
}

/// An item as a point, by what the description says of each tag and field.
#[must_use]
pub fn point(description: &Description, region: &Text, item: &Json, time: i64) -> Point {
    let mut point = Point {
        category: Category::CustomObject,
        measurement: description.measurement.into(),
        tags: Vec::with_capacity(description.tags.len()),
        fields: Vec::with_capacity(description.fields.len()),
        time,
    };
    for tag in description.tags {
        if let Some(Value::Text(text)) = value(tag, region, item) {
            point.add_tag(&Text::from(tag.key), &text);
        }
    }
    for field in description.fields {
        if let Some(value) = value(field, region, item) {
            point.fields.push((field.key.into(), value));
        }
    }
    point
}

/// One reported value; what the API does not return is left out, never empty.
fn value(reported: &Reported, region: &Text, item: &Json) -> Option<Value> {
    let found = match reported.from {
        Source::Region => return Some(Value::Text(region.clone())),
        Source::Collector => return None,
        Source::Item => item,
        Source::Path(path) => path.split('.').try_fold(item, |value, name| value.get(name))?,
        Source::CloudTag(key) => {
            let tags = item.get("Tags")?.as_array()?;
            tags.iter().find(|tag| tag.get("Key").and_then(Json::as_str) == Some(key))?.get("Value")?
        }
    };
    let empty = match found {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(members) => members.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    };
    if empty {
        return None;
    }
    let text = || match found {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    match reported.kind {
        Type::Text => Some(Value::Text(text().into())),
        Type::Json => Some(Value::Text(found.to_string().into())),
        Type::Time => Some(Value::Text(without_fraction(&text()).into())),
        Type::Integer => found.as_i64().or_else(|| text().trim().parse().ok()).map(Value::Integer),
        Type::Float => found.as_f64().or_else(|| text().trim().parse().ok()).map(Value::Float),
        Type::Boolean => found.as_bool().or_else(|| text().trim().parse().ok()).map(Value::Boolean),
    }
}

/// `2021-10-26T07:00:44.000Z` → `2021-10-26T07:00:44Z`.
fn without_fraction(time: &str) -> String {
    let Some((seconds, rest)) = time.split_once('.') else { return time.to_owned() };
    let zone = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{seconds}{zone}")
}
