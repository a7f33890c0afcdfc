//! Declarations, flattened to the calls that they make: what is compared with the vendors' descriptions, and what the doubles are told to answer.

use funchost_collectors::COLLECTORS;
use funchost_collectors::account::Cloud;
use funchost_collectors::collector::{Action, Source};
use funchost_collectors::objects::{Detail, How, Ids, Join, List, ObjectCollector, Paging, Scope, Wire};
use serde_json::Value as Json;
use simcloud::{MarketCall, MarketItems, MarketPaging};
use std::collections::BTreeSet;

/// Every declaration with the name of its package's collector, those that belong to another's package too.
pub(crate) fn declarations() -> Vec<&'static ObjectCollector> {
    let declared = COLLECTORS.iter().filter_map(|collector| collector.declaration());
    declared.flat_map(|collector| std::iter::once(collector).chain(collector.also.iter().copied())).collect()
}

/// Which call of a declaration.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// The list of the objects.
    List,
    /// The list of the regions.
    Regions,
    /// A detail.
    Detail(&'static Detail),
}

/// One call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) collector: &'static ObjectCollector,
    pub(crate) part: Part,
    pub(crate) list: &'static List,
    /// Names of all parameters.
    pub(crate) parameters: Vec<&'static str>,
    /// Parameters whose values the declaration says.
    pub(crate) values: Vec<(&'static str, String)>,
    /// Members that an item is read for.
    pub(crate) members: BTreeSet<&'static str>,
}

impl Call {
    pub(crate) fn cloud(&self) -> Cloud {
        self.collector.description.cloud
    }

    pub(crate) fn action(&self) -> &'static Action {
        self.list.request.action
    }

    pub(crate) fn wire(&self) -> Wire {
        self.list.request.api.wire()
    }
}

/// What a source reads: of the item where `detail` is none, else of that detail.
fn reads(from: &Source, detail: Option<&str>, into: &mut BTreeSet<&'static str>) {
    match (from, detail) {
        (Source::Path(path) | Source::Seconds(path), None) => drop(into.insert(path)),
        (Source::Detail(name, path), Some(detail)) if *name == detail => drop(into.insert(path)),
        (Source::CloudTag(_), None) => drop(into.insert("Tags")),
        (Source::First(sources), _) => sources.iter().for_each(|from| reads(from, detail, into)),
        (Source::Mapped(from, _) | Source::Behind(from, _) | Source::Epoch(from), _) => {
            reads(from, detail, into)
        }
        _ => {}
    }
}

fn parameters(list: &List) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = list.request.region.into_iter().collect();
    names.extend(list.request.parameters.iter().chain(list.request.structures).map(|(name, _)| *name));
    match list.paging {
        Paging::Whole => {}
        Paging::Numbers { number, size, .. } | Paging::FromZero { number, size, .. } => {
            names.extend([number, size])
        }
        Paging::Offsets { offset, limit, .. } => names.extend([offset, limit]),
        Paging::Tokens { token, size, .. } => {
            names.push(token);
            names.extend(size.map(|(name, _)| name));
        }
    }
    names
}

/// Values that say something, one by one: a sub-resource has none.
fn values(list: &List) -> Vec<(&'static str, String)> {
    let texts = list.request.parameters.iter().filter(|(_, value)| !value.is_empty());
    // Several are one text with commas, or a list.
    let texts = texts.flat_map(|(name, value)| value.split(',').map(|value| (*name, value.to_owned())));
    let structures = list.request.structures.iter().flat_map(|(name, value)| {
        let value: Json = serde_json::from_str(value).expect("what is declared is JSON");
        let values = match value {
            Json::Array(values) => values,
            one => vec![one],
        };
        let text = |value: Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        values.into_iter().map(move |value| (*name, text(value)))
    });
    texts.chain(structures).collect()
}

/// All calls of a declaration.
pub(crate) fn calls(collector: &'static ObjectCollector) -> Vec<Call> {
    let described = || collector.description.tags.iter().chain(collector.description.fields);
    let read = |detail: Option<&str>| {
        let mut members = BTreeSet::new();
        described().for_each(|reported| reads(&reported.from, detail, &mut members));
        members
    };
    let mut own = read(None);
    own.insert(collector.list.id);
    own.extend(Some(collector.apart).filter(|apart| !apart.is_empty()));
    own.extend(collector.skip.as_ref().map(|skip| skip.path));
    own.extend(collector.class.map(|(path, _)| path));
    if let Scope::Account { region, .. } = collector.scope {
        own.extend(region);
    }
    let mut calls = Vec::new();
    let mut names = parameters(&collector.list);
    names.extend(collector.variants.map(|(name, _)| name));
    if let Scope::Everywhere(_, list) = collector.scope {
        let members = BTreeSet::from([list.id]);
        calls.push(Call {
            collector,
            part: Part::Regions,
            list,
            parameters: parameters(list),
            values: values(list),
            members,
        });
    }
    for detail in collector.details {
        let list = detail.list();
        let mut names = parameters(list);
        let mut members: BTreeSet<&'static str> = read(Some(detail.name));
        match &detail.how {
            How::Item { id: (parameter, path), only, keep, .. } => {
                names.push(parameter);
                own.insert(path);
                own.extend(only.map(|(path, _)| path));
                if !list.items.is_empty() {
                    members = members.iter().map(|path| path.trim_start_matches(['0', '.'])).collect();
                }
                // What is kept stands at one of these places.
                if !keep.is_empty() {
                    members.clear();
                }
            }
            How::Batch { ids, id, only, .. } => {
                names.push(ids);
                own.insert(id);
                own.extend(only.map(|(path, _)| path));
                members.insert(list.id);
            }
            How::Region { join, .. } => match join {
                Join::Tree => members = members.iter().map(|path| path.trim_start_matches("0.")).collect(),
                Join::One(path) => drop(members.insert(path)),
                Join::Many(_) | Join::All => {}
            },
        }
        members.remove("");
        let values = values(list);
        calls.push(Call { collector, part: Part::Detail(detail), list, parameters: names, values, members });
    }
    let list = &collector.list;
    let mut said = values(list);
    if let Some((name, variants)) = collector.variants {
        said.extend(variants.iter().map(|value| (name, (*value).to_owned())));
    }
    calls
        .insert(0, Call { collector, part: Part::List, list, parameters: names, values: said, members: own });
    calls
}

