//! Object collectors as declarations: list, page, join details, filter, project.
//!
//! Owns what all of them do alike. A product is one literal: how its list is asked for and paged, which details belong to each object and how they are
//! found, and which members become tags and fields. Knows no product and no protocol: an [`Api`] turns a request into JSON.

mod ahead;
mod collect;
pub mod declare;
mod detail;
mod list;
mod project;

pub use detail::{Detail, How, Ids, Join};
pub use list::{Api, List, Paging, Request, Sizes, Wire, text};
pub(crate) use list::{Tally, Walk, at};
pub use project::{Found, Object, point};

use crate::account::Account;
use crate::collector::{Collector, Description, Failure, Spec, regions};
use crate::estimate::{Ahead, Estimate};
use crate::mistake::{Argument, Mistake, nearest};
use crate::point::{Point, Text};
use crate::run::Run;
use serde::Deserialize;
use serde_json::Value as Json;

/// Parameters for a protocol that knows only texts.
#[must_use]
pub fn texts(parameters: &[(String, Json)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| (name.clone(), text(value).unwrap_or_default())).collect()
}

/// Where a product's list comes from.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Each region has its own.
    Region,
    /// One list for the account, asked for once; of it the configured regions are kept. The region of an item is the first of these
    /// members that it has, without this beginning.
    Account {
        /// Members that say an item's region.
        region: &'static [&'static str],
        /// What they may begin with.
        without: &'static str,
    },
    /// The product has no regions: one list, asked for at this region's host; an empty one is the central host.
    Central(&'static str),
    /// The product has these sites, whatever the user's regions are; all are asked.
    Sites(&'static [&'static str]),
    /// All regions that this list names by its id; the list is asked for at this region's host.
    Everywhere(&'static str, &'static List),
}

/// Items of a list that are not this collector's.
#[derive(Debug)]
pub struct Skip {
    /// The member that says so.
    pub path: &'static str,
    /// By one of these values.
    pub values: &'static [&'static str],
    /// Is it the items that have none of the values.
    pub others: bool,
    /// What the note about them says; an empty one: nothing is said.
    pub note: &'static str,
}

/// A product's objects.
#[derive(Debug)]
pub struct ObjectCollector {
    /// What it is; its tags and fields say where each comes from.
    pub description: Description,
    /// Whose list it is.
    pub scope: Scope,
    /// How it is listed.
    pub list: List,
    /// What is found out beside.
    pub details: &'static [&'static Detail],
    /// The list is read once for each of these values of a parameter; an object that comes twice is reported once.
    pub variants: Option<(&'static str, &'static [&'static str])>,
    /// A user chooses among the values of `variants`, by the key `products`, which must be there.
    pub by_products: bool,
    /// The only regions that the product has; empty: whatever regions the cloud has.
    pub sites: &'static [&'static str],
    /// By which member items are told apart, where several of them are one object: the list's total counts these. Empty: by the id.
    pub apart: &'static str,
    /// May several objects have one name? Then all are held until the list has been read: the one of the least id, which is the oldest, keeps the
    /// name whatever the order of the list, and the others are called by their ids. Of a list that fails half-way none is reported.
    pub shared_names: bool,
    /// Which items are left out.
    pub skip: Option<Skip>,
    /// Codes by which the cloud says that the product is not opened, or not to be had there: no objects, and one note.
    pub quiet: &'static [&'static str],
    /// The class by a member's value; the description's measurement where none fits.
    pub class: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    /// Members that nobody may see, at whatever depth: they are taken out as soon as an answer is there.
    pub hide: &'static [&'static str],
    /// Objects of another API that belong to the same package.
    pub also: &'static [&'static ObjectCollector],
    /// JSON: an `item` of the list, what `details` found, and the published `point` that both make.
    pub sample: &'static str,
}

impl ObjectCollector {
    /// What a declaration is silent about.
    pub const DECLARED: Self = Self {
        description: declare::NOTHING,
        scope: Scope::Region,
        list: declare::NO_LIST,
        details: &[],
        variants: None,
        by_products: false,
        sites: &[],
        apart: "",
        shared_names: false,
        skip: None,
        quiet: &[],
        class: None,
        hide: &[],
        also: &[],
        sample: "",
    };

    /// An object as a point of this collector.
    #[must_use]
    pub fn point(&self, region: &Text, object: &Object, time: i64) -> Point {
        let mut point = project::point(&self.description, region, object, time);
        if let Some((path, classes)) = self.class {
            let value = list::at(&object.item, path).and_then(text).unwrap_or_default();
            if let Some((_, class)) = classes.iter().find(|(known, _)| *known == value) {
                point.measurement = Text::from(*class);
            }
        }
        point
    }

    fn choosable(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> =
            self.details.iter().filter(|detail| detail.optional).map(|detail| detail.name).collect();
        names.dedup();
        names
    }

