//! Lists of named calls: how they go on, and their pages.
//!
//! Owns the services' known ways of paging. Reading a list to its end is [`crate::objects`]'s, as for declared lists.

use super::{Named, Options, wrong};
use crate::account::Cloud;
use crate::collector::Failure;
use crate::mistake::{Mistake, nearest};
use crate::names::keep;
use crate::objects::{List, Paging, Request, Sizes, Tally, Walk, Wire, at, text};
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
        return Ok(Paging::Numbers {
            number: name(number)?,
            size,
            sizes: Sizes::up_to(most),
            total: total(None)?,
        });
    }
    if let Some(offset) = &written.offset {
        let limit = name(written.size.as_deref().unwrap_or("Limit"))?;
        let total = total(None)?.unwrap_or_default();
        return Ok(Paging::Offsets { offset: name(offset)?, limit, sizes: Sizes::up_to(most), total });
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
        Cloud::Aliyun => match call.action.service {
            "alb" | "nlb" => Paging::Tokens { token: "NextToken", next: "NextToken", size: None },
            "ram" => Paging::Tokens { token: "Marker", next: "Marker", size: None },
            service => Paging::Numbers {
                number: if service == "bssopenapi" { "PageNum" } else { "PageNumber" },
                size: "PageSize",
                sizes: Sizes::up_to(most),
                total: total(Some("TotalCount"))?,
            },
        },
        Cloud::Tencent => {
            let total = total(Some("TotalCount"))?.unwrap_or_default();
            Paging::Offsets { offset: "Offset", limit: "Limit", sizes: Sizes::up_to(most), total }
        }
        Cloud::Aws => {
            let (token, next) = match call.action.service {
                "ec2" => ("NextToken", "nextToken"),
                "rds" | "elasticache" | "redshift" | "iam" => ("Marker", "Marker"),
                "elasticloadbalancing" => ("Marker", "NextMarker"),
                "ecs" | "logs" | "states" => ("nextToken", "nextToken"),
                _ => ("NextToken", "NextToken"),
            };
            let next = written.next.as_deref().map_or(Ok(next), name)?;
            let size = match &written.size {
                Some(size) => Some((name(size)?, most)),
                None => None,
            };
            Paging::Tokens { token, next, size }
        }
    })
}

/// Members by which answers say how to go on, of all clouds.
const TOKENS: &[&str] = &[
    "NextToken",
    "nextToken",
    "NextPageToken",
    "nextPageToken",
    "NextMarker",
    "nextMarker",
    "Marker",
    "marker",
    "PaginationToken",
    "NextContinuationToken",
    "NextCursor",
];

/// That an answer goes on by a token where the list is read in another way: nobody said which, and half of it would be taken for the whole.
fn other_way(answer: &Json, list: &List) -> Result<(), String> {
    let said = |token: &&&str| at(answer, token).and_then(text).is_some();
    let (read_by, known) = match list.paging {
        Paging::Tokens { next, .. } => {
            ("`".to_owned() + next + "`", at(answer, next).and_then(text).is_some())
        }
        // All of it came: the token means nothing.
        Paging::Numbers { total, .. } => ("page numbers".to_owned(), complete(answer, list, total)),
        Paging::Offsets { total, .. } => ("offsets".to_owned(), complete(answer, list, Some(total))),
        Paging::Whole | Paging::FromZero { .. } => return Ok(()),
    };
    match TOKENS.iter().find(said).filter(|_| !known) {
        None => Ok(()),
        Some(token) => {
            // In a form parameters begin with a capital, whatever the answer's members do.
            let capital = matches!(list.request.api.wire(), Wire::Query { .. });
            let parameter = match *token {
                "NextMarker" => "Marker",
                "nextMarker" if !capital => "marker",
                "nextMarker" | "marker" if capital => "Marker",
                "nextToken" if capital => "NextToken",
                other => other,
            };
            let next = if parameter == *token { String::new() } else { format!(", next: \"{token}\"") };
            Err(format!(
                "the answer goes on by `{token}`, and is read by {read_by}\nhint: write `paging: #{{ token: \"{parameter}\"{next} }}` into the options"
            ))
        }
    }
}

