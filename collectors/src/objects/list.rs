//! Lists: how they are asked for and read to their end.
//!
//! Owns paging. Knows no protocol and nothing of what the items are, but where their id stands.

use crate::call::CallError;
use crate::collector::{Action, Failure};
use crate::point::Text;
use crate::run::Run;
use serde_json::Value as Json;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// How a cloud is asked: parameters in, JSON out, spelled as the vendor's SDKs spell it.
#[async_trait::async_trait]
pub trait Api: Sync + Send + std::fmt::Debug {
    /// Makes one call.
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError>;

    /// How a call looks on the wire, for those who compare it with the vendor's descriptions or answer it.
    fn wire(&self) -> Wire;
}

/// A call on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Alibaba Cloud's gateway, RPC style: all in the query.
    Rpc {
        /// Of the API.
        version: &'static str,
    },
    /// Alibaba Cloud's gateway, ROA style: a path of its own.
    Roa {
        /// Of the API.
        version: &'static str,
        /// `/instances/{instanceId}`.
        path: &'static str,
    },
    /// Tencent Cloud's API 3.0.
    Tencent {
        /// Of the API.
        version: &'static str,
    },
    /// AWS's Query protocol: a form in, XML out.
    Query {
        /// Of the API.
        version: &'static str,
        /// The service, as the SDKs call it.
        model: &'static str,
    },
    /// AWS's JSON protocol with a target.
    Target {
        /// Of the API.
        version: &'static str,
        /// Before the action: `DynamoDB_20120810`.
        prefix: &'static str,
        /// Of the protocol: `1.0`, `1.1`.
        json: &'static str,
        /// The service, as the SDKs call it.
        model: &'static str,
    },
    /// AWS's REST protocol with JSON.
    Rest {
        /// Of the API.
        version: &'static str,
        /// `GET`, `POST`.
        method: &'static str,
        /// `/v2/apis`.
        path: &'static str,
        /// Are members written small on the wire that the SDKs write with a capital?
        small: bool,
        /// The service, as the SDKs call it.
        model: &'static str,
    },
    /// An object store: XML below this root element.
    Store {
        /// `ListAllMyBucketsResult`.
        root: &'static str,
    },
    /// A protocol of one product alone, in its own file.
    Own,
}

/// What is asked.
#[derive(Debug)]
pub struct Request {
    /// By which protocol.
    pub api: &'static dyn Api,
    /// Which call.
    pub action: &'static Action,
    /// The parameter that names the region; none where the host says it.
    pub region: Option<&'static str>,
    /// Parameters that are always the same.
    pub parameters: &'static [(&'static str, &'static str)],
}

