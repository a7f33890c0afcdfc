//! A generic estate: calls that tables describe, answered for any product. A table says how a call looks, how it pages and what one item is like;
//! the estate makes as many items of it as three pages need.
//!
//! Owns the answers. Who may call, and how an answer is written, the clouds know. A parameter that the table does not have is refused.

pub(crate) mod bounds;

use crate::server::Asked;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A call that a table describes.
#[derive(Clone, Debug)]
pub struct MarketCall {
    /// As requests are signed for it, or as the gateway knows it.
    pub service: String,
    /// Its name, or the one that is made of method and path where the protocol has none.
    pub action: String,
    /// Of the API; empty where requests do not say it.
    pub version: String,
    /// `GET` and the path, of protocols that have no actions.
    pub place: Option<(String, String)>,
    /// The parameter that names the region.
    pub region: Option<String>,
    /// Parameters that must be there, with these values.
    pub fixed: Vec<(String, String)>,
    /// A parameter that must be there with one of these values; each has items of its own.
    pub variants: Option<(String, Vec<String>)>,
    /// How it goes on.
    pub paging: MarketPaging,
    /// Where the items stand; empty is the answer itself.
    pub items: String,
    /// The name of an item's element, of answers in XML.
    pub element: String,
    /// Where an item's id stands.
    pub id: String,
    /// What an item is like.
    pub item: Value,
    /// Which items.
    pub of: MarketItems,
    /// Is the item no list, but stands there itself.
    pub single: bool,
    /// Further items, as they are.
    pub more: Vec<Value>,
    /// Are members written small on the wire.
    pub small: bool,
    /// Pages are shorter than the documents say.
    pub cut: Option<MarketCut>,
    /// The count says so many items more than there are.
    pub hidden: usize,
}

/// How a server answers with shorter pages than it was asked for, which it does without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketCut {
    /// A page's place is reckoned by the size that was asked for, and only so many of its items are shown.
    Shows(usize),
    /// The size that was asked for is replaced by this one, in a page's place too.
    Counts(usize),
}

impl MarketCut {
    /// The size for a page's place, and how many items it shows.
    fn of(cut: Option<Self>, asked: usize) -> (usize, usize) {
        match cut {
            None => (asked, asked),
            Some(Self::Shows(most)) => (asked, asked.min(most)),
            Some(Self::Counts(most)) => (asked.min(most), asked.min(most)),
        }
    }
}

/// Which items a call answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketItems {
    /// Three pages of them.
    Many,
    /// This one alone.
    One,
    /// This one, of the object that a parameter names.
    Of(String),
    /// One for each id of a parameter's list, at most so many.
    Each(String, usize),
}

/// How a call goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketPaging {
    /// It does not.
    Whole,
    /// Pages by number; the first is `first`.
    Numbers {
        /// The parameter of the number.
        number: String,
        /// The parameter of the size.
        size: String,
        /// By which the estate is made: two pages of it and one item more.
        page: usize,
        /// Where the count stands.
        total: Option<String>,
        /// The first page's.
        first: usize,
    },
    /// So many are left out.
    Offsets {
        /// The parameter of how many.
        offset: String,
        /// The parameter of the size.
        limit: String,
        /// By which the estate is made: two pages of it and one item more.
        page: usize,
        /// Where the count stands.
        total: String,
    },
    /// By a token.
    Tokens {
        /// The parameter.
        token: String,
        /// Where an answer has it.
        next: String,
        /// The parameter of the size.
        size: Option<String>,
    },
}

const PAGE: usize = MarketCall::TOKENS;

/// Tables that can be replaced while the double runs.
#[derive(Debug, Default)]
pub(crate) struct Market(Mutex<Vec<MarketCall>>);

impl Market {
    pub(crate) fn set(&self, calls: Vec<MarketCall>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = calls;
    }

    /// The table of a request, and the parameters in its path.
    pub(crate) fn find(
        &self,
        asked: &Asked,
        service: &str,
        action: &str,
        version: &str,
    ) -> Option<(MarketCall, BTreeMap<String, Value>)> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text =
            format!("{} {}", asked.uri.query().unwrap_or_default(), String::from_utf8_lossy(&asked.body));
        let fits = |call: &&MarketCall| {
            (service.is_empty() || call.service == service)
                && (version.is_empty() || call.version.is_empty() || call.version == version)
                && (call.action == action || (action.is_empty() && call.place.is_some()))
                && call.fixed.iter().all(|(name, _)| text.contains(name.as_str()))
        };
        let with_path = |call: &MarketCall| {
            let (method, path) = call.place.as_ref().map_or(("", "/"), |(method, path)| (method, path));
            let found =
                in_path(path, asked.uri.path()).filter(|_| method.is_empty() || asked.method == method)?;
            Some((call.clone(), found))
        };
        // The same call with more that must be there is another one.
        calls.iter().filter(fits).filter_map(with_path).max_by_key(|(call, _)| call.fixed.len())
    }

    /// The version of a service that has tables.
    pub(crate) fn version(&self, service: &str) -> Option<String> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().find(|call| call.service == service).map(|call| call.version.clone())
    }
}

