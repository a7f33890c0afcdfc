//! Lists of named calls: how they go on, and their pages.
//!
//! Owns the services' known ways of paging. Reading a list to its end is [`crate::objects`]'s, as for declared lists.

use super::{Named, Options, wrong};
use crate::account::Cloud;
use crate::collector::Failure;
use crate::mistake::{Argument, Mistake, nearest};
use crate::names::keep;
use crate::objects::{List, Paging, Request, Sizes, Tally, Walk, Wire, at, text};
use crate::point::Text;
use crate::run::Run;
use serde::Deserialize;
use serde_json::Value as Json;
use std::sync::{Mutex, PoisonError};

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

/// A parameter that the list sets by itself, page by page: what a script says there would be sent twice, or not at all.
fn set_twice(paging: &Paging, parameters: &[(String, Json)], options: &Options) -> Result<(), Mistake> {
    let (place, size) = match *paging {
        Paging::Numbers { number, size, .. } | Paging::FromZero { number, size, .. } => (number, Some(size)),
        Paging::Offsets { offset, limit, .. } => (offset, Some(limit)),
        Paging::Tokens { token, size, .. } => (token, size.map(|(size, _)| size)),
        Paging::Whole => return Ok(()),
    };
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_null()) {
        let mistake = Mistake::new(
            Argument::Parameters,
            name,
            "is set by the list itself, which is read page by page to its end",
        );
        if Some(name.as_str()) == size {
            let most =
                text(value).and_then(|most| most.parse().ok()).filter(|most| *most > 0).unwrap_or(MOST);
            let paging = match &options.paging {
                Some(_) => format!("`most: {most}` into `paging`"),
                None => format!("`paging: #{{ most: {most} }}` into the options"),
            };
            return Err(mistake.hint(format!(
                "leave it out, and write {paging} for pages of that size; one page alone is asked for by `request`"
            )));
        }
        if name == place {
            return Err(mistake.hint("leave it out; one page alone is asked for by `request`"));
        }
    }
    Ok(())
}

/// Members by which answers say how to go on, of all clouds.
pub const TOKENS: &[&str] = &[
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

/// Members by which answers say how many items a list has, where a script does not say it.
const TOTALS: &[&str] = &["TotalCount", "TotalRecordCount"];

/// A member by which an answer goes on, other than the one that is read.
fn unread(answer: &Json, list: &List) -> Option<&'static str> {
    let said = |token: &&&str| at(answer, token).and_then(text).is_some();
    match list.paging {
        Paging::Tokens { next, .. } if at(answer, next).and_then(text).is_some() => None,
        Paging::Tokens { .. } | Paging::Numbers { .. } | Paging::Offsets { .. } => {
            TOKENS.iter().find(said).copied()
        }
        Paging::Whole | Paging::FromZero { .. } => None,
    }
}

/// What is wrong with an answer that goes on by a token that is not read.
fn other_way(token: &str, list: &List) -> String {
    let read_by = match list.paging {
        Paging::Tokens { next, .. } => format!("`{next}`"),
        Paging::Offsets { .. } => "offsets".to_owned(),
        _ => "page numbers".to_owned(),
    };
    // In a form parameters begin with a capital, whatever the answer's members do.
    let wire = list.request.api.wire();
    let capital = matches!(wire, Wire::Query { .. });
    let parameter = match token {
        "NextMarker" => "Marker",
        "nextMarker" if !capital => "marker",
        "nextMarker" | "marker" if capital => "Marker",
        "nextToken" if capital => "NextToken",
        other => other,
    };
    let next = if parameter == token { String::new() } else { format!(", next: \"{token}\"") };
    // Without a size these lists go by numbers.
    let size = if matches!(wire, Wire::Rpc { .. }) { ", size: \"MaxResults\", most: 50" } else { "" };
    format!(
        "the answer goes on by `{token}`, and is read by {read_by}\nhint: write `paging: #{{ token: \"{parameter}\"{next}{size} }}` into the options"
    )
}

/// What the answers to a list said, and how much of it came.
#[derive(Debug, Default)]
struct Heard {
    came: u64,
    total: Option<u64>,
    unread: Option<&'static str>,
}

