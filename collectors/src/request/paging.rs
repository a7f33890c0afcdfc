//! Lists of named calls: how they go on, and their pages.
//!
//! Owns the services' known ways of paging. Reading a list to its end is [`crate::objects`]'s, as for declared lists.

use super::{Named, Options, wrong};
use crate::account::Cloud;
use crate::collector::Failure;
use crate::mistake::Mistake;
use crate::names::keep;
use crate::objects::{List, Paging, Request, Tally, Walk};
use crate::point::Text;
use crate::run::Run;
use serde::Deserialize;
use serde_json::Value as Json;

/// Items of a page, where nothing else is said: every list of Alibaba Cloud and Tencent Cloud takes as many.
const MOST: usize = 50;

/// How a list goes on, as a script writes it. One of `number`, `offset` and `token` says which way.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPaging {
    /// The parameter of the page's number.
    pub number: Option<String>,
    /// The parameter of how many are left out.
    pub offset: Option<String>,
    /// The parameter of the page token.
    pub token: Option<String>,
    /// Where an answer has the next token; the parameter's name unless given.
    pub next: Option<String>,
    /// The parameter of the page's size.
    pub size: Option<String>,
    /// The largest size.
    pub most: Option<usize>,
    /// Where an answer says how many items there are.
    pub total: Option<String>,
}

fn name(text: &str) -> Result<&'static str, Mistake> {
    keep(text).map_err(|error| wrong("paging", error.to_string()))
}

/// How a list of this service goes on.
fn paging(call: &Named, options: &Options) -> Result<Paging, Mistake> {
    let written = options.paging.clone().unwrap_or_default();
    let most = written.most.unwrap_or(MOST);
    if most == 0 {
        return Err(wrong("paging.most", "is 0: no page would hold anything"));
    }
    let given = [&written.number, &written.offset, &written.token].iter().filter(|way| way.is_some()).count();
    if given > 1 {
        return Err(wrong("paging", "names more than one way: write one of `number`, `offset` and `token`"));
    }
    // Without ids nothing tells whether an item came before: then a total proves nothing.
    let total = |known: Option<&'static str>| match (&options.id, &written.total) {
        (None, _) => Ok(None),
        (Some(_), Some(total)) => name(total).map(Some),
        (Some(_), None) => Ok(known),
    };
    if let Some(number) = &written.number {
        let size = name(written.size.as_deref().unwrap_or("PageSize"))?;
        return Ok(Paging::Numbers { number: name(number)?, size, most, total: total(None)? });
    }
    if let Some(offset) = &written.offset {
        let limit = name(written.size.as_deref().unwrap_or("Limit"))?;
        let total = total(None)?.unwrap_or_default();
        return Ok(Paging::Offsets { offset: name(offset)?, limit, most, total });
    }
    if let Some(token) = &written.token {
        let next = name(written.next.as_deref().unwrap_or(token))?;
        let size = match &written.size {
            Some(size) => Some((name(size)?, most)),
            None => None,
        };
        return Ok(Paging::Tokens { token: name(token)?, next, size });
    }
    Ok(match call.cloud {
        Cloud::Aliyun => Paging::Numbers {
            number: "PageNumber",
            size: "PageSize",
            most,
            total: total(Some("TotalCount"))?,
        },
        Cloud::Tencent => {
            let total = total(Some("TotalCount"))?.unwrap_or_default();
            Paging::Offsets { offset: "Offset", limit: "Limit", most, total }
        }
        Cloud::Aws => {
            let (token, next) = match call.action.service {
                "ec2" => ("NextToken", "nextToken"),
                "rds" | "elasticache" | "redshift" | "iam" => ("Marker", "Marker"),
                "elasticloadbalancing" => ("Marker", "NextMarker"),
                "ecs" | "logs" | "states" => ("nextToken", "nextToken"),
                _ => ("NextToken", "NextToken"),
            };
            Paging::Tokens { token, next, size: None }
        }
    })
}

/// A list that can be read.
#[derive(Debug)]
pub struct Pages {
    list: List,
    region: Text,
    parameters: Vec<(String, Json)>,
}

impl Pages {
    /// The list of a call.
    ///
    /// # Errors
    /// A [`Mistake`] in the options: `items` is missing, the way of paging is none.
    pub fn new(
        call: &Named,
        region: &Text,
        parameters: Vec<(String, Json)>,
        options: &Options,
    ) -> Result<Self, Mistake> {
        let Some(items) = options.items.as_deref().filter(|items| !items.is_empty()) else {
            return Err(wrong("items", "is missing: it says where the items stand in an answer")
                .hint("write it as a path of names, for example `#{ items: \"Disks.Disk\" }`"));
        };
        let list = List {
            request: Request { api: call.how, action: call.action, region: None, parameters: &[] },
            paging: paging(call, options)?,
            items: name(items)?,
            id: name(options.id.as_deref().unwrap_or_default())?,
        };
        Ok(Self { list, region: region.clone(), parameters })
    }

    /// Reads the list to its end, a page's items at a time; ends early where nobody takes them any more.
    ///
    /// # Errors
    /// A [`Failure`]: a call failed for good, or the list changed while it was read.
    pub async fn send(&self, run: &Run, pages: &tokio::sync::mpsc::Sender<Vec<Json>>) -> Result<(), Failure> {
        let tally = Tally::of([self.list.request.action]);
        let mut walk = Walk::new(&self.list, &self.region, &self.parameters, &tally);
        while walk.goes_on() {
            let items = walk.next(run).await?;
            if pages.send(items).await.is_err() {
                return Ok(());
            }
        }
        match walk.lack() {
            None => Ok(()),
            Some(lack) => Err(Failure::Answer(format!(
                "{}:{}: {lack}",
                self.list.request.action.service, self.list.request.action.action
            ))),
        }
    }
}