/// Does an answer hold as many items as it says there are?
fn complete(answer: &Json, list: &List, total: Option<&str>) -> bool {
    let total = total.filter(|total| !total.is_empty()).unwrap_or("TotalCount");
    let total = at(answer, total).and_then(text).and_then(|total| total.parse::<usize>().ok());
    let came = at(answer, list.items).and_then(Json::as_array).map_or(0, Vec::len);
    total.is_some_and(|total| total <= came)
}

/// That the items of an answer do not stand where the script says.
fn elsewhere(answer: &Json, path: &str) -> Result<(), String> {
    let mut value = answer;
    let mut walked = String::new();
    for name in path.split('.') {
        let Some(found) = at(value, name) else {
            // An empty list is left out by some: nothing here looks like one.
            if !holds_items(value) {
                return Ok(());
            }
            let place = if walked.is_empty() { "the answer".to_owned() } else { format!("`{walked}`") };
            let members: Vec<&str> =
                value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let way_out = match nearest(name, members.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let members: Vec<String> = members.iter().map(|name| format!("`{name}`")).collect();
                    format!("it has {}", members.join(", "))
                }
            };
            return Err(format!(
                "`items` says `{path}`, and {place} has no member `{name}`\nhint: {way_out}"
            ));
        };
        value = found;
        walked = if walked.is_empty() { name.to_owned() } else { format!("{walked}.{name}") };
    }
    match value {
        Json::Object(members) if members.len() == 1 => match members.iter().next() {
            Some((name, Json::Array(_) | Json::Object(_))) => Err(format!(
                "`items` says `{path}`, which is no list but holds one\nhint: write `items: \"{path}.{name}\"`"
            )),
            _ => Ok(()),
        },
        Json::Array(_) | Json::Object(_) | Json::Null => Ok(()),
        Json::String(text) if text.is_empty() => Ok(()),
        _ => Err(format!(
            "`items` says `{path}`, which is a single value and no list\nhint: name the list's own path, as it stands in the answer: `client.request(…)` shows it"
        )),
    }
}

/// Does a list with something in it stand anywhere below?
fn holds_items(value: &Json) -> bool {
    match value {
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => members.values().any(holds_items),
        _ => false,
    }
}