impl Heard {
    /// Hears an answer.
    fn hear(&mut self, answer: &Json, list: &List, total: Option<&str>) {
        self.came += match at(answer, list.items) {
            Some(Json::Array(items)) => items.len() as u64,
            Some(Json::Object(_)) => 1,
            _ => 0,
        };
        let count = |path: &str| at(answer, path).and_then(text).and_then(|total| total.parse().ok());
        self.total = match total {
            Some(path) => count(path),
            None => TOTALS.iter().find_map(|path| count(path)),
        };
        self.unread = unread(answer, list);
    }

    /// What is wrong with a list that has ended; `said`: the script says how it goes on.
    fn judge(&self, list: &List, said: bool) -> Result<(), String> {
        let by_token = matches!(list.paging, Paging::Tokens { .. });
        match (self.total, self.unread) {
            (Some(total), _) if total <= self.came => Ok(()),
            (_, Some(token)) if by_token || !said => Err(other_way(token, list)),
            (Some(total), _) => {
                let way_out = if by_token && matches!(list.request.api.wire(), Wire::Rpc { .. }) {
                    "lists by tokens may need their size: `paging: #{ token: \"NextToken\", size: \"MaxResults\", most: 50 }`; or these keys may not see the others"
                } else {
                    "say how it goes on with `paging` in the options; or these keys may not see the others"
                };
                let came = self.came;
                Err(format!("the list says that it has {total} items and shows {came}\nhint: {way_out}"))
            }
            (None, _) => Ok(()),
        }
    }
}

/// That no item has an id where the script says that they have one.
fn without_ids(answer: &Json, list: &List) -> Result<(), String> {
    let Some(Json::Array(items)) = at(answer, list.items).filter(|_| !list.id.is_empty()) else {
        return Ok(());
    };
    let Some(first) = items.iter().find_map(Json::as_object) else { return Ok(()) };
    if items.iter().any(|item| at(item, list.id).and_then(text).is_some()) {
        return Ok(());
    }
    let way_out = match nearest(list.id, first.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let members: Vec<String> = first.keys().map(|name| format!("`{name}`")).collect();
            format!("an item has {}", members.join(", "))
        }
    };
    Err(format!("`id` says `{}`, and no item has it\nhint: {way_out}", list.id))
}

