//! The words of a declaration: what most products say alike is said here once.
//!
//! Owns short names for the parts of a literal. Knows no product.
//!
//! A declaration carries its sample: the published point, and the item (and details) of an answer that yields it. Where a manual prints two
//! values for one member the first stands for both; what a manual prints as empty is not reported.
//!
//! # Defaults that narrow
//!
//! A list without filters is not always the whole list. What the references of all declared calls say of parameters that are left out was read;
//! where a default hides items it is written out in the declaration:
//!
//! | Call | Default | Written out |
//! | --- | --- | --- |
//! | `cas` ListUserCertificateOrder | `OrderType` orders; `Status` valid ones | `CERT`; issued, about to expire, expired |
//! | `pvtz` DescribeZones | `ZoneType` the account's own | both kinds |
//! | `dds` DescribeDBInstances | `DBInstanceType` replica sets | replica sets, sharded, serverless |
//! | `dts` DescribeDtsJobs | `JobType` migrations | all three |
//! | `dcdn` DescribeDcdnUserDomains | `WebSiteType` accelerated sites | functions and images at the edge, too |
//! | `cdn` DescribeUserDomains, `dcdn` DescribeDcdnUserDomains | `CheckDomainShow`: not those whose review is not passed | `true` |
//! | `mongodb` (Tencent) DescribeDBInstances | `InstanceType`, `ClusterType`, `PayMode` say none | all |
//! | `nas` DescribeRegions | `FileSystemType` the standard kind's regions | `all` |
//! | `cdb` DescribeDBInstances | `CdbErrors` not locked | both |
//! | `ecs` (AWS) DescribeClusters | `include` nothing beside | attachments, configurations, settings, statistics, tags |
//! | `s3` ListBuckets | `BucketRegion` all regions, of which others cannot be asked on | the region |
//! | `rds` (AWS) DescribeDBInstances | engines of DocumentDB and Neptune, too | left to their packages |
//!
//! Left as they are, on purpose:
//!
//! - `vpc` DescribeVpnGateways `IncludeReservationData`: orders that have not begun are no gateways.
//! - `cdb` `WithMaster`, `WithRo`, `WithDr` and `clb` `Forward`, `ProjectId`: the default is all.
//! - `vpc` DescribeVpcs `IsDefault`, `alidns` DescribeDomains `Starmark`, `redis` (Tencent) `UniqVpcIds`: their references name a default that narrows,
//!   and the vendors' own Terraform data sources leave it out and list everything.
//! - `ddoscoo`, `waf-openapi` `ResourceGroupId`: without it the default group is meant, the references say; a note of the collectors tells it.
//! - `events` ListRules `EventBusName`: the default bus alone, which a note of the collector tells.
//! - `elasticmapreduce` ListClusters `ClusterStates`: all, for about two months after the end; `elasticache` `ShowCacheNodeInfo` and `memorydb`
//!   `ShowShardDetails` say more of an item and hide none.
//! - `vpc` DescribeEipAddresses `IncludeReservationData`: as of gateways. `ServiceManaged`, `SecurityProtectionEnabled`, `polardb` `Expired`,
//!   `dts` `ZeroEtlJob`, `r-kvstore` `GlobalInstance`, `clb` `WithRs`, `mariadb` `IsFilterVpc` and `IsFilterExcluster`: choose among all, and no reference
//!   says that one of their values is meant without them. `bssopenapi` `IncludePartner`: plans of others.
//! - `dts` `WithoutDbList`, `rds` `InstanceLevel`, `ons` `NeedResourceInfo`, `cdb` `WithExCluster`: say more of an item and hide none.
//! - No reference was read for: `drds` `Expired` and `Mix`, `DryRun` of all, EC2's `IncludeManagedResources`, parameters of CVM and of Tencent's Redis that
//!   name what is looked for.
//! - ECS, RDS, SLB, CVM, EC2 and what else is not named here: the references say that all are listed.

pub use super::{Detail, List, ObjectCollector, Paging, Request, Scope, Sizes, Skip};
pub use crate::collector::{Action, Description, Key, REGIONS, Reported, Source, Type};

use super::{Api, How, Ids, Join, Wire};
use crate::account::Cloud;
use crate::call::CallError;
use crate::point::{Category, Text};
use crate::run::Run;
use serde_json::Value as Json;
use std::time::Duration;

/// `RegionId`: the region that was asked.
pub const REGION: Reported = tag_of("RegionId", Source::Region, "the region");

/// `message`: the whole item.
pub const MESSAGE: Reported = field_of("message", Type::Json, Source::Item, "all that the list says of it");

/// Booleans as the published points write them among texts.
pub const PYTHON: &[(&str, &str)] = &[("true", "True"), ("false", "False")];

/// Rates that no page of the cloud says otherwise.
const RATE: f64 = 10.0;

/// The call that lists the objects. Its permission is called as the call is, unless [`Action`] is written out.
#[must_use]
pub const fn listing(service: &'static str, action: &'static str, permission: &'static str) -> Action {
    Action { service, action, permission, rate: RATE, when: "once for every page of the list" }
}

/// A call that is made for each object.
#[must_use]
pub const fn asking(service: &'static str, action: &'static str, permission: &'static str) -> Action {
    Action { service, action, permission, rate: RATE, when: "once for each object" }
}

/// The tag `name`, an object's unique name.
#[must_use]
pub const fn name(path: &'static str) -> Reported {
    tag_of("name", Source::Path(path), "the object's unique name")
}

/// A tag that is called as its member is.
#[must_use]
pub const fn tag(key: &'static str, meaning: &'static str) -> Reported {
    tag_of(key, Source::Path(key), meaning)
}