/// Does a batch go as a list?
pub(crate) fn as_list(detail: &Detail) -> bool {
    matches!(&detail.how, How::Batch { form: Ids::List, .. })
}

/// Lists of one that are no lists on the wire.
const SINGLE: &[&str] =
    &["Table", "StreamDescription", "InstanceBaseInfo", "InstanceInfo", "DomainDetail", "data"];

/// What a double is told of a call, by the declaration's sample.
pub(crate) fn table(call: &Call) -> Option<MarketCall> {
    let sample: Json = serde_json::from_str(call.collector.sample).ok()?;
    let text = str::to_owned;
    let list = call.list;
    let (version, place, element, small) = match call.wire() {
        Wire::Rpc { version } | Wire::Tencent { version } | Wire::Query { version, .. } => {
            (version, None, "", false)
        }
        Wire::Roa { version, path } => (version, Some(("GET", path)), "", false),
        Wire::Target { .. } => ("", None, "", false),
        Wire::Rest { method, path, small, .. } => ("", Some((method, path)), "", small),
        Wire::Store { root } if call.cloud() == Cloud::Aws => {
            let path = if matches!(call.part, Part::List) { "/" } else { "/{bucket}" };
            ("", Some(("GET", path)), root, false)
        }
        Wire::Store { root } => ("", Some(("GET", "/")), root, false),
        Wire::Own => return None,
    };
    let paging = match list.paging {
        Paging::Whole => MarketPaging::Whole,
        Paging::Numbers { number, size, sizes, total } => MarketPaging::Numbers {
            number: text(number),
            size: text(size),
            page: sizes.most(),
            total: total.map(text),
            first: 1,
        },
        Paging::FromZero { number, size, sizes, total } => MarketPaging::Numbers {
            number: text(number),
            size: text(size),
            page: sizes.most(),
            total: Some(text(total)),
            first: 0,
        },
        Paging::Offsets { offset, limit, sizes, total } => MarketPaging::Offsets {
            offset: text(offset),
            limit: text(limit),
            page: sizes.most(),
            total: text(total),
        },
        Paging::Tokens { token, next, size } => MarketPaging::Tokens {
            token: text(token),
            next: text(next),
            size: size.map(|(name, _)| text(name)),
        },
    };
    let single = SINGLE.contains(&list.items.rsplit('.').next().unwrap_or_default());
    let (item, of) = match call.part {
        Part::List => {
            let item = sample["item"].clone();
            // Some APIs list bare ids.
            let bare = matches!(call.wire(), Wire::Target { .. })
                && item.as_object().is_some_and(|item| item.len() == 1);
            let item = if bare { item[list.id].clone() } else { item };
            (item, if single || list.items.is_empty() { MarketItems::One } else { MarketItems::Many })
        }
        Part::Regions => (serde_json::json!({ "RegionId": "cn-hangzhou" }), MarketItems::One),
        Part::Detail(detail) => {
            let found = &sample["details"][detail.name];
            let one = if found.is_array() { found[0].clone() } else { found.clone() };
            match &detail.how {
                How::Item { id: (parameter, _), .. } => (one, MarketItems::Of(text(parameter))),
                How::Batch { ids, most, .. } if as_list(detail) => (one, MarketItems::Each(text(ids), *most)),
                How::Batch { .. } => return None,
                How::Region { .. } => (one, MarketItems::One),
            }
        }
    };
    let service = call.action().service;
    Some(MarketCall {
        service: text(if service == "memory-db" { "memorydb" } else { service }),
        action: text(call.action().action),
        version: text(version),
        place: place.map(|(method, path)| (text(method), text(path))),
        region: list.request.region.map(text),
        fixed: list
            .request
            .parameters
            .iter()
            .chain(list.request.structures)
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        variants: call
            .collector
            .variants
            .filter(|_| matches!(call.part, Part::List))
            .map(|(name, values)| (text(name), values.iter().map(|value| text(value)).collect())),
        paging,
        items: text(list.items),
        element: text(if element.is_empty() {
            list.items.strip_suffix('s').unwrap_or_default()
        } else {
            element
        }),
        id: text(list.id),
        item,
        of,
        single,
        more: Vec::new(),
        small,
        cut: None,
        hidden: 0,
    })
}
