//! What a collector is: one literal that describes the product, one way to read its configuration, one way to collect.
//!
//! Owns the contract between the clouds and the host. A collector knows no script language, no DataKit and no database:
//! what it needs of them it gets as a [`Run`], and what it found leaves through [`Run::send`].
//!
//! The host guarantees:
//! - `read` is called offline, with what the user wrote; no call to a cloud has been made by then.
//! - `collect` is called with regions that are due, none twice, and is dropped at the run's deadline: between two
//!   awaits nothing may be left half-said.
//!
//! A collector guarantees:
//! - every region ends with one [`Output::Done`], after all of that region's points;
//! - a mark moves ([`Output::Advance`]) only after all points up to it have been sent;
//! - memory does not grow with the size of the estate: a page is sent before the next but one is asked for.

use crate::account::{Account, Cloud};
use crate::call::CallError;
use crate::estimate::{Ahead, Estimate, LastRun};
use crate::mistake::{Argument, Mistake};
use crate::objects::ObjectCollector;
use crate::point::{Category, Point, Text};
use crate::run::{Memory, Run};
use std::time::Duration;

/// What a product is. The import names, the reference, the permission lists and the limits all come from this.
#[derive(Debug)]
pub struct Description {
    /// The package's id: `guance_aws_ec2`.
    pub package: &'static str,
    /// The name in reports and state: `aws_ec2`.
    pub name: &'static str,
    /// What it is, for a person: `Amazon EC2 instances`.
    pub title: &'static str,
    /// The same in Chinese.
    pub title_zh: &'static str,
    /// Whose product.
    pub cloud: Cloud,
    /// Objects or metrics.
    pub category: Category,
    /// The measurement, or what it is made of: `aws_ec2`, `aws_<namespace>`.
    pub measurement: &'static str,
    /// The least time between two starts.
    pub interval: Duration,
    /// The API calls it makes.
    pub actions: &'static [&'static Action],
    /// The keys of its configuration.
    pub configuration: &'static [Key],
    /// The tags it reports.
    pub tags: &'static [Reported],
    /// The fields it reports.
    pub fields: &'static [Reported],
    /// Traps and limits that a user must know.
    pub notes: &'static [&'static str],
}

impl Description {
    /// The other spellings of the package's id.
    #[must_use]
    pub fn aliases(&self) -> Vec<String> {
        aliases(self.package)
    }

    /// Is this one of the spellings of the package's id?
    #[must_use]
    pub fn is_package(&self, id: &str) -> bool {
        self.package == id || self.aliases().iter().any(|alias| alias == id)
    }

    /// Under which name the objects of a region are kept: collectors that share a class do not forget each other's.
    #[must_use]
    pub fn shelf(&self, region: &str) -> String {
        if self.name == self.measurement { region.to_owned() } else { format!("{region}\n{}", self.name) }
    }
}

/// The other spellings of a package's id: newer manuals say `integration` for `guance`, and some of them `alibabacloud` for `aliyun`.
#[must_use]
pub fn aliases(package: &str) -> Vec<String> {
    let Some(rest) = package.strip_prefix("guance_") else { return Vec::new() };
    let mut aliases = vec![format!("integration_{rest}")];
    aliases.extend(rest.strip_prefix("aliyun_").map(|rest| format!("integration_alibabacloud_{rest}")));
    aliases
}

/// One API call of a collector.
#[derive(Debug)]
pub struct Action {
    /// The cloud's name of the service in endpoints and limits: `ec2`, `monitoring`.
    pub service: &'static str,
    /// The API's name of the call: `DescribeInstances`.
    pub action: &'static str,
    /// The permission that the keys need: `ec2:DescribeInstances`.
    pub permission: &'static str,
    /// Calls a second for one account and region, unless `[limits]` says otherwise.
    pub rate: f64,
    /// When it is made.
    pub when: &'static str,
}

/// One key of a configuration.
#[derive(Debug)]
pub struct Key {
    /// `regions`, `targets[].metrics`.
    pub name: &'static str,
    /// `list of texts`.
    pub kind: &'static str,
    /// Must it be there.
    pub required: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// `regions`, as nearly every collector has it.
pub const REGIONS: Key = Key {
    name: "regions",
    kind: "list of texts",
    required: true,
    meaning: "the regions to collect, such as `cn-hangzhou` or `cn-north-1`; the account's `region` serves where it is left out",
};

/// One tag or field that is reported.
#[derive(Debug)]
pub struct Reported {
    /// Its key, as it arrives.
    pub key: &'static str,
    /// One type, for ever.
    pub kind: Type,
    /// Where it comes from.
    pub from: Source,
    /// What it holds.
    pub meaning: &'static str,
}

/// The type of a reported value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text; numbers and booleans as they are written in JSON.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// JSON text, keys sorted; an empty list or structure says nothing.
    Json,
    /// The same, but an empty list is `[]` and an empty structure `{}`.
    Structure,
    /// RFC 3339 without fractions of a second.
    Time,
}