/// A tag from a member of another name.
#[must_use]
pub const fn tag_at(key: &'static str, path: &'static str, meaning: &'static str) -> Reported {
    tag_of(key, Source::Path(path), meaning)
}

/// A tag from anywhere.
#[must_use]
pub const fn tag_of(key: &'static str, from: Source, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from, meaning }
}

/// A field that is called as its member is.
#[must_use]
pub const fn field(key: &'static str, kind: Type, meaning: &'static str) -> Reported {
    field_of(key, kind, Source::Path(key), meaning)
}

/// A field from anywhere.
#[must_use]
pub const fn field_of(key: &'static str, kind: Type, from: Source, meaning: &'static str) -> Reported {
    Reported { key, kind, from, meaning }
}

/// A request without parameters of its own; the host or a header says the region.
#[must_use]
pub const fn request(api: &'static dyn Api, action: &'static Action) -> Request {
    Request { api, action, region: None, parameters: &[], structures: &[] }
}

/// Pages by number, from 1.
#[must_use]
pub const fn numbers(number: &'static str, size: &'static str, most: usize, total: &'static str) -> Paging {
    Paging::Numbers { number, size, sizes: Sizes::up_to(most), total: Some(total) }
}

/// The same, of pages that have one of these sizes, the least first.
#[must_use]
pub const fn numbers_of(
    number: &'static str,
    size: &'static str,
    sizes: &'static [usize],
    total: &'static str,
) -> Paging {
    Paging::Numbers { number, size, sizes: Sizes::One(sizes), total: Some(total) }
}

/// Pages by `Offset` and `Limit`, up to `TotalCount`.
#[must_use]
pub const fn offsets(most: usize) -> Paging {
    Paging::Offsets { offset: "Offset", limit: "Limit", sizes: Sizes::up_to(most), total: "TotalCount" }
}

/// Pages by a token.
#[must_use]
pub const fn tokens(token: &'static str, next: &'static str, size: &'static str, most: usize) -> Paging {
    Paging::Tokens { token, next, size: Some((size, most)) }
}

/// What is said of one object by a call of its own; `id` is the call's parameter and the item's member.
#[must_use]
pub const fn detail(
    name: &'static str,
    request: Request,
    id: (&'static str, &'static str),
    items: &'static str,
    absent: &'static [&'static str],
) -> Detail {
    let list = List { request, paging: Paging::Whole, items, id: "" };
    let how = How::Item { list, id, only: None, keep: &[], nothing: None };
    Detail { name, optional: false, how, absent }
}

/// A detail that a user may do without.
#[must_use]
pub const fn optional(detail: Detail) -> Detail {
    let Detail { name, how, absent, .. } = detail;
    Detail { name, optional: true, how, absent }
}

/// A detail of the objects alone whose member has this value.
#[must_use]
pub const fn only(detail: Detail, path: &'static str, value: &'static str) -> Detail {
    let Detail { name, optional, how, absent } = detail;
    let how = match how {
        How::Item { list, id, keep, nothing, .. } => {
            How::Item { list, id, only: Some((path, value)), keep, nothing }
        }
        other => other,
    };
    Detail { name, optional, how, absent }
}

/// A detail that is a list of pages.
#[must_use]
pub const fn paged(detail: Detail, paging: Paging) -> Detail {
    let Detail { name, optional, how, absent } = detail;
    let how = match how {
        How::Item { list: List { request, items, id: own, .. }, id, only, keep, nothing } => {
            How::Item { list: List { request, paging, items, id: own }, id, only, keep, nothing }
        }
        other => other,
    };
    Detail { name, optional, how, absent }
}

/// What is asked for once and said of every object.
#[must_use]
pub const fn for_all(name: &'static str, request: Request) -> Detail {
    let list = List { request, paging: Paging::Whole, items: "", id: "" };
    Detail { name, optional: false, how: How::Region { list, join: Join::Tree, fits: None }, absent: &[] }
}

/// What is said of up to `most` objects by one call; `id` is the same member on both sides.
#[must_use]
pub const fn batch(
    name: &'static str,
    request: Request,
    ids: &'static str,
    most: usize,
    items: &'static str,
    id: &'static str,
) -> Detail {
    let list = List { request, paging: Paging::Whole, items, id };
    let how = How::Batch { list, ids, form: Ids::List, most, id, only: None, split: &[] };
    Detail { name, optional: false, how, absent: &[] }
}

/// An object collector of a cloud, of which nothing is said yet.
#[must_use]
pub const fn objects_of(cloud: Cloud) -> Description {
    Description {
        package: "",
        name: "",
        title: "",
        title_zh: "",
        cloud,
        category: Category::CustomObject,
        measurement: "",
        interval: Duration::from_secs(900),
        actions: &[],
        configuration: &[REGIONS],
        tags: &[],
        fields: &[],
        notes: &[],
    }
}

/// `details`, of collectors that have some to choose from.
#[must_use]
pub const fn details_key(meaning: &'static str) -> Key {
    Key { name: "details", kind: "list of texts", required: false, meaning }
}

/// A description that says nothing.
pub(super) const NOTHING: Description = objects_of(Cloud::Aliyun);

/// A list that is none.
pub(super) const NO_LIST: List =
    List { request: request(&Nothing, &NO_ACTION), paging: Paging::Whole, items: "", id: "" };

static NO_ACTION: Action = Action { service: "", action: "", permission: "", rate: RATE, when: "" };

/// What a declaration without a list would ask: nothing.
#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl Api for Nothing {
    async fn ask(
        &self,
        _: &Run,
        _: &Text,
        _: &'static Action,
        _: &[(String, Json)],
    ) -> Result<Json, CallError> {
        Ok(Json::Null)
    }

    fn wire(&self) -> Wire {
        Wire::Own
    }
}
