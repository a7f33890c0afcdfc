//! Declarations, flattened to the calls that they make: what is compared with the vendors' descriptions, and what the doubles are told to answer.

use funchost_collectors::COLLECTORS;
use funchost_collectors::account::Cloud;
use funchost_collectors::collector::{Action, Source};
use funchost_collectors::objects::{Detail, How, Ids, Join, List, ObjectCollector, Paging, Scope, Wire};
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
    names.extend(list.request.parameters.iter().map(|(name, _)| *name));
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
        calls.push(Call { collector, part: Part::Regions, list, parameters: parameters(list), members });
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
                    members = members
                        .iter()
                        .map(|path| path.trim_start_matches(|c: char| c == '0' || c == '.'))
                        .collect();
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
        calls.push(Call { collector, part: Part::Detail(detail), list, parameters: names, members });
    }
    let list = &collector.list;
    calls.insert(0, Call { collector, part: Part::List, list, parameters: names, members: own });
    calls
}

/// Does a batch go as a list?
pub(crate) fn as_list(detail: &Detail) -> bool {
    matches!(&detail.how, How::Batch { form: Ids::List, .. })
}
