//! Object collectors as declarations: list, page, join details, filter, project.
//!
//! Owns what all of them do alike. A product is one literal: how its list is asked for and paged, which details belong to each object and how they are
//! found, and which members become tags and fields. Knows no product and no protocol: an [`Api`] turns a request into JSON.

mod collect;
mod detail;
mod list;
mod project;

pub use detail::{Detail, How, Join};
pub(crate) use list::Walk;
pub use list::{Api, List, Paging, Request, text};
pub use project::{Found, Object, point};

use crate::account::Account;
use crate::collector::{Collector, Description, Spec, regions};
use crate::mistake::{Argument, Mistake, nearest};
use crate::point::Text;
use crate::run::Run;
use serde::Deserialize;
use serde_json::Value as Json;

/// Parameters for a protocol that knows only texts.
#[must_use]
pub fn texts(parameters: &[(String, Json)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| (name.clone(), text(value).unwrap_or_default())).collect()
}

/// Where a product's list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl ObjectCollector {
    fn choosable(&self) -> Vec<&'static str> {
        self.details.iter().filter(|detail| detail.optional).map(|detail| detail.name).collect()
    }
}

impl Collector for ObjectCollector {
    fn description(&self) -> &Description {
        &self.description
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
        let choosable = self.choosable();
        let takes = if choosable.is_empty() { "`regions` alone" } else { "`regions` and `details`" };
        if configs.get("targets").is_some() {
            return Err(Mistake::new(
                Argument::Configs,
                "targets",
                "belongs to a metrics collector: this one reports objects",
            )
            .hint(format!("{} takes {takes}", self.description.name)));
        }
        let (written, chosen) = if choosable.is_empty() {
            let written: Written = crate::mistake::read(Argument::Configs, configs)?;
            (written.regions, None)
        } else {
            let written: WrittenWithDetails = crate::mistake::read(Argument::Configs, configs)?;
            (written.regions, written.details)
        };
        let regions = regions(account, written.as_deref())?;
        if let Some(chosen) = &chosen {
            for (index, name) in chosen.iter().enumerate() {
                let path = format!("details[{index}]");
                if !choosable.contains(&name.as_str()) {
                    let near = nearest(name, choosable.iter().copied());
                    let hint = near.map_or_else(
                        || format!("known details: {}", choosable.join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let message = format!("is `{name}`, which is no detail of {}", self.description.name);
                    return Err(Mistake::new(Argument::Configs, path, message).hint(hint));
                }
                if chosen[..index].contains(name) {
                    return Err(Mistake::new(
                        Argument::Configs,
                        path,
                        format!("names `{name}` a second time"),
                    ));
                }
            }
        }
        let wanted = |detail: &&&'static Detail| {
            let chosen = chosen.as_ref().is_none_or(|chosen| chosen.iter().any(|name| name == detail.name));
            !detail.optional || chosen
        };
        let details = self.details.iter().filter(wanted).copied().collect();
        Ok(Box::new(ObjectSpec { collector: self, regions, details }))
    }
}

/// An object collector with its regions and the details that are wanted.
#[derive(Debug)]
struct ObjectSpec {
    collector: &'static ObjectCollector,
    regions: Vec<Text>,
    details: Vec<&'static Detail>,
}

#[async_trait::async_trait]
impl Spec for ObjectSpec {
    fn regions(&self) -> Vec<Text> {
        self.regions.clone()
    }

    async fn collect(&self, run: &Run, regions: &[Text]) {
        collect::collect(self.collector, &self.details, run, regions).await;
    }
}
