//! Details: what is found out about an object beside its list.
//!
//! Owns how they are asked for (once a region, in batches of ids, one by one), how they are joined, and what a refusal means: an object is never lost for
//! a detail. A code that says "this object has no such thing" is silent; every other costs one warning a run and code, and the detail.

use super::list::{List, Tally, Walk, at, text};
use super::project::{Found, Object};
use crate::call::{CallError, Fault};
use crate::collector::{Description, Failure, Reported, Source};
use crate::mapped::Mapped as _;
use crate::point::Text;
use crate::run::Run;
use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// One detail of a product's objects.
#[derive(Debug)]
pub struct Detail {
    /// Its name in `details` and in [`Source::Detail`].
    pub name: &'static str,
    /// May a user do without it?
    pub optional: bool,
    /// How it is found.
    pub how: How,
    /// Codes by which the cloud says that an object has no such thing, or not now.
    pub absent: &'static [&'static str],
}

impl Detail {
    /// How it is asked for.
    #[must_use]
    pub fn list(&self) -> &List {
        match &self.how {
            How::Region { list, .. } | How::Batch { list, .. } | How::Item { list, .. } => list,
        }
    }
}

/// How a detail is found.
#[derive(Debug)]
pub enum How {
    /// Listed once a region and joined.
    Region {
        /// The list.
        list: List,
        /// How.
        join: Join,
        /// To which objects only; none is all.
        fits: Option<fn(&Object) -> bool>,
    },
    /// Asked for with up to `most` ids at once, and joined one to one.
    Batch {
        /// The list.
        list: List,
        /// The parameter of the ids.
        ids: &'static str,
        /// How it holds them.
        form: Ids,
        /// Ids of one call.
        most: usize,
        /// Where the id stands in the object's item.
        id: &'static str,
        /// Only objects whose member has this value; none is all.
        only: Option<(&'static str, &'static str)>,
        /// Codes by which one id refuses the whole call: it is asked again in halves.
        split: &'static [&'static str],
    },
    /// Asked for one by one.
    Item {
        /// The list; the whole answer where `items` is empty.
        list: List,
        /// The parameter of the id, and where it stands in the object's item.
        id: (&'static str, &'static str),
        /// Only for objects whose member has this value; none is all.
        only: Option<(&'static str, &'static str)>,
        /// The only members that are kept; none is all. For answers that hold what nobody may see.
        keep: &'static [&'static str],
        /// Members of this value are as good as missing.
        nothing: Option<i64>,
    },
}

/// How a parameter holds ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// As one text, commas between them.
    Commas,
    /// As a list.
    List,
}

/// Has an item this member with this value? Without a condition every item has.
pub(super) fn is(item: &Json, only: Option<(&'static str, &'static str)>) -> bool {
    only.is_none_or(|(path, wanted)| at(item, path).and_then(text).is_some_and(|value| value == wanted))
}

/// How a region's list is joined to its objects.
#[derive(Debug)]
pub enum Join {
    /// Each item belongs to one object, whose id stands here.
    One(&'static str),
    /// An object has any number of them. Their ids stand at one of these places; `[]` behind a name is each of its elements.
    Many(&'static [&'static str]),
    /// The whole list belongs to every object.
    All,
    /// The same, as a list whose members are reported one by one.
    Tree,
}

/// Calls of one detail that are under way at once; the limiter spaces them.
pub(super) const AT_ONCE: usize = 16;

/// After so many refused permissions, and nothing else, a detail is not asked for again in this run.
const HOPELESS: u64 = 8;

/// What went wrong with one detail and one code.
#[derive(Debug)]
struct Trouble {
    objects: u64,
    first: String,
    text: String,
    hint: Option<String>,
}

/// What happened to one detail.
#[derive(Debug, Default)]
struct Luck {
    answered: u64,
    denied: u64,
    skipped: u64,
    troubles: BTreeMap<String, Trouble>,
}

/// The details of one region's collection.
pub(super) struct Details<'run> {
    run: &'run Run,
    region: Text,
    description: &'static Description,
    details: Vec<&'static Detail>,
    tally: Arc<Tally>,
    /// What was listed for the whole region, by detail, then by the object's id; the whole list under the empty id.
    listed: Mutex<HashMap<&'static str, HashMap<String, Found>>>,
    luck: Mutex<BTreeMap<&'static str, Luck>>,
}