impl Type {
    /// How a page calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Json | Self::Structure => "JSON text",
            Self::Time => "time as text",
        }
    }
}

/// Where a reported value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A member of the item, by the names on the way: `State.Name`.
    Path(&'static str),
    /// The value of one of the user's own tags in the cloud, from the item's list `Tags` of `Key` and `Value`.
    CloudTag(&'static str),
    /// A member of what a detail found, by the detail's name and the names on the way; none is all of it.
    Detail(&'static str, &'static str),
    /// The first of these that says something.
    First(&'static [Source]),
    /// A member that is an RFC 3339 time, as whole seconds since 1970.
    Seconds(&'static str),
    /// Seconds since 1970, with a fraction or without, as RFC 3339 in UTC.
    Epoch(&'static Source),
    /// What stands behind this text in a value: the tail of an ARN.
    Behind(&'static Source, &'static str),
    /// Always the same.
    Always(&'static str),
    /// A value that is written differently: what it says, and what is reported; any other is reported as it is.
    Mapped(&'static Source, &'static [(&'static str, &'static str)]),
    /// The region that was asked.
    Region,
    /// The value of the parameter by which the list was asked for several times.
    Asked,
    /// The whole item.
    Item,
    /// The collector's own code, as its page says.
    Collector,
}

/// A product that can be collected.
pub trait Collector: Sync + Send {
    /// What it is.
    fn description(&self) -> &Description;

    /// The classes of its objects, which are their measurements.
    fn classes(&self) -> Vec<&'static str> {
        vec![self.description().measurement]
    }

    /// Its declaration, where it is nothing but one.
    fn declaration(&self) -> Option<&ObjectCollector> {
        None
    }

    /// Reads a configuration; nothing is called.
    ///
    /// # Errors
    /// The first [`Mistake`], with its key path.
    fn read(&'static self, account: &Account, configs: &serde_json::Value) -> Result<Box<dyn Spec>, Mistake>;
}

/// A configuration that has been read, ready to be collected.
#[async_trait::async_trait]
pub trait Spec: Send + Sync + std::fmt::Debug {
    /// The regions asked for, in the order written. A central service has one, whose name is empty. Each has its own interval.
    fn regions(&self) -> Vec<Text>;

    /// The classes of objects that its metrics would be linked with, such as `aws_ec2`; none for objects.
    fn links(&self) -> Vec<Text> {
        Vec::new()
    }

    /// Collects these regions to the end, sending as it goes. Failures are said through [`Output::Done`].
    async fn collect(&self, run: &Run, regions: &[Text]);

    /// What collecting these regions would call, by what is remembered; nothing is called and nothing is kept.
    ///
    /// An object collector has this from its declaration.
    ///
    /// # Errors
    /// Where what is remembered cannot be read.
    async fn estimate(&self, _ahead: &Ahead<'_>, _regions: &[Text]) -> Result<Estimate, Failure> {
        Ok(Estimate {
            calls: Vec::new(),
            at_least: vec!["this collector does not say beforehand what it calls".into()],
        })
    }

    /// Of a collection that is not due: what else was collected last under its name, where that may surprise.
    ///
    /// # Errors
    /// Where what is remembered cannot be read.
    async fn taken_by(&self, _memory: &dyn Memory, _regions: &[Text]) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// How the last collection of each region went, where it is written down: of a script's own collectors, whose calls nobody else knows.
    ///
    /// # Errors
    /// Where what is remembered cannot be read.
    async fn last_runs(&self, _memory: &dyn Memory, _regions: &[Text]) -> Result<Vec<LastRun>, Failure> {
        Ok(Vec::new())
    }

    /// Asks for the lists that an estimate needs, and for nothing that is metered: they are remembered, and objects are sent as the list has them.
    ///
    /// # Errors
    /// What a call failed with.
    async fn discover(&self, _run: &Run, _regions: &[Text]) -> Result<(), Failure> {
        Ok(())
    }
}

/// What leaves a collector.
#[derive(Debug)]
pub enum Output {
    /// Objects of one region, a page at a time. Tags are the object's own: the host adds `cloud_provider` and `extra_tags`.
    Objects {
        /// Where they were listed.
        region: Text,
        /// The objects; the tag `name` is each one's id.
        points: Vec<Point>,
    },
    /// Metric points, a call's worth at a time at the most.
    Metrics {
        /// Where they were asked for.
        region: Text,
        /// The points, with what the host needs to link them and to send each only once.
        points: Vec<MetricPoint>,
    },
    /// All points of this mark up to a time have been sent: it may move there, once they are delivered.
    Advance {
        /// Which.
        mark: MarkId,
        /// Nanoseconds, not behind the end of its window: what is published later is asked for again from here.
        until: i64,
    },
    /// A region has been read to its end, or has failed for good.
    Done {
        /// Which.
        region: Text,
        /// How.
        result: Result<(), Failure>,
    },
    /// Something that a person should know and that does not make the collector fail.
    Warning(String),
}

/// A metric point before it is linked.
#[derive(Debug, Clone)]
pub struct MetricPoint {
    /// Its tags are the dimensions as the cloud spells them.
    pub point: Point,
    /// Which object it belongs to, where that is known.
    pub link: Option<Link>,
    /// The metrics in it: each has its mark and its run of fields.
    pub parts: Vec<Part>,
}

/// One metric's share of a point.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// The metric's mark.
    pub mark: MarkId,
    /// Its first field in the point.
    pub first_field: usize,
    /// How many fields.
    pub fields: usize,
}

/// How a metric point finds its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The object's class, which is its measurement: `aws_ec2`.
    pub class: Text,
    /// The object's tag that must be equal: mostly `name`.
    pub tag: Text,
    /// To what.
    pub value: Text,
    /// Is the object's `name` added to the metric.
    pub with_name: bool,
}

/// A mark opened in this run; see [`Run::window`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkId(pub usize);

/// What a mark is of. The host adds the DataKit, the account and the digest of the extra tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MarkKey {
    /// Empty for a central service.
    pub region: Text,
    /// As the cloud spells it.
    pub namespace: Text,
    /// As the cloud spells it.
    pub metric: Text,
    /// The dimension names, sorted.
    pub dimensions: Vec<Text>,
}

/// What is asked for: from `start` (inclusive) to `end` (exclusive), nanoseconds, aligned to the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The mark it belongs to.
    pub mark: MarkId,
    /// With the overlap for points that come late.
    pub start: i64,
    /// The same without the overlap: everything before was delivered. Equal to `start` the first time.
    pub fresh: i64,
    /// Exclusive.
    pub end: i64,
}

/// Why a region failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// A call that had to succeed did not.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A filter of the script threw; the text is the host's report, with its place.
    #[error("a filter failed: {0}")]
    Filter(String),
    /// A script's own collector failed; the text is the host's report, with its place.
    #[error("{0}")]
    Script(String),
    /// What was remembered could not be read or kept.
    #[error("the state could not be used: {0}")]
    State(String),
    /// The cloud's answer broke its own documented promise.
    #[error("{0}")]
    Answer(String),
    /// The account's budget does not allow it; nothing metered was called.
    #[error("{0}")]
    Budget(String),
}

