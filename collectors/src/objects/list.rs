//! Lists: how they are asked for and read to their end.
//!
//! Owns paging. Knows no protocol and nothing of what the items are, but where their id stands.

use crate::call::CallError;
use crate::collector::{Action, Failure};
use crate::point::Text;
use crate::run::Run;
use serde_json::Value as Json;
use std::collections::HashSet;

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
    /// Where the id stands in an item; an item without one is never taken for another.
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

/// A list being read.
pub(crate) struct Walk<'list> {
    list: &'list List,
    region: Text,
    parameters: Vec<(String, Json)>,
    position: Position,
    /// Ids that came before: a list that changes between two pages can show an item twice.
    seen: HashSet<String>,
    tokens: HashSet<String>,
    pages: usize,
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

/// More pages than this are no list.
const PAGES: usize = 100_000;

impl<'list> Walk<'list> {
    /// Before the first page; `parameters` come beside the list's own.
    pub(crate) fn new(list: &'list List, region: &Text, parameters: &[(String, String)]) -> Self {
        let mut all: Vec<(String, Json)> = Vec::new();
        if let Some(name) = list.request.region {
            all.push((name.to_owned(), Json::from(&**region)));
        }
        all.extend(
            list.request.parameters.iter().map(|(name, value)| ((*name).to_owned(), Json::from(*value))),
        );
        all.extend(parameters.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))));
        Self {
            list,
            region: region.clone(),
            parameters: all,
            position: Position::First,
            seen: HashSet::new(),
            tokens: HashSet::new(),
            pages: 0,
            again: false,
            missing: 0,
        }
    }

    /// The same with these parameters too, nested ones among them.
    pub(crate) fn beside(mut self, parameters: &[(String, Json)]) -> Self {
        self.parameters.extend_from_slice(parameters);
        self
    }

    /// Items that the list promised and did not show, because it kept changing while it was read.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// Is there another page to ask for?
    pub(crate) fn goes_on(&self) -> bool {
        !matches!(self.position, Position::End)
    }

    /// The next page's items, those that came before left out.
    pub(crate) async fn next(&mut self, run: &Run) -> Result<Vec<Json>, Failure> {
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
        let mut answer = request.api.ask(run, &self.region, request.action, &parameters).await?;
        self.pages += 1;
        if self.pages > PAGES {
            return Err(self.endless("it has too many pages"));
        }
        let next = match list.paging {
            Paging::Tokens { next, .. } => at(&answer, next).and_then(text),
            Paging::Whole | Paging::Numbers { .. } | Paging::Offsets { .. } => None,
        };
        let total = match list.paging {
            Paging::Numbers { total: Some(total), .. } | Paging::Offsets { total, .. } => {
                at(&answer, total).and_then(count)
            }
            _ => None,
        };
        let items = items(&mut answer, list.items);
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
                Some(token) if !self.tokens.insert(token.clone()) => {
                    return Err(self.endless("the cloud gave the same page token twice"));
                }
                Some(token) => Position::Token(token),
            },
            Paging::Numbers { most, .. } | Paging::Offsets { most, .. } => {
                self.after(number, came, items.len(), most, total)
            }
        };
        Ok(items)
    }

    /// Where a list by numbers goes on after a page.
    fn after(&mut self, number: usize, came: usize, new: usize, most: usize, total: Option<u64>) -> Position {
        let read = number as u64 * most as u64;
        let last = came < most || total.is_some_and(|total| read >= total);
        // Some answer to a number behind the end with the last page again. On the second way nothing is new, mostly.
        if !last && (new > 0 || self.again) {
            return Position::Number(number + 1);
        }
        let missing = total.map_or(0, |total| total.saturating_sub(self.seen.len() as u64));
        // Between two pages something was released: what stood first on the next page came to stand last on the one that was read.
        if missing > 0 && number > 1 && !self.again {
            self.again = true;
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
fn items(answer: &mut Json, path: &str) -> Vec<Json> {
    if path.is_empty() {
        return vec![answer.take()];
    }
    let found = path.split('.').try_fold(answer, |value, name| value.get_mut(name));
    match found.map(Json::take) {
        Some(Json::Array(items)) => items,
        Some(item @ Json::Object(_)) => vec![item],
        _ => Vec::new(),
    }
}