impl<'run> Details<'run> {
    pub(super) fn new(
        run: &'run Run,
        region: &Text,
        description: &'static Description,
        details: &[&'static Detail],
        tally: Arc<Tally>,
    ) -> Self {
        Self {
            run,
            region: region.clone(),
            description,
            details: details.to_vec(),
            tally,
            listed: Mutex::default(),
            luck: Mutex::default(),
        }
    }

    /// Asks for what is listed once a region.
    pub(super) async fn list_region(&self) {
        let lists = self.details.iter().filter_map(|detail| match &detail.how {
            How::Region { list, join, .. } => Some(async move {
                match Walk::new(list, &self.region, &[], &self.tally).all(self.run).await {
                    Ok(items) => {
                        let joined = joined(items, join);
                        self.listed
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .insert(detail.name, joined);
                    }
                    Err(failure) => self.failed(detail, "", &failure),
                }
            }),
            How::Batch { .. } | How::Item { .. } => None,
        });
        futures_util::future::join_all(lists).await;
    }

    /// Puts in what was listed for the whole region; `id` is the object's. What belongs to one object is let go of.
    pub(super) fn join_region(&self, id: &str, object: &mut Object) {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        for detail in &self.details {
            let How::Region { join, fits, .. } = &detail.how else { continue };
            if fits.is_some_and(|fits| !fits(object)) {
                continue;
            }
            let found = listed.get_mut(detail.name).and_then(|listed| match join {
                Join::All | Join::Tree => listed.get("").cloned(),
                // A disk can be attached to several.
                Join::One(_) | Join::Many(_) => listed.remove(id),
            });
            if let Some(found) = found {
                object.details.insert(detail.name, found);
            }
        }
    }

    /// Do tags come from this detail? A filter sees tags, so these come before it.
    pub(super) fn makes_tags(&self, detail: &Detail) -> bool {
        self.description.tags.iter().any(|tag| comes_from(&tag.from, detail.name))
    }

    /// Asks for what is asked for one by one, of the details that `which` chooses.
    pub(super) async fn ask_each(&self, objects: &mut [Object], which: impl Fn(&Detail) -> bool) {
        let mut wanted: Vec<(&'static Detail, usize, String)> = Vec::new();
        for detail in self.details.iter().filter(|detail| which(detail)) {
            if let How::Item { id: (_, path), only, .. } = &detail.how {
                for (index, object) in objects.iter().enumerate() {
                    if is(&object.item, *only)
                        && let Some(id) = at(&object.item, path).and_then(text)
                    {
                        wanted.push((*detail, index, id));
                    }
                }
            }
        }
        // The details are spread, so that each action's own bucket is used from the beginning.
        wanted.sort_by_key(|(_, index, _)| *index);
        let kinds = self.details.iter().filter(|detail| matches!(detail.how, How::Item { .. })).count();
        // Futures first: the compiler finds a closure over `self` in a stream not general enough.
        let asked: Vec<_> =
            wanted.into_iter().map(|(detail, index, id)| self.one_of(detail, index, id)).collect();
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE * kinds.max(1));
        while let Some((name, index, answer)) = answers.next().await {
            if let Some(answer) = answer {
                objects[index].details.insert(name, answer);
            }
        }
    }

    async fn one_of(
        &self,
        detail: &'static Detail,
        index: usize,
        id: String,
    ) -> (&'static str, usize, Option<Found>) {
        (detail.name, index, self.one(detail, &id).await)
    }

    async fn one(&self, detail: &'static Detail, id: &str) -> Option<Found> {
        let How::Item { list, id: (parameter, _), keep, nothing, .. } = &detail.how else { return None };
        let hopeless = self.with_luck(detail, |luck| {
            let hopeless = luck.answered == 0 && luck.denied >= HOPELESS;
            luck.skipped += u64::from(hopeless);
            hopeless
        });
        if hopeless {
            return None;
        }
        let parameters = [((*parameter).to_owned(), Json::from(id))];
        match Walk::new(list, &self.region, &parameters, &self.tally).all(self.run).await {
            Ok(mut items) => {
                self.with_luck(detail, |luck| luck.answered += 1);
                let answer = if list.items.is_empty() { items.pop()? } else { Json::Array(items) };
                Some(Found::Tree(cleaned(answer, keep, *nothing)))
            }
            Err(failure) => {
                self.failed(detail, id, &failure);
                None
            }
        }
    }

    /// How many ids fill a call, and the detail that is asked for so; a product has at most one.
    pub(super) fn batch(&self) -> Option<(&'static Detail, usize)> {
        self.details.iter().find_map(|detail| match &detail.how {
            How::Batch { most, .. } => Some((*detail, *most)),
            How::Region { .. } | How::Item { .. } => None,
        })
    }

    /// Asks for one batch.
    pub(super) async fn ask_batch(&self, detail: &'static Detail, objects: &mut [Object]) {
        let How::Batch { list, ids, form, id, split, .. } = &detail.how else { return };
        let id_of = |object: &Object| at(&object.item, id).and_then(text);
        let mut left: Vec<Vec<String>> = vec![objects.iter().filter_map(id_of).collect()];
        let mut found: HashMap<String, Json> = HashMap::new();
        while let Some(mut batch) = left.pop().filter(|batch| !batch.is_empty()) {
            let value = match form {
                Ids::Commas => Json::from(batch.join(",")),
                Ids::List => Json::from(batch.as_slice()),
            };
            let parameters = [((*ids).to_owned(), value)];
            match Walk::new(list, &self.region, &parameters, &self.tally).all(self.run).await {
                Ok(items) => {
                    self.with_luck(detail, |luck| luck.answered += 1);
                    found.extend(
                        items.into_iter().filter_map(|item| Some((at(&item, list.id).and_then(text)?, item))),
                    );
                }
                // One id refuses the whole call: its half is found by halving.
                Err(Failure::Call(error)) if split.contains(&error.code.as_str()) => {
                    if batch.len() > 1 {
                        left.push(batch.split_off(batch.len() / 2));
                        left.push(batch);
                    }
                }
                Err(failure) => {
                    self.failed(detail, &batch[0], &failure);
                    break;
                }
            }
        }
        for object in objects {
            if let Some(item) = id_of(object).and_then(|id| found.remove(&id)) {
                object.details.insert(detail.name, Found::Tree(item));
            }
        }
    }

    fn failed(&self, detail: &'static Detail, id: &str, failure: &Failure) {
        let code = match failure {
            Failure::Call(error) => error.code.as_str(),
            _ => "",
        };
        if detail.absent.contains(&code) {
            self.with_luck(detail, |luck| luck.answered += 1);
            tracing::debug!(detail = detail.name, id, code, "not applicable");
            return;
        }
        let (text, hint, denied) = match failure {
            Failure::Call(error) => (said(error), error.hint.clone(), error.fault == Fault::Denied),
            other => (other.to_string(), None, false),
        };
        self.with_luck(detail, |luck| {
            luck.denied += u64::from(denied);
            let trouble = luck.troubles.entry(code.to_owned()).or_insert_with(|| Trouble {
                objects: 0,
                first: id.to_owned(),
                text,
                hint,
            });
            trouble.objects += 1;
            // Calls end in any order; the example is the same in every run.
            if *id < *trouble.first {
                id.clone_into(&mut trouble.first);
            }
        });
    }

    /// What a person should know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let luck = self.luck.lock().unwrap_or_else(PoisonError::into_inner);
        let mut warnings = Vec::new();
        for detail in &self.details {
            let Some(luck) = luck.get(detail.name) else { continue };
            let keys = self.description.tags.iter().chain(self.description.fields);
            let keys: Vec<&str> = keys.filter(|key| only_from(key, detail.name)).map(|key| key.key).collect();
            for trouble in luck.troubles.values() {
                let mut warning = trouble.text.clone();
                // Writing into a String cannot fail.
                let _ = write!(warning, ": {} left out", keys.join(", "));
                if !trouble.first.is_empty() {
                    let more = trouble.objects + luck.skipped;
                    let _ = match more {
                        1 => write!(warning, " of {}", trouble.first),
                        more => write!(warning, " of {more} objects, such as {}", trouble.first),
                    };
                }
                if let Some(hint) = &trouble.hint {
                    let _ = write!(warning, "; {hint}");
                }
                warnings.push(warning);
            }
        }
        warnings
    }