/// Reads `regions`: required unless the account names one.
///
/// # Errors
/// A [`Mistake`] for an empty list, an empty or doubled region, or one that no host name could hold.
pub fn regions(account: &Account, written: Option<&[String]>) -> Result<Vec<Text>, Mistake> {
    let wrong = |path: String, message: String, hint: &str| {
        Err(Mistake::new(Argument::Configs, path, message).hint(hint))
    };
    let list: Vec<String> = match (written, &account.region) {
        (Some(list), _) => list.to_vec(),
        (None, Some(region)) => vec![region.clone()],
        (None, None) => {
            return Err(Mistake::new(Argument::Configs, "regions", "is missing")
                .hint("write the regions to collect, for example `regions: [\"cn-north-1\"]`"));
        }
    };
    if list.is_empty() {
        return Err(Mistake::new(
            Argument::Configs,
            "regions",
            "is an empty list: nothing would be collected",
        )
        .hint("name at least one region"));
    }
    for (index, region) in list.iter().enumerate() {
        let path = format!("regions[{index}]");
        if region.is_empty()
            || !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            return wrong(
                path,
                format!("is `{region}`, which is not a region's id such as `cn-north-1`"),
                "small letters, digits and `-`, as the cloud's console shows the id",
            );
        }
        if list[..index].contains(region) {
            return wrong(path, format!("names `{region}` a second time"), "remove one of them");
        }
    }
    Ok(list.into_iter().map(Text::from).collect())
}