    /// The known ones of what a user chose under a key, each once.
    fn chosen(
        &self,
        key: &str,
        kind: &str,
        written: &[String],
        known: &[&'static str],
    ) -> Result<Vec<&'static str>, Mistake> {
        let mut chosen = Vec::with_capacity(written.len());
        if written.is_empty() && self.by_products {
            return Err(Mistake::new(Argument::Configs, key, "is an empty list: nothing would be collected")
                .hint(format!("known {kind}s: {}", known.join(", "))));
        }
        for (index, name) in written.iter().enumerate() {
            let path = format!("{key}[{index}]");
            let Some(known) = known.iter().find(|known| *known == name) else {
                let near = nearest(name, known.iter().copied());
                let hint = near.map_or_else(
                    || format!("known {kind}s: {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("is `{name}`, which is no {kind} of {}", self.description.name);
                return Err(Mistake::new(Argument::Configs, path, message).hint(hint));
            };
            if chosen.contains(known) {
                return Err(Mistake::new(Argument::Configs, path, format!("names `{name}` a second time")));
            }
            chosen.push(*known);
        }
        Ok(chosen)
    }

    /// Does a user name the regions?
    #[must_use]
    pub fn takes_regions(&self) -> bool {
        matches!(self.scope, Scope::Region | Scope::Account { .. })
    }
}

impl Collector for ObjectCollector {
    fn description(&self) -> &Description {
        &self.description
    }

    fn declaration(&self) -> Option<&ObjectCollector> {
        Some(self)
    }

    fn classes(&self) -> Vec<&'static str> {
        let mut classes = vec![self.description.measurement];
        for collector in std::iter::once(self).chain(self.also.iter().copied()) {
            classes.push(collector.description.measurement);
            classes.extend(
                collector.class.iter().flat_map(|(_, classes)| classes.iter().map(|(_, class)| *class)),
            );
        }
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    fn read(&'static self, account: &Account, configs: &Json) -> Result<Box<dyn Spec>, Mistake> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            regions: Option<Vec<String>>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WrittenWithDetails {
            regions: Option<Vec<String>>,
            details: Option<Vec<String>>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct WrittenProducts {
            products: Vec<String>,
        }
        let choosable = self.choosable();
        let takes = match (self.takes_regions(), choosable.is_empty()) {
            _ if self.by_products => "`products` alone",
            (true, true) => "`regions` alone",
            (true, false) => "`regions` and `details`",
            (false, true) => "no configuration: write `#{}`",
            (false, false) => "`details` alone",
        };
        if configs.get("targets").is_some() {
            return Err(Mistake::new(
                Argument::Configs,
                "targets",
                "belongs to a metrics collector: this one reports objects",
            )
            .hint(format!("{} takes {takes}", self.description.name)));
        }
        if !self.takes_regions() && configs.get("regions").is_some() {
            return Err(Mistake::new(
                Argument::Configs,
                "regions",
                "has no meaning here: the product is asked for as a whole, not by regions",
            )
            .hint(format!("{} takes {takes}", self.description.name)));
        }
        let mut variants: Vec<&'static str> =
            self.variants.map_or_else(Vec::new, |(_, values)| values.to_vec());
        let (written, chosen) = if self.by_products {
            let written: WrittenProducts = crate::mistake::read(Argument::Configs, configs)?;
            variants = self.chosen("products", "product", &written.products, &variants)?;
            (None, None)
        } else if choosable.is_empty() {
            let written: Written = crate::mistake::read(Argument::Configs, configs)?;
            (written.regions, None)
        } else {
            let written: WrittenWithDetails = crate::mistake::read(Argument::Configs, configs)?;
            (written.regions, written.details)
        };
        let regions = match self.scope {
            Scope::Region | Scope::Account { .. } => regions(account, written.as_deref())?,
            Scope::Central(_) | Scope::Everywhere(..) => vec![Text::from("")],
            Scope::Sites(sites) => sites.iter().copied().map(Text::from).collect(),
        };
        for (index, region) in regions.iter().enumerate() {
            if !self.sites.is_empty() && !self.sites.contains(&&**region) {
                let near = nearest(region, self.sites.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                let sites: Vec<String> = self.sites.iter().map(|site| format!("`{site}`")).collect();
                return Err(Mistake::new(
                    Argument::Configs,
                    format!("regions[{index}]"),
                    format!("is `{region}`, where the product of {} is not", self.description.name),
                )
                .hint(format!("{near}the product has these regions alone: {}", sites.join(", "))));
            }
        }
        if let Some(chosen) = &chosen {
            self.chosen("details", "detail", chosen, &choosable)?;
        }
        let wanted = |detail: &&&'static Detail| {
            let chosen = chosen.as_ref().is_none_or(|chosen| chosen.iter().any(|name| name == detail.name));
            !detail.optional || chosen
        };
        let details = self.details.iter().filter(wanted).copied().collect();
        Ok(Box::new(ObjectSpec { collector: self, regions, wanted: Wanted { details, variants } }))
    }
}

/// An object collector with its regions and what is wanted of it.
#[derive(Debug)]
struct ObjectSpec {
    collector: &'static ObjectCollector,
    regions: Vec<Text>,
    wanted: Wanted,
}

/// What is asked for of what a declaration offers.
#[derive(Debug)]
struct Wanted {
    details: Vec<&'static Detail>,
    /// Of the parameter by which the list is read several times.
    variants: Vec<&'static str>,
}

impl Wanted {
    /// All of it.
    fn all(collector: &ObjectCollector) -> Self {
        let variants = collector.variants.map_or_else(Vec::new, |(_, values)| values.to_vec());
        Self { details: collector.details.to_vec(), variants }
    }
}

#[async_trait::async_trait]
impl Spec for ObjectSpec {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        collect::collect(self.collector, &self.wanted, run, regions).await;
    }

    async fn estimate(&self, ahead: &Ahead<'_>, regions: &[Text]) -> Result<Estimate, Failure> {
        ahead::estimate(self.collector, &self.wanted, ahead, regions).await
    }

    async fn discover(&self, run: &Run, regions: &[Text]) -> Result<(), Failure> {
        ahead::discover(self.collector, &self.wanted, run, regions).await
    }
}