    fn with_luck<T>(&self, detail: &'static Detail, change: impl FnOnce(&mut Luck) -> T) -> T {
        change(self.luck.lock().unwrap_or_else(PoisonError::into_inner).entry(detail.name).or_default())
    }
}

/// A refusal without what the warning says itself.
fn said(error: &CallError) -> String {
    let place = if error.region.is_empty() { String::new() } else { format!("{}: ", error.region) };
    let message = if error.message.is_empty() { String::new() } else { format!(": {}", error.message) };
    format!("{place}{}:{}: {}{message}", error.service, error.action, error.code)
}

fn comes_from(from: &Source, detail: &str) -> bool {
    match from {
        Source::Detail(name, _) => *name == detail,
        Source::First(sources) => sources.iter().any(|from| comes_from(from, detail)),
        Source::Mapped(from, _) | Source::Behind(from, _) | Source::Epoch(from) => comes_from(from, detail),
        _ => false,
    }
}

/// Is a key lost without this detail?
fn only_from(reported: &Reported, detail: &str) -> bool {
    is_lost(&reported.from, detail)
}

fn is_lost(from: &Source, detail: &str) -> bool {
    match from {
        Source::Detail(name, _) => *name == detail,
        Source::First(sources) => sources.iter().all(|from| is_lost(from, detail)),
        Source::Mapped(from, _) | Source::Behind(from, _) | Source::Epoch(from) => is_lost(from, detail),
        _ => false,
    }
}

