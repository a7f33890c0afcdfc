//! Linkage: metrics gain the tags of the object that they are about.
//!
//! Owns which objects are known and how a metric finds its own. Knows no cloud: class, key and value come with the point.
//! Objects are remembered across runs, scripts and processes, because objects are collected every quarter of an hour
//! and metrics every minute.

use crate::state::{Object, ObjectScope, State, StateError, Time};
use funchost_collectors::collector::Link;
use funchost_collectors::mapped::Mapped as _;
use funchost_collectors::point::{Point, Text};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// An object's own tags, shared by all of its points.
pub type ObjectTags = Arc<Vec<(Text, Text)>>;

/// The objects of one account and class.
#[derive(Debug, Default)]
struct Class {
    /// Has the state been asked for those of earlier runs?
    loaded: bool,
    /// By region, then by name.
    regions: HashMap<Text, HashMap<Text, ObjectTags>>,
    /// By another tag than `name`, then by region, made when a link first asks for it.
    by_tag: HashMap<Text, HashMap<Text, HashMap<Text, ObjectTags>>>,
}

impl Class {
    /// The object of a metric of this region: names of one region may be those of others, too. A metric without a region is of any.
    fn find(&mut self, tag: &Text, value: &Text, region: &str) -> Option<ObjectTags> {
        if &**tag == "name" {
            let mut own = self.regions.iter().filter(|(place, _)| is_in(place, region));
            return own.find_map(|(_, objects)| objects.get(value)).cloned();
        }
        let regions = &self.regions;
        let index = self.by_tag.entry(tag.clone()).or_insert_with(|| {
            let of_region = |objects: &HashMap<Text, ObjectTags>| {
                objects
                    .values()
                    .filter_map(|tags| {
                        let (_, value) = tags.iter().find(|(key, _)| key == tag)?;
                        Some((value.clone(), tags.clone()))
                    })
                    .collect()
            };
            regions.iter().map(|(place, objects)| (place.clone(), of_region(objects))).collect()
        });
        let mut own = index.iter().filter(|(place, _)| is_in(place, region));
        own.find_map(|(_, objects)| objects.get(value)).cloned()
    }
}

/// Do the objects of this place belong to a region? Where several collectors share a class, a place is a region and the collector's name; those of
/// a product without regions belong to all.
fn is_in(place: &str, region: &str) -> bool {
    let own = place.split_once('\n').map_or(place, |(own, _)| own);
    region.is_empty() || own.is_empty() || own == region
}

/// The objects of a process, by account and class.
pub struct Linker {
    state: Arc<dyn State>,
    classes: Mutex<Classes>,
}

/// By account, then by class.
type Classes = HashMap<String, HashMap<Text, Class>>;

impl std::fmt::Debug for Linker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Linker").finish_non_exhaustive()
    }
}

impl Linker {
    /// A linker over what `state` remembers.
    #[must_use]
    pub fn new(state: Arc<dyn State>) -> Self {
        Self { state, classes: Mutex::default() }
    }

    /// Makes the remembered objects of a class known.
    ///
    /// # Errors
    /// Where the state cannot be read.
    pub async fn load(&self, account: &str, class: &Text) -> Result<(), StateError> {
        let known = |classes: &mut Classes| classes.get(account)?.get(class).map(|class| class.loaded);
        if self.with(known) == Some(true) {
            return Ok(());
        }
        let remembered = self.state.objects(account, class, None).await?;
        self.with(|classes| {
            let class = of(classes, account, class);
            if !class.loaded {
                class.loaded = true;
                let mut before = ObjectTags::default();
                for (region, object) in remembered {
                    let objects = class.regions.entry(Text::from(region)).or_default();
                    // What this run has collected is newer than what was remembered.
                    objects.entry(Text::from(object.name)).or_insert_with(|| {
                        let tags = object.tags.into_iter().map(|(key, value)| (key.into(), value.into()));
                        before = Arc::new(shared(&before, tags));
                        before.clone()
                    });
                }
                class.by_tag.clear();
            }
        });
        Ok(())
    }