/// That the items of an answer do not stand where the script says.
fn elsewhere(answer: &Json, path: &str) -> Result<(), String> {
    let mut value = answer;
    let mut walked = String::new();
    for name in path.split('.') {
        let Some(found) = at(value, name) else {
            if matches!(value, Json::Array(_)) {
                return Err(format!(
                    "`items` says `{path}`, and `{walked}` is the list already\nhint: write `items: \"{walked}\"`"
                ));
            }
            // An empty list is left out by some: nothing here looks like one, or the answer says that there is nothing.
            let none = |path: &&str| at(answer, path).and_then(text).is_some_and(|total| total == "0");
            if TOTALS.iter().any(none) || !holds_items(value) {
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
    /// Where answers say how many items there are, if the script says it.
    total: Option<String>,
}

impl Pages {
    /// The list of a call.
    ///
    /// # Errors
    /// A [`Mistake`] in the options: `items` is missing, the way of paging is none; or a parameter that the list sets by itself.
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
        let paging = paging(call, options)?;
        set_twice(&paging, &parameters, options)?;
        let list = List {
            request: Request {
                api: call.how,
                action: call.action,
                region: None,
                parameters: &[],
                structures: &[],
            },
            paging,
            items: name(items)?,
            id: name(options.id.as_deref().unwrap_or_default())?,
        };
        let said = options.paging.as_ref().is_some_and(|written| {
            written.number.is_some() || written.offset.is_some() || written.token.is_some()
        });
        let total = options.paging.as_ref().and_then(|written| written.total.clone());
        Ok(Self { list, region: region.clone(), parameters, said, total })
    }

    /// Reads the list to its end, a page's items at a time; ends early where nobody takes them any more.
    ///
    /// # Errors
    /// A [`Failure`]: a call failed for good, or the list changed while it was read.
    pub async fn send(&self, run: &Run, pages: &tokio::sync::mpsc::Sender<Vec<Json>>) -> Result<(), Failure> {
        let tally = Tally::of([self.list.request.action]);
        let heard = Mutex::new(Heard::default());
        let judge = |answer: &Json| {
            elsewhere(answer, self.list.items)?;
            without_ids(answer, &self.list)?;
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let first = heard.came == 0;
            heard.hear(answer, &self.list, self.total.as_deref());
            // Where nothing says how much there is, a list that takes no numbers would be read for ever.
            match heard.unread.filter(|_| first && !self.said && heard.total.is_none()) {
                Some(token) => Err(other_way(token, &self.list)),
                None => Ok(()),
            }
        };
        let mut walk = Walk::new(&self.list, &self.region, &self.parameters, &tally).judged(Box::new(judge));
        while walk.goes_on() {
            let items = walk.next(run).await?;
            if pages.send(items).await.is_err() {
                return Ok(());
            }
        }
        let wrong = match walk.lack() {
            Some(lack) => Err(lack.to_owned()),
            None => heard.lock().unwrap_or_else(PoisonError::into_inner).judge(&self.list, self.said),
        };
        wrong.map_err(|wrong| {
            let action = self.list.request.action;
            Failure::Answer(format!("{}:{}: {wrong}", action.service, action.action))
        })
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

    /// What is said of these answers to a list.
    fn judged(list: &List, said: bool, answers: &[Json]) -> Result<(), String> {
        let mut heard = Heard::default();
        answers.iter().for_each(|answer| heard.hear(answer, list, None));
        heard.judge(list, said)
    }

    #[test]
    fn an_answer_that_goes_on_in_another_way_is_no_whole_list() {
        let numbers = list(Cloud::Aliyun, "ecs", json!({ "items": "A.B" }));
        let page = |token: &str, total: Json| json!({ "A": { "B": [1, 2] }, "NextToken": token, "TotalCount": total });
        let wrong = judged(&numbers, false, &[page("t", Json::Null)]).unwrap_err();
        assert!(
            wrong.contains("write `paging: #{ token: \"NextToken\", size: \"MaxResults\", most: 50 }`"),
            "{wrong}"
        );
        // All of it is there, on however many pages, whatever the token says; and an empty token says nothing.
        assert_eq!(judged(&numbers, false, &[page("t", json!(2))]), Ok(()));
        assert_eq!(judged(&numbers, false, &[page("t", json!(4)), page("u", json!(4))]), Ok(()));
        assert_eq!(judged(&numbers, false, &[page("", Json::Null)]), Ok(()));
        // What the list says to have and does not show is missed however it is read.
        for said in [true, false] {
            let wrong = judged(&numbers, said, &[page("", json!("5"))]).unwrap_err();
            assert!(wrong.contains("says that it has 5 items and shows 2\nhint: "), "{wrong}");
        }
        assert!(judged(&numbers, false, &[page("t", json!(3))]).is_err());
        let tokens =
            list(Cloud::Aliyun, "ecs", json!({ "items": "A.B", "paging": { "token": "NextToken" } }));
        let wrong = judged(&tokens, true, &[page("", json!(20))]).unwrap_err();
        assert!(wrong.contains("size: \"MaxResults\""), "{wrong}");
        // The next token under another name than the script says.
        let misspelt = list(
            Cloud::Aws,
            "ec2",
            json!({ "items": "A", "paging": { "token": "NextToken", "next": "NextToken" } }),
        );
        let wrong = judged(&misspelt, true, &[json!({ "A": [1], "nextToken": "t" })]).unwrap_err();
        assert!(wrong.contains("#{ token: \"NextToken\", next: \"nextToken\" }"), "{wrong}");
        let offsets = list(Cloud::Tencent, "cdb", json!({ "items": "Items" }));
        assert!(judged(&offsets, false, &[json!({ "Items": [1], "NextToken": "t" })]).is_err());
        // Who says numbers is believed where nothing else is known.
        assert_eq!(judged(&offsets, true, &[json!({ "Items": [1], "NextToken": "t" })]), Ok(()));
        let plain = list(Cloud::Aws, "ecs", json!({ "items": "A" }));
        assert_eq!(judged(&plain, false, &[json!({ "A": [1], "nextToken": "t" })]), Ok(()));
        let wrong = judged(&plain, false, &[json!({ "A": [1], "NextMarker": "t" })]).unwrap_err();
        assert!(wrong.contains("\"Marker\""), "{wrong}");
    }

    #[test]
    fn an_id_that_no_item_has_is_a_slip() {
        let list = list(Cloud::Aliyun, "ecs", json!({ "items": "A.B", "id": "Diskid" }));
        let answer = json!({ "A": { "B": [{ "DiskId": "d-1", "Size": 5 }] } });
        assert!(without_ids(&answer, &list).unwrap_err().ends_with("did you mean `DiskId`?"));
        assert_eq!(without_ids(&json!({ "A": { "B": [] } }), &list), Ok(()));
        assert_eq!(
            without_ids(&json!({ "A": { "B": [{ "Diskid": "d-1" }, { "Size": 5 }] } }), &list),
            Ok(())
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
    fn what_a_list_sets_by_itself_is_no_parameter() {
        let wrong = |cloud, service: &str, parameters: Json, options: Json| {
            let mut options: Options = serde_json::from_value(options).unwrap();
            options.items = Some("A".into());
            let call = Named::new(cloud, service, "List", &options).unwrap();
            let Json::Object(parameters) = parameters else { unreachable!() };
            Pages::new(&call, &Text::from("r"), parameters.into_iter().collect(), &options).err()
        };
        for (cloud, service, name, value, options, hint) in [
            (
                Cloud::Tencent,
                "cdb",
                "Limit",
                json!(20),
                json!({}),
                "`paging: #{ most: 20 }` into the options",
            ),
            (Cloud::Tencent, "cdb", "Offset", json!(0), json!({}), "leave it out; "),
            (Cloud::Aliyun, "ecs", "PageSize", json!("100"), json!({}), "`paging: #{ most: 100 }`"),
            (Cloud::Aliyun, "ecs", "PageNumber", json!(1), json!({}), "leave it out; "),
            (
                Cloud::Aliyun,
                "ecs",
                "Max",
                json!(0),
                json!({ "paging": { "offset": "From", "size": "Max" } }),
                "`most: 50` into `paging`",
            ),
            (Cloud::Aws, "rds", "Marker", json!("m"), json!({}), "leave it out; "),
            (
                Cloud::Aws,
                "ec2",
                "MaxResults",
                json!(5),
                json!({ "paging": { "size": "MaxResults" } }),
                "`most: 5` into `paging`",
            ),
        ] {
            let found = wrong(cloud, service, json!({ "A": 1, name: value }), options).unwrap();
            assert_eq!((found.argument, found.path.as_str()), (Argument::Parameters, name));
            assert!(found.hint.as_ref().unwrap().contains(hint), "{found:?}");
        }
        // These lists have no size of their own, or another name for it, and what says nothing is not sent.
        assert_eq!(wrong(Cloud::Aws, "rds", json!({ "MaxRecords": 20 }), json!({})), None);
        assert_eq!(wrong(Cloud::Aliyun, "ecs", json!({ "Limit": 20, "PageSize": null }), json!({})), None);
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
            ("Disks.Disk.item", "`Disks.Disk` is the list already\nhint: write `items: \"Disks.Disk\"`"),
        ] {
            assert!(elsewhere(&answer, path).unwrap_err().contains(said), "{path}");
        }
        // The answer says that there is nothing, whatever else it lists.
        assert_eq!(elsewhere(&json!({ "TotalCount": 0, "Warnings": ["w"] }), "Disks.Disk"), Ok(()));
        // Nothing that looks like a list: it is empty, and left out.
        for answer in
            [json!({ "RequestId": "r" }), json!({ "Disks": null }), json!({ "Disks": { "Disk": [] } })]
        {
            assert_eq!(elsewhere(&answer, "Disks.Disk"), Ok(()));
            assert_eq!(elsewhere(&answer, "Disks.Volume"), Ok(()));
        }
    }
}
