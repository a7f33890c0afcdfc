//! Lists: how they are asked for and read to their end.
//!
//! Owns paging. Knows no protocol and nothing of what the items are, but where their id stands.

use crate::call::CallError;
use crate::collector::{Action, Failure};
use crate::mapped::Mapped as _;
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
    /// The same of protocols whose parameters are JSON, where they are no texts: as JSON text.
    pub structures: &'static [(&'static str, &'static str)],
}

/// Which sizes a page may have. Others are refused, by some clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// From the first to the second.
    Between(usize, usize),
    /// One of these, the least first.
    One(&'static [usize]),
}

impl Sizes {
    /// Any up to this one.
    #[must_use]
    pub const fn up_to(most: usize) -> Self {
        Self::Between(1, most)
    }

    /// The largest: what is asked for, as long as nothing speaks against it.
    #[must_use]
    pub fn most(self) -> usize {
        match self {
            Self::Between(_, most) => most.max(1),
            Self::One(sizes) => sizes.iter().copied().max().unwrap_or(1),
        }
    }

    fn least(self) -> usize {
        match self {
            Self::Between(least, _) => least.max(1),
            Self::One(sizes) => sizes.iter().copied().min().unwrap_or(1),
        }
    }

    /// The largest that is no larger than this; none where all are.
    fn within(self, size: usize) -> Option<usize> {
        match self {
            Self::Between(least, most) => (size >= least.max(1)).then_some(size.min(most)),
            Self::One(sizes) => sizes.iter().copied().filter(|allowed| *allowed <= size).max(),
        }
    }
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
        /// The sizes that a page may have.
        sizes: Sizes,
        /// Where an answer says how many items there are; none where it does not.
        total: Option<&'static str>,
    },
    /// Pages by number, from 0.
    FromZero {
        /// The parameter of the number.
        number: &'static str,
        /// The parameter of the size.
        size: &'static str,
        /// The sizes that a page may have.
        sizes: Sizes,
        /// Where an answer says how many items there are.
        total: &'static str,
    },
    /// So many are left out, so many are asked for.
    Offsets {
        /// The parameter of how many are left out.
        offset: &'static str,
        /// The parameter of the size.
        limit: &'static str,
        /// The sizes that a page may have.
        sizes: Sizes,
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
pub(crate) fn at<'json>(value: &'json Json, path: &str) -> Option<&'json Json> {
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
pub(crate) struct Tally(Mutex<BTreeMap<String, u64>>);

impl Tally {
    /// These may be called; none were yet.
    pub(crate) fn of(actions: impl IntoIterator<Item = &'static Action>) -> Self {
        Self(Mutex::new(actions.into_iter().map(|action| (name(action), 0)).mapped()))
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
pub(crate) struct Walk<'list> {
    list: &'list List,
    tally: &'list Tally,
    region: Text,
    parameters: Vec<(String, Json)>,
    position: Position,
    /// Ids that came before: a list that changes between two pages can show an item twice.
    seen: HashSet<String>,
    tokens: HashSet<String>,
    pages: usize,
    /// Where the id of an item stands, by which it is told from the others.
    id: &'static str,
    /// Items without one, on this way through the list.
    nameless: u64,
    /// How many items a page may have: the largest size, or what the server has been found to answer with.
    size: usize,
    /// Of a server that shows less than the least that may be asked for: how many items came on this way through the list.
    short: Option<usize>,
    /// How many items the page before said there are.
    total: Option<u64>,
    /// By how many items the list became shorter while it was read: as many may have moved onto a page that had been read.
    shrunk: u64,
    /// Has a list by numbers been read a second time? Then how many items it said to have at the end of the first, and how many had been shown.
    again: Option<(Option<u64>, u64)>,
    /// What it did not show after that.
    lack: Option<String>,
    /// What is wrong with an answer, where that cannot be known beforehand.
    judge: Option<Judge<'list>>,
}

/// Says what is wrong with an answer.
pub(crate) type Judge<'list> = Box<dyn Fn(&Json) -> Result<(), String> + Send + Sync + 'list>;

enum Position {
    First,
    /// So many items lie before: of a list by numbers whole pages of the size.
    Behind(usize),
    Token(String),
    End,
}

/// More pages than this are no list: 200,000 items where a page holds a hundred.
const PAGES: usize = 2_000;

impl<'list> Walk<'list> {
    /// Before the first page; `parameters` come beside the list's own.
    pub(crate) fn new(
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
        // A test reads them: what is declared parses.
        all.extend(
            list.request
                .structures
                .iter()
                .map(|(name, value)| ((*name).to_owned(), serde_json::from_str(value).unwrap_or_default())),
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
            id: list.id,
            nameless: 0,
            size: match list.paging {
                Paging::Numbers { sizes, .. }
                | Paging::FromZero { sizes, .. }
                | Paging::Offsets { sizes, .. } => sizes.most(),
                Paging::Tokens { .. } | Paging::Whole => 1,
            },
            short: None,
            total: None,
            shrunk: 0,
            again: None,
            lack: None,
            judge: None,
        }
    }