/// The items of a region's list by the id of the object that they belong to. Texts, not trees: they wait for their object.
fn joined(items: Vec<Json>, join: &Join) -> HashMap<String, Found> {
    match join {
        Join::All => {
            let whole = if items.is_empty() { String::new() } else { Json::Array(items).to_string() };
            HashMap::from([(String::new(), Found::Text(whole.into()))])
        }
        Join::Tree => HashMap::from([(String::new(), Found::Tree(Json::Array(items)))]),
        Join::One(path) => items
            .into_iter()
            .filter_map(|item| Some((at(&item, path).and_then(text)?, Found::Text(item.to_string().into()))))
            .collect(),
        Join::Many(paths) => {
            let mut lists: HashMap<String, String> = HashMap::new();
            for item in items {
                let mut ids: Vec<String> = paths.iter().flat_map(|path| each(&item, path)).collect();
                ids.sort();
                ids.dedup();
                for id in ids {
                    let list = lists.entry(id).or_default();
                    list.push(if list.is_empty() { '[' } else { ',' });
                    let _ = write!(list, "{item}");
                }
            }
            lists.into_iter().map(|(id, list)| (id, Found::Text((list + "]").into()))).collect()
        }
    }
}

/// The texts at a path, through lists: `Attachments.Attachment[].InstanceId`.
fn each(item: &Json, path: &str) -> Vec<String> {
    match path.split_once("[].") {
        None => at(item, path).and_then(text).into_iter().collect(),
        Some((list, rest)) => {
            let list = at(item, list).and_then(Json::as_array);
            list.into_iter().flatten().flat_map(|item| each(item, rest)).collect()
        }
    }
}

/// An answer without what nobody may see, and without members that say nothing.
fn cleaned(answer: Json, keep: &[&str], nothing: Option<i64>) -> Json {
    let mut answer = if keep.is_empty() {
        answer
    } else {
        let found = keep.iter().find_map(|path| Some((path.rsplit('.').next()?, text(at(&answer, path)?)?)));
        Json::Object(found.into_iter().map(|(name, value)| (name.to_owned(), Json::String(value))).mapped())
    };
    if let (Some(nothing), Some(members)) = (nothing, answer.as_object_mut()) {
        members.retain(|_, value| text(value).and_then(|value| value.parse::<i64>().ok()) != Some(nothing));
    }
    answer
}