/// What stands at the `{names}` of a path; none where it is another path.
fn in_path(known: &str, path: &str) -> Option<BTreeMap<String, Value>> {
    let (known, path): (Vec<&str>, Vec<&str>) = (known.split('/').collect(), path.split('/').collect());
    if known.len() != path.len() {
        return None;
    }
    let mut found = BTreeMap::new();
    for (known, segment) in known.iter().zip(path) {
        match known.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => drop(found.insert(name.to_owned(), json!(segment))),
            None if *known == segment => {}
            _ => return None,
        }
    }
    Some(found)
}

impl MarketCall {
    /// What pages by tokens hold at most.
    pub const TOKENS: usize = 2;

    /// How many items there are for a region, and for each variant.
    #[must_use]
    pub fn count(&self) -> usize {
        self.more.len() + self.generic()
    }

    fn generic(&self) -> usize {
        match (&self.of, &self.paging) {
            (MarketItems::Many, MarketPaging::Whole) => 3,
            (MarketItems::Many, MarketPaging::Tokens { .. }) => 2 * PAGE + 1,
            (MarketItems::Many, MarketPaging::Numbers { page, .. } | MarketPaging::Offsets { page, .. }) => {
                2 * page + 1
            }
            _ => 1,
        }
    }

    /// The items of a region and variant. Ids differ by their number, the region and the variant.
    fn all(&self, region: &str, variant: usize) -> Vec<Value> {
        let of = |number: usize| {
            let mut item = self.item.clone();
            if self.of == MarketItems::Many {
                match at(&mut item, &self.id) {
                    Some(Value::Number(id)) => {
                        *id = (id.as_i64().unwrap_or_default() + (variant * 100_000 + number) as i64).into();
                    }
                    Some(Value::String(id)) => {
                        id.push_str(&format!("-{region}-{variant}-{number}"));
                    }
                    _ => {}
                }
            }
            item
        };
        (0..self.generic()).map(of).chain(self.more.iter().cloned()).collect()
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// What is wrong with the parameters.
    pub(crate) fn answer(&self, region: &str, mut given: BTreeMap<String, Value>) -> Result<Value, String> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let Some(name) = &self.region {
            let value = given.remove(name).ok_or_else(|| format!("{name} is missing"))?;
            if !region.is_empty() && text(&value) != region {
                return Err(format!("{name} is {value}, and the request is for {region}"));
            }
        }
        for (name, wanted) in &self.fixed {
            let value = given.remove(name).ok_or_else(|| format!("{name} is missing"))?;
            if text(&value) != *wanted {
                return Err(format!("{name} is {value}, not {wanted}"));
            }
        }
        let mut variant = 0;
        if let Some((name, values)) = &self.variants {
            let value = given.remove(name).ok_or_else(|| format!("{name} is missing"))?;
            variant =
                values.iter().position(|known| *known == text(&value)).ok_or(format!("{name} is {value}"))?;
        }
        let mut all = self.all(region, variant);
        match &self.of {
            MarketItems::Many | MarketItems::One => {}
            MarketItems::Of(name) => {
                let value = given.remove(name).ok_or_else(|| format!("{name} is missing"))?;
                if text(&value).is_empty() {
                    return Err(format!("{name} is empty"));
                }
            }
            MarketItems::Each(name, most) => {
                let value = given.remove(name).ok_or_else(|| format!("{name} is missing"))?;
                let ids = value.as_array().cloned().unwrap_or_default();
                if ids.is_empty() || ids.len() > *most {
                    return Err(format!("{name} holds {} ids, 1 to {most} may go", ids.len()));
                }
                let of = |id: Value| {
                    let mut item = self.item.clone();
                    if let Some(place) = at(&mut item, &self.id) {
                        *place = id;
                    }
                    item
                };
                all = ids.into_iter().map(of).collect();
            }
        }
        let mut take = |name: &str| given.remove(name);
        let number = |name: &str, value: Option<Value>| {
            let value = value.ok_or_else(|| format!("{name} is missing"))?;
            text(&value).parse::<usize>().map_err(|_| format!("{name} is {value}"))
        };
        let sized = |name: &str, value: Option<Value>| {
            let size = number(name, value)?;
            let bound = bounds::of(&self.service, &self.action, name)
                .ok_or_else(|| format!("no document is known that says how large {name} may be"))?;
            bound.takes(size).then_some(size).ok_or_else(|| format!("{name} is {size}: {bound}"))
        };
        let count = all.len();
        let says = json!(count + self.hidden);
        let (start, size, mut more) = match &self.paging {
            MarketPaging::Whole => (0, count, Vec::new()),
            MarketPaging::Numbers { number: name, size, total, first, .. } => {
                let page = number(name, take(name))?
                    .checked_sub(*first)
                    .ok_or(format!("{name} begins with {first}"))?;
                let (place, shown) = MarketCut::of(self.cut, sized(size, take(size))?);
                (page * place, shown, total.iter().map(|total| (total.as_str(), says.clone())).collect())
            }
            MarketPaging::Offsets { offset, limit, total, .. } => {
                let start = number(offset, take(offset))?;
                let asked = sized(limit, take(limit))?;
                if bounds::WHOLE_PAGES.contains(&(self.service.as_str(), self.action.as_str()))
                    && start % asked != 0
                {
                    return Err(format!("{offset} is {start}: a multiple of {limit} is wanted"));
                }
                (start, MarketCut::of(self.cut, asked).1, vec![(total.as_str(), says)])
            }
            MarketPaging::Tokens { token, next, size } => {
                if let Some(name) = size {
                    sized(name, take(name))?;
                }
                let start = match take(token) {
                    None => 0,
                    Some(value) => {
                        let known = text(&value).strip_prefix("after/").and_then(|start| start.parse().ok());
                        known.ok_or_else(|| format!("{token} is none of ours: {value}"))?
                    }
                };
                let end = start + PAGE;
                let more = if end < count {
                    vec![(next.as_str(), json!(format!("after/{end}")))]
                } else {
                    Vec::new()
                };
                (start, PAGE, more)
            }
        };
        if let Some(name) = given.keys().next() {
            return Err(format!("{name} is no parameter of {}", self.action));
        }
        let page: Vec<Value> = all.into_iter().skip(start).take(size).collect();
        let mut answer = json!({});
        if self.items.is_empty() {
            answer = page.into_iter().next().unwrap_or_default();
        } else {
            let items =
                if self.single { page.into_iter().next().unwrap_or_default() } else { Value::Array(page) };
            more.push((self.items.as_str(), items));
        }
        for (path, value) in more {
            put(&mut answer, path, value);
        }
        Ok(if self.small { small(answer) } else { answer })
    }
}