    /// Every answer is judged: of a declared list the vendor's models prove that it can be read, of one that a script names nothing does.
    pub(crate) fn judged(mut self, judge: Judge<'list>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Items are told apart by this member, not by the id of their object; an empty text changes nothing.
    pub(crate) fn apart_by(mut self, id: &'static str) -> Self {
        if !id.is_empty() {
            self.id = id;
        }
        self
    }

    /// That the list promised items and did not show them, on two ways through it.
    pub(crate) fn lack(&self) -> Option<&str> {
        self.lack.as_deref()
    }

    /// Is there another page to ask for?
    pub(crate) fn goes_on(&self) -> bool {
        !matches!(self.position, Position::End)
    }

    /// The next page's items, those that came before left out.
    pub(crate) async fn next(&mut self, run: &Run) -> Result<Vec<Json>, Failure> {
        let list = self.list;
        let mut parameters = self.parameters.clone();
        let before = match &self.position {
            Position::Behind(before) => *before,
            _ => 0,
        };
        match list.paging {
            Paging::Whole => {}
            Paging::Numbers { number, size, .. } => {
                parameters.push((number.to_owned(), Json::from(before / self.size + 1)));
                parameters.push((size.to_owned(), Json::from(self.size)));
            }
            Paging::FromZero { number, size, .. } => {
                parameters.push((number.to_owned(), Json::from(before / self.size)));
                parameters.push((size.to_owned(), Json::from(self.size)));
            }
            Paging::Offsets { offset, limit, .. } => {
                parameters.push((offset.to_owned(), Json::from(before)));
                parameters.push((limit.to_owned(), Json::from(self.size)));
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
        if let Some(Err(wrong)) = self.judge.as_ref().map(|judge| judge(&answer)) {
            return Err(Failure::Answer(format!("{}: {wrong}", name(request.action))));
        }
        let next = match list.paging {
            Paging::Tokens { next, .. } => at(&answer, next).and_then(text),
            Paging::Whole | Paging::Numbers { .. } | Paging::FromZero { .. } | Paging::Offsets { .. } => None,
        };
        let total = match list.paging {
            Paging::Numbers { total: Some(total), .. }
            | Paging::FromZero { total, .. }
            | Paging::Offsets { total, .. } => {
                // An empty list says that it is empty. What says nothing is no list: taken for an empty one, all objects would be forgotten.
                if !list.items.is_empty() && at(&answer, total).is_none() && at(&answer, list.items).is_none()
                {
                    return Err(Failure::Answer(format!(
                        "{}: the answer has neither `{total}` nor `{}`: it is no list",
                        name(request.action),
                        list.items
                    )));
                }
                at(&answer, total).and_then(count)
            }
            _ => None,
        };
        let items = items(&mut answer, list.items, list.id);
        let came = items.len();
        let items: Vec<Json> = items
            .into_iter()
            .filter(|item| match at(item, self.id).and_then(text) {
                Some(id) if !self.id.is_empty() => self.seen.insert(id),
                _ => {
                    self.nameless += 1;
                    true
                }
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
            Paging::Numbers { .. } | Paging::FromZero { .. } | Paging::Offsets { .. } => {
                self.after(before, came, items.len(), total)
            }
        };
        Ok(items)
    }

    /// Where a list by numbers goes on after a page.
    fn after(&mut self, before: usize, came: usize, new: usize, total: Option<u64>) -> Position {
        // What is less than one page's items counts something else.
        let total = total.filter(|total| *total >= came as u64);
        if let (Some(earlier), Some(now)) = (self.total, total) {
            self.shrunk += earlier.saturating_sub(now);
        }
        self.total = total;
        let read = before + came;
        let shown = self.seen.len() as u64 + self.nameless;
        // Where pages are shorter than what may be asked for, their numbers do not say how much was read.
        self.short = self.short.map(|far| far + came);
        let far = self.short.unwrap_or(read) as u64;
        let last = came == 0 || total.map_or(came < self.size, |total| far >= total);
        // Some answer to a number behind the end with the last page again. On the second way nothing is new, mostly.
        if !last && (new > 0 || self.again.is_some()) {
            if came >= self.size {
                return Position::Behind(before + self.size);
            }
            return self.behind_a_short_page(before, came);
        }
        let missing = total.map_or(0, |total| total.saturating_sub(shown)).max(self.shrunk);
        // One page that shows something is as it is: ids that stand in it twice are one object.
        if missing == 0 || (before == 0 && came > 0) {
            return Position::End;
        }
        match self.again {
            // Between two pages something was released: what stood first on the next page came to stand last on the one that was read.
            None => {
                self.again = Some((total, shown));
                (self.total, self.shrunk, self.nameless) = (None, 0, 0);
                self.short = self.short.map(|_| 0);
                Position::First
            }
            Some(first) => {
                self.lack = Some(match total {
                    Some(total) if self.shrunk == 0 && first == (Some(total), shown) => format!(
                        "the list says that it has {total} items and shows {shown}, each of two times: these keys may not see the others, or the cloud counts something else; what was shown is reported, and nothing is forgotten"
                    ),
                    _ => format!(
                        "the list changed while it was read, twice: up to {missing} of its items were not shown"
                    ),
                });
                Position::End
            }
        }
    }

    /// Where a list goes on whose server shows less than what was asked for.
    fn behind_a_short_page(&mut self, before: usize, came: usize) -> Position {
        let (sizes, by_offset) = match self.list.paging {
            Paging::Offsets { sizes, .. } => (sizes, true),
            Paging::Numbers { sizes, .. } | Paging::FromZero { sizes, .. } => (sizes, false),
            Paging::Tokens { .. } | Paging::Whole => return Position::End,
        };
        let read = before + came;
        if let Some(size) = sizes.within(came) {
            // Whether it counts pages by its own size or by the one that is asked for is the same once a page of that size is shown in full:
            // what lies before the first page that was not is asked for again, and nothing is passed over.
            self.size = size;
            return Position::Behind(read / size * size);
        }
        // So few may not be asked for. An offset says where to go on all the same; by numbers the server can only mean pages of its own size.
        let page = before / self.size;
        self.size = sizes.least();
        self.short = self.short.or(Some(read));
        Position::Behind(if by_offset { read } else { (page + 1) * self.size })
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