/// A list that can be read.
#[derive(Debug)]
pub struct Pages {
    list: List,
    region: Text,
    parameters: Vec<(String, Json)>,
    /// Did the script say how the list goes on?
    said: bool,
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
            request: Request {
                api: call.how,
                action: call.action,
                region: None,
                parameters: &[],
                structures: &[],
            },
            paging: paging(call, options)?,
            items: name(items)?,
            id: name(options.id.as_deref().unwrap_or_default())?,
        };
        let said = options.paging.as_ref().is_some_and(|written| {
            written.number.is_some() || written.offset.is_some() || written.token.is_some()
        });
        Ok(Self { list, region: region.clone(), parameters, said })
    }

    /// Reads the list to its end, a page's items at a time; ends early where nobody takes them any more.
    ///
    /// # Errors
    /// A [`Failure`]: a call failed for good, or the list changed while it was read.
    pub async fn send(&self, run: &Run, pages: &tokio::sync::mpsc::Sender<Vec<Json>>) -> Result<(), Failure> {
        let tally = Tally::of([self.list.request.action]);
        let judge = |answer: &Json| {
            elsewhere(answer, self.list.items)?;
            if self.said { Ok(()) } else { other_way(answer, &self.list) }
        };
        let mut walk = Walk::new(&self.list, &self.region, &self.parameters, &tally).judged(Box::new(judge));
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(cloud: Cloud, service: &str, options: Json) -> List {
        let options: Options = serde_json::from_value(options).unwrap();
        let call = Named::new(cloud, service, "List", &options).unwrap();
        Pages::new(&call, &Text::from("r"), Vec::new(), &options).unwrap().list
    }

    #[test]
    fn an_answer_that_goes_on_in_another_way_is_no_whole_list() {
        let numbers = list(Cloud::Aliyun, "ecs", json!({ "items": "A.B" }));
        let page = json!({ "A": { "B": [1, 2] }, "NextToken": "t" });
        assert!(
            other_way(&page, &numbers).unwrap_err().contains("write `paging: #{ token: \"NextToken\" }`")
        );
        // All of it is there, whatever the token says; and an empty token says nothing.
        let whole = json!({ "A": { "B": [1, 2] }, "NextToken": "t", "TotalCount": 2 });
        assert_eq!(other_way(&whole, &numbers), Ok(()));
        let last = json!({ "A": { "B": [1, 2] }, "NextToken": "", "TotalCount": 5 });
        assert_eq!(other_way(&last, &numbers), Ok(()));
        let more = json!({ "A": { "B": [1, 2] }, "NextToken": "t", "TotalCount": 3 });
        assert!(other_way(&more, &numbers).is_err());
        let offsets = list(Cloud::Tencent, "cdb", json!({ "items": "Items" }));
        assert!(other_way(&json!({ "Items": [1], "NextToken": "t" }), &offsets).is_err());
        // In a form the parameter has a capital.
        let form = list(Cloud::Aws, "autoscaling", json!({ "items": "A" }));
        let wrong = other_way(&json!({ "A": [1], "nextToken": "t" }), &form).unwrap_err();
        assert!(wrong.contains("#{ token: \"NextToken\", next: \"nextToken\" }"), "{wrong}");
        let plain = list(Cloud::Aws, "ecs", json!({ "items": "A" }));
        assert_eq!(other_way(&json!({ "A": [1], "nextToken": "t" }), &plain), Ok(()));
        assert!(
            other_way(&json!({ "A": [1], "NextMarker": "t" }), &plain).unwrap_err().contains("\"Marker\"")
        );
    }

    #[test]
    fn known_lists_go_on_in_their_own_way() {
        for service in ["alb", "nlb"] {
            let paging = list(Cloud::Aliyun, service, json!({ "items": "A" })).paging;
            assert!(matches!(paging, Paging::Tokens { token: "NextToken", next: "NextToken", .. }));
        }
        let paging = list(Cloud::Aws, "ec2", json!({ "items": "A", "paging": { "next": "Other" } })).paging;
        assert!(matches!(paging, Paging::Tokens { token: "NextToken", next: "Other", .. }));
    }

    #[test]
    fn items_that_stand_elsewhere_are_found() {
        let answer = json!({ "Disks": { "Disk": [{ "Id": 1 }] }, "TotalCount": 1, "Text": "x", "One": { "a": 1, "b": 2 } });
        assert_eq!(elsewhere(&answer, "Disks.Disk"), Ok(()));
        assert_eq!(elsewhere(&answer, "One"), Ok(()), "a list of one, as it comes from XML");
        for (path, said) in [
            ("Disk.Disk", "did you mean `Disks`?"),
            ("Disks.Volume", "`Disks` has no member `Volume`\nhint: it has `Disk`"),
            ("Disks", "write `items: \"Disks.Disk\"`"),
            ("Text", "single value"),
        ] {
            assert!(elsewhere(&answer, path).unwrap_err().contains(said), "{path}");
        }
        // Nothing that looks like a list: it is empty, and left out.
        for answer in
            [json!({ "RequestId": "r" }), json!({ "Disks": null }), json!({ "Disks": { "Disk": [] } })]
        {
            assert_eq!(elsewhere(&answer, "Disks.Disk"), Ok(()));
            assert_eq!(elsewhere(&answer, "Disks.Volume"), Ok(()));
        }
    }
}