/// How a list goes on.
#[derive(Clone, Copy, Debug)]
pub enum Paging {
    /// One answer holds it all.
    Whole,
    /// Pages by number, from 1.
    Numbers {
        /// The parameter of the number.
        number: &'static str,
        /// The parameter of the size.
        size: &'static str,
        /// The largest size.
        most: usize,
        /// Where an answer says how many items there are; none where it does not.
        total: Option<&'static str>,
    },
    /// Pages by number, from 0.
    FromZero {
        /// The parameter of the number.
        number: &'static str,
        /// The parameter of the size.
        size: &'static str,
        /// The largest size.
        most: usize,
        /// Where an answer says how many items there are.
        total: &'static str,
    },
    /// So many are left out, so many are asked for.
    Offsets {
        /// The parameter of how many are left out.
        offset: &'static str,
        /// The parameter of the size.
        limit: &'static str,
        /// The largest size.
        most: usize,
        /// Where an answer says how many items there are.
        total: &'static str,
    },
    /// Each answer brings what asks for the next.
    Tokens {
        /// The parameter of the token.
        token: &'static str,
        /// Where an answer has it.
        next: &'static str,
        /// The parameter of the size, and the largest.
        size: Option<(&'static str, usize)>,
    },
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// How it is asked for.
    pub request: Request,
    /// How it goes on.
    pub paging: Paging,
    /// Where the items stand in an answer; empty is the whole answer as the only item.
    pub items: &'static str,
    /// Where the id stands in an item; an item without one is never taken for another. Items that are bare texts are ids: they get this member.
    pub id: &'static str,
}

/// What lies at the end of a path of member names; the empty path is the value itself.
pub(super) fn at<'json>(value: &'json Json, path: &str) -> Option<&'json Json> {
    if path.is_empty() {
        return Some(value);
    }
    path.split('.').try_fold(value, |value, name| match value {
        Json::Array(items) => items.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// A scalar as text; numbers as their digits.
#[must_use]
pub fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => (!text.is_empty()).then(|| text.clone()),
        Json::Number(number) => {
            // Whole numbers have no fraction, whatever the cloud writes.
            let digits = number.to_string();
            Some(digits.strip_suffix(".0").map_or_else(|| digits.clone(), str::to_owned))
        }
        Json::Bool(yes) => Some(yes.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A count that comes as a number or as text.
fn count(value: &Json) -> Option<u64> {
    text(value)?.parse().ok()
}

/// `service:Action`.
pub(super) fn name(action: &Action) -> String {
    format!("{}:{}", action.service, action.action)
}

/// The calls that a collection needed, by action; attempts of one call are one.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// These may be called; none were yet.
    pub(super) fn of(actions: impl IntoIterator<Item = &'static Action>) -> Self {
        Self(Mutex::new(actions.into_iter().map(|action| (name(action), 0)).collect()))
    }

    fn add(&self, action: &Action) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(name(action)).or_default() += 1;
    }

    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A list being read.
pub(super) struct Walk<'list> {
    list: &'list List,
    tally: &'list Tally,
    region: Text,
    parameters: Vec<(String, Json)>,
    position: Position,
    /// Ids that came before: a list that changes between two pages can show an item twice.
    seen: HashSet<String>,
    tokens: HashSet<String>,
    pages: usize,
    /// How many items the page before said there are.
    total: Option<u64>,
    /// By how many items the list became shorter while it was read: as many may have moved onto a page that had been read.
    shrunk: u64,
    /// Has a list by numbers been read a second time?
    again: bool,
    /// Items that were missing after that.
    missing: u64,
}

enum Position {
    First,
    Number(usize),
    Token(String),
    End,
}

/// More pages than this are no list: 200,000 items where a page holds a hundred.
const PAGES: usize = 2_000;

impl<'list> Walk<'list> {
    /// Before the first page; `parameters` come beside the list's own.
    pub(super) fn new(
        list: &'list List,
        region: &Text,
        parameters: &[(String, Json)],
        tally: &'list Tally,
    ) -> Self {
        let mut all: Vec<(String, Json)> = Vec::new();
        if let Some(name) = list.request.region {
            all.push((name.to_owned(), Json::from(&**region)));
        }
        all.extend(
            list.request.parameters.iter().map(|(name, value)| ((*name).to_owned(), Json::from(*value))),
        );
        all.extend(parameters.iter().cloned());
        Self {
            list,
            tally,
            region: region.clone(),
            parameters: all,
            position: Position::First,
            seen: HashSet::new(),
            tokens: HashSet::new(),
            pages: 0,
            total: None,
            shrunk: 0,
            again: false,
            missing: 0,
        }
    }

    /// Items that the list promised and did not show, because it kept changing while it was read.
    pub(super) fn missing(&self) -> u64 {
        self.missing
    }

    /// Is there another page to ask for?
    pub(super) fn goes_on(&self) -> bool {
        !matches!(self.position, Position::End)
    }

    /// The next page's items, those that came before left out.
    pub(super) async fn next(&mut self, run: &Run) -> Result<Vec<Json>, Failure> {
        let list = self.list;
        let mut parameters = self.parameters.clone();
        let number = match (&self.position, list.paging) {
            (Position::Number(number), _) => *number,
            _ => 1,
        };
        match list.paging {
            Paging::Whole => {}
            Paging::Numbers { number: name, size, most, .. } => {
                parameters.push((name.to_owned(), Json::from(number)));
                parameters.push((size.to_owned(), Json::from(most)));
            }
            Paging::FromZero { number: name, size, most, .. } => {
                parameters.push((name.to_owned(), Json::from(number - 1)));
                parameters.push((size.to_owned(), Json::from(most)));
            }
            Paging::Offsets { offset, limit, most, .. } => {
                parameters.push((offset.to_owned(), Json::from((number - 1) * most)));
                parameters.push((limit.to_owned(), Json::from(most)));
            }
            Paging::Tokens { token, size, .. } => {
                if let Some((size, most)) = size {
                    parameters.push((size.to_owned(), Json::from(most)));
                }
                if let Position::Token(value) = &self.position {
                    parameters.push((token.to_owned(), Json::from(value.as_str())));
                }
            }
        }
        let request = &list.request;
        self.tally.add(request.action);
        let mut answer = request.api.ask(run, &self.region, request.action, &parameters).await?;
        self.pages += 1;
        if self.pages > PAGES {
            return Err(self.endless("it has too many pages"));
        }
        let next = match list.paging {
            Paging::Tokens { next, .. } => at(&answer, next).and_then(text),
            Paging::Whole | Paging::Numbers { .. } | Paging::FromZero { .. } | Paging::Offsets { .. } => None,
        };
        let total = match list.paging {
            Paging::Numbers { total: Some(total), .. }
            | Paging::FromZero { total, .. }
            | Paging::Offsets { total, .. } => at(&answer, total).and_then(count),
            _ => None,
        };
        let items = items(&mut answer, list.items, list.id);
        let came = items.len();
        let items: Vec<Json> = items
            .into_iter()
            .filter(|item| match at(item, list.id).and_then(text) {
                Some(id) if !list.id.is_empty() => self.seen.insert(id),
                _ => true,
            })
            .collect();
        self.position = match list.paging {
            Paging::Whole => Position::End,
            Paging::Tokens { .. } => match next {
                None => Position::End,
                // Some bring a token with the last page too: behind it lies an empty page with the same token.
                Some(token) if came == 0 && self.tokens.contains(&token) => Position::End,
                Some(token) if !self.tokens.insert(token.clone()) => {
                    return Err(self.endless("the cloud gave the same page token twice"));
                }
                Some(token) => Position::Token(token),
            },
            Paging::Numbers { most, .. } | Paging::FromZero { most, .. } | Paging::Offsets { most, .. } => {
                self.after(number, came, items.len(), most, total)
            }
        };
        Ok(items)
    }

    /// Where a list by numbers goes on after a page.
    fn after(&mut self, number: usize, came: usize, new: usize, most: usize, total: Option<u64>) -> Position {
        if let (Some(before), Some(now)) = (self.total, total) {
            self.shrunk += before.saturating_sub(now);
        }
        self.total = total;
        let read = number as u64 * most as u64;
        let last = came < most || total.is_some_and(|total| read >= total);
        // Some answer to a number behind the end with the last page again. On the second way nothing is new, mostly.
        if !last && (new > 0 || self.again) {
            return Position::Number(number + 1);
        }
        let missing = total.map_or(0, |total| total.saturating_sub(self.seen.len() as u64)).max(self.shrunk);
        // Between two pages something was released: what stood first on the next page came to stand last on the one that was read.
        if missing > 0 && number > 1 && !self.again {
            self.again = true;
            (self.total, self.shrunk) = (None, 0);
            return Position::First;
        }
        if number > 1 {
            self.missing = missing;
        }
        Position::End
    }

    fn endless(&self, why: &str) -> Failure {
        let action = self.list.request.action;
        let place = if self.region.is_empty() { String::new() } else { format!(" in {}", self.region) };
        Failure::Answer(format!("{}:{}{place}: the list does not end: {why}", action.service, action.action))
    }

    /// All items of the list.
    pub(super) async fn all(mut self, run: &Run) -> Result<Vec<Json>, Failure> {
        let mut all = Vec::new();
        while self.goes_on() {
            all.extend(self.next(run).await?);
        }
        Ok(all)
    }
}

/// Takes the items out of an answer. A list of one that came from XML is a single value.
fn items(answer: &mut Json, path: &str, id: &str) -> Vec<Json> {
    if path.is_empty() {
        let mut answer = answer.take();
        // The call's own id says nothing of what was asked for, and differs every time.
        if let Some(members) = answer.as_object_mut() {
            members.remove("RequestId");
        }
        return vec![answer];
    }
    let found = path.split('.').try_fold(answer, |value, name| value.get_mut(name));
    match found.map(Json::take) {
        Some(Json::Array(items)) => {
            let named = |item| match item {
                Json::String(text) if !id.is_empty() => {
                    Json::Object([(id.to_owned(), text.into())].into_iter().collect())
                }
                item => item,
            };
            items.into_iter().map(named).collect()
        }
        Some(item @ Json::Object(_)) => vec![item],
        _ => Vec::new(),
    }
}