    /// Takes over the objects of a page; `remember` keeps them for later runs too.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub async fn keep(
        &self,
        scope: &ObjectScope,
        points: &[Point],
        remember: bool,
        now: Time,
    ) -> Result<(), StateError> {
        let named = || points.iter().filter_map(|point| name(point).map(|name| (name, &point.tags)));
        self.with(|classes| {
            let class = of(classes, &scope.account, &Text::from(scope.class.as_str()));
            let objects = class.regions.entry(Text::from(scope.region.as_str())).or_default();
            let mut before = ObjectTags::default();
            for (name, tags) in named() {
                before = Arc::new(shared(&before, tags.iter().cloned()));
                objects.insert(name.clone(), before.clone());
            }
            class.by_tag.clear();
        });
        if !remember {
            return Ok(());
        }
        let objects: Vec<Object> = named()
            .map(|(name, tags)| Object {
                name: name.to_string(),
                tags: tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).mapped(),
            })
            .collect();
        self.state.keep_objects(scope, &objects, now).await
    }

    /// Forgets the objects of a scope that a complete collection no longer returned.
    ///
    /// # Errors
    /// Where the state cannot be written.
    pub async fn forget(
        &self,
        scope: &ObjectScope,
        seen: &HashSet<Text>,
        remember: bool,
    ) -> Result<(), StateError> {
        self.with(|classes| {
            let class = of(classes, &scope.account, &Text::from(scope.class.as_str()));
            if let Some(objects) = class.regions.get_mut(scope.region.as_str()) {
                objects.retain(|name, _| seen.contains(name));
            }
            class.by_tag.clear();
        });
        if !remember {
            return Ok(());
        }
        let names: Vec<String> = seen.iter().map(ToString::to_string).collect();
        self.state.forget_objects(scope, &names).await.map(drop)
    }

    /// The object that a link names, for a metric of this region; an empty one is any. Its class must have been loaded.
    #[must_use]
    pub fn find(&self, account: &str, region: &str, link: &Link) -> Option<ObjectTags> {
        self.with(|classes| {
            classes.get_mut(account)?.get_mut(&link.class)?.find(&link.tag, &link.value, region)
        })
    }

    /// The objects of one region, as maps.
    #[must_use]
    pub fn objects(&self, account: &str, class: &str, region: &str) -> Vec<Arc<BTreeMap<Text, Text>>> {
        self.with(|classes| {
            let class = classes.get(account).and_then(|classes| classes.get(class));
            let objects = class.and_then(|class| class.regions.get(region));
            objects
                .into_iter()
                .flat_map(HashMap::values)
                .map(|tags| Arc::new(tags.iter().cloned().collect()))
                .collect()
        })
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Classes) -> T) -> T {
        use_it(&mut self.classes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// An object's own name.
pub fn name(point: &Point) -> Option<&Text> {
    point.tags.iter().find(|(key, _)| &**key == "name").map(|(_, name)| name)
}

/// An object's tags: keys and values that are those of the object before, as most are, are in memory once.
fn shared(before: &ObjectTags, tags: impl Iterator<Item = (Text, Text)>) -> Vec<(Text, Text)> {
    let same =
        |text: Text, known: Option<&Text>| known.filter(|known| **known == text).cloned().unwrap_or(text);
    let one = |(index, (key, value))| {
        let before = before.get(index);
        (same(key, before.map(|(key, _)| key)), same(value, before.map(|(_, value)| value)))
    };
    tags.enumerate().map(one).collect()
}

fn of<'classes>(classes: &'classes mut Classes, account: &str, class: &Text) -> &'classes mut Class {
    classes.entry(account.to_owned()).or_default().entry(class.clone()).or_default()
}

/// The tags that an object adds to its metrics: all, or all but its `name`.
#[must_use]
pub fn added(object: &ObjectTags, with_name: bool) -> [&[(Text, Text)]; 2] {
    let name = if with_name { None } else { object.iter().position(|(key, _)| &**key == "name") };
    let (before, rest) = object.split_at(name.unwrap_or(object.len()));
    // The one between is the name.
    [before, rest.get(1..).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(objects: &[(&str, &str, &str)]) -> Class {
        let mut class = Class::default();
        for (place, name, cluster) in objects {
            let tags: Vec<(Text, Text)> = [("name", *name), ("cluster", *cluster), ("place", *place)]
                .map(|(key, value)| (key.into(), value.into()))
                .to_vec();
            class.regions.entry((*place).into()).or_default().insert((*name).into(), Arc::new(tags));
        }
        class
    }

    fn found(class: &mut Class, tag: &str, value: &str, region: &str) -> Option<String> {
        let tags = class.find(&tag.into(), &value.into(), region)?;
        tags.iter().find(|(key, _)| &**key == "place").map(|(_, place)| place.to_string())
    }

    /// Tables of one name in two regions are two: a metric takes the tags of its own region's, by whatever tag it is found.
    #[test]
    fn a_metric_finds_the_object_of_its_region() {
        let mut class = class(&[
            ("cn-north-1", "orders", "blue"),
            ("us-east-1", "orders", "blue"),
            ("eu-west-1\naws_other", "carts", "green"),
            ("", "everywhere", "red"),
        ]);
        let some = |place: &str| Some(place.to_owned());
        for (tag, value) in [("name", "orders"), ("cluster", "blue")] {
            for region in ["cn-north-1", "us-east-1"] {
                assert_eq!(found(&mut class, tag, value, region), some(region), "{tag}");
            }
            assert_eq!(found(&mut class, tag, value, "eu-west-1"), None, "{tag}");
            assert!(found(&mut class, tag, value, "").is_some(), "a metric without a region is of any");
        }
        assert_eq!(found(&mut class, "name", "carts", "eu-west-1"), some("eu-west-1\naws_other"));
        assert_eq!(found(&mut class, "name", "carts", "eu-west-10"), None);
        assert_eq!(found(&mut class, "cluster", "red", "us-east-1"), some(""), "a product without regions");
    }
}