/// The value at a path of member names.
fn at<'value>(value: &'value mut Value, path: &str) -> Option<&'value mut Value> {
    if value.is_string() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, name| value.get_mut(name))
}

fn put(value: &mut Value, path: &str, new: Value) {
    let place = path.split('.').fold(value, |value, name| {
        if !value.is_object() {
            *value = json!({});
        }
        &mut value[name]
    });
    *place = new;
}

fn small(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let mut letters = name.chars();
                    let first: String = letters.next().into_iter().flat_map(char::to_lowercase).collect();
                    (first + letters.as_str(), small(value))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(small).collect()),
        other => other,
    }
}

/// An answer as XML below a root: lists as elements of `element`, below a name of their own, or repeated where `flat`.
pub(crate) fn xml(root: &str, answer: &Value, call: &MarketCall, flat: bool) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    write(&mut text, root, answer, &call.element, flat);
    text
}

fn write(text: &mut String, name: &str, value: &Value, element: &str, flat: bool) {
    match value {
        Value::Array(items) if flat => {
            for item in items {
                write(text, name, item, element, flat);
            }
        }
        _ => {
            text.push_str(&format!("<{name}>"));
            match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        write(text, name, value, element, flat);
                    }
                }
                // The list that was asked for has elements of a name; those in it are members.
                Value::Array(items) => {
                    for item in items {
                        write(text, if element.is_empty() { "member" } else { element }, item, "", flat);
                    }
                }
                Value::Null => {}
                Value::String(said) => {
                    text.push_str(&said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
                }
                other => text.push_str(&other.to_string()),
            }
            text.push_str(&format!("</{name}>"));
        }
    }
}

/// Texts as parameters; `Filters.Filter.1.Name` stays one name.
pub(crate) fn texts(pairs: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// A JSON body as parameters.
pub(crate) fn members(body: &[u8]) -> Option<BTreeMap<String, Value>> {
    serde_json::from_slice::<Map<String, Value>>(body).ok().map(|members| members.into_iter().collect())
}
