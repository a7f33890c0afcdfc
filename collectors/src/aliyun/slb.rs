//! `guance_aliyun_slb`: classic load balancers (CLB) as objects (SLB 2014-05-15).

use super::api::Rpc;
use super::client::ASSUME_ROLE;
use crate::account::Cloud;
use crate::collector::{Action, Description, Key, REGIONS, Reported, Source, Type};
use crate::objects::{
    Detail, Found, How, Join, List, Object, ObjectCollector, Paging, Request, Scope, Sizes,
};
use crate::point::Category;
use serde_json::Value as Json;
use std::time::Duration;

static SLB_API: Rpc = Rpc { version: "2014-05-15" };

const fn action(name: &'static str, permission: &'static str, when: &'static str) -> Action {
    Action { service: "slb", action: name, permission, rate: 10.0, when }
}

static DESCRIBE_LOAD_BALANCERS: Action = action(
    "DescribeLoadBalancers",
    "slb:DescribeLoadBalancers",
    "once for every 100 load balancers of a region",
);
static DESCRIBE_ATTRIBUTE: Action = action(
    "DescribeLoadBalancerAttribute",
    "slb:DescribeLoadBalancerAttribute",
    "once for each load balancer, with the detail `attribute`",
);
static DESCRIBE_HEALTH: Action = action(
    "DescribeHealthStatus",
    "slb:DescribeHealthStatus",
    "once for each load balancer, with the detail `health`",
);
static DESCRIBE_CERTIFICATES: Action =
    action("DescribeServerCertificates", "slb:DescribeServerCertificates", "once for each region");

const fn request(action: &'static Action) -> Request {
    Request { api: &SLB_API, action, region: Some("RegionId"), parameters: &[], structures: &[] }
}

/// Released since it was listed.
const RELEASED: &[&str] = &["InvalidLoadBalancerId.NotFound", "InvalidLoadBalancerId"];

static ATTRIBUTE: Detail = Detail {
    name: "attribute",
    optional: true,
    how: How::Item {
        list: List { request: request(&DESCRIBE_ATTRIBUTE), paging: Paging::Whole, items: "", id: "" },
        id: ("LoadBalancerId", "LoadBalancerId"),
        only: None,
        keep: &[],
        nothing: None,
    },
    absent: RELEASED,
};

static HEALTH: Detail = Detail {
    name: "health",
    optional: true,
    how: How::Item {
        list: List {
            request: request(&DESCRIBE_HEALTH),
            paging: Paging::Whole,
            items: "BackendServers.BackendServer",
            id: "",
        },
        id: ("LoadBalancerId", "LoadBalancerId"),
        only: None,
        keep: &[],
        nothing: None,
    },
    absent: RELEASED,
};

static CERTIFICATES: Detail = Detail {
    name: "certificates",
    optional: false,
    how: How::Region {
        list: List {
            request: request(&DESCRIBE_CERTIFICATES),
            paging: Paging::Whole,
            items: "ServerCertificates.ServerCertificate",
            id: "ServerCertificateId",
        },
        // Nothing in the answers ties a certificate to a balancer: those that speak HTTPS get the region's list.
        join: Join::All,
        fits: Some(may_speak_https),
    },
    absent: &[],
};

/// Has it an HTTPS listener? Where its listeners are not known, it may have.
fn may_speak_https(object: &Object) -> bool {
    let Some(Found::Tree(attribute)) = object.details.get("attribute") else { return true };
    let listeners = attribute.pointer("/ListenerPortsAndProtocol/ListenerPortAndProtocol");
    listeners.and_then(Json::as_array).is_none_or(|listeners| {
        let protocol = |listener: &Json| {
            listener.get("ListenerProtocol").and_then(Json::as_str).unwrap_or_default().to_ascii_lowercase()
        };
        listeners.iter().any(|listener| protocol(listener) == "https")
    })
}

const fn tag(key: &'static str, from: Source, meaning: &'static str) -> Reported {
    Reported { key, kind: Type::Text, from, meaning }
}

/// The collector.
pub static SLB: ObjectCollector = ObjectCollector {
    description: Description {
        package: "guance_aliyun_slb",
        name: "aliyun_slb",
        title: "Alibaba Cloud classic load balancers (CLB)",
        title_zh: "阿里云传统型负载均衡 CLB",
        cloud: Cloud::Aliyun,
        category: Category::CustomObject,
        measurement: "aliyun_slb",
        interval: Duration::from_secs(900),
        actions: &[
            &DESCRIBE_LOAD_BALANCERS,
            &DESCRIBE_ATTRIBUTE,
            &DESCRIBE_HEALTH,
            &DESCRIBE_CERTIFICATES,
            &ASSUME_ROLE,
        ],
        configuration: &[
            REGIONS,
            Key {
                name: "details",
                kind: "list of texts",
                required: false,
                meaning: "which details to ask for, one call for each load balancer: `attribute`, `health`; left out: both; an empty list: none",
            },
        ],
        tags: &[
            tag("name", Source::Path("LoadBalancerId"), "the id: the object's unique name"),
            tag("LoadBalancerId", Source::Path("LoadBalancerId"), "the id"),
            tag("LoadBalancerName", Source::Path("LoadBalancerName"), "its name"),
            tag("LoadBalancerStatus", Source::Path("LoadBalancerStatus"), "`active`, `inactive`, `locked`"),
            tag("Address", Source::Path("Address"), "its address"),
            tag("AddressType", Source::Path("AddressType"), "`internet`, `intranet`"),
            tag("NetworkType", Source::Path("NetworkType"), "`vpc`, `classic`"),
            tag("PayType", Source::Path("PayType"), "`PayOnDemand`, `PrePay`"),
            tag(
                "InternetChargeType",
                Source::First(&[
                    Source::Path("InternetChargeTypeAlias"),
                    Source::Detail("attribute", "InternetChargeType"),
                    Source::Path("InternetChargeType"),
                ]),
                "`paybytraffic`, `paybybandwidth`",
            ),
            tag("RegionId", Source::Path("RegionId"), "the region"),
            tag("MasterZoneId", Source::Path("MasterZoneId"), "the zone"),
            tag("SlaveZoneId", Source::Path("SlaveZoneId"), "the zone that takes over"),
            tag(
                "RenewalStatus",
                Source::Detail("attribute", "RenewalStatus"),
                "`AutoRenewal`, `Normal`, `NotRenewal`; prepaid ones",
            ),
            tag(
                "AutoReleaseTime",
                Source::Detail("attribute", "AutoReleaseTime"),
                "when it is released by itself, as the API writes it",
            ),
        ],
        fields: &[
            // `CreateTime` is wall time of UTC+8 with a false `Z`.
            Reported {
                key: "CreateTime",
                kind: Type::Time,
                from: Source::Path("CreateTimeStamp"),
                meaning: "when it was made, UTC",
            },
            Reported {
                key: "ListenerPortsAndProtocol",
                kind: Type::Json,
                from: Source::Detail("attribute", "ListenerPortsAndProtocol.ListenerPortAndProtocol"),
                meaning: "its listeners",
            },
            Reported {
                key: "Bandwidth",
                kind: Type::Text,
                from: Source::First(&[Source::Detail("attribute", "Bandwidth"), Source::Path("Bandwidth")]),
                meaning: "Mbit/s",
            },
            Reported {
                key: "EndTimeStamp",
                kind: Type::Text,
                from: Source::Detail("attribute", "EndTimeStamp"),
                meaning: "when it ends, milliseconds since 1970; pay as you go: the year 2999",
            },
            Reported {
                key: "ServerHealthStatus",
                kind: Type::Json,
                from: Source::Detail("health", ""),
                meaning: "its backends and their health, by `DescribeHealthStatus`",
            },
            Reported {
                key: "ServerCertificates",
                kind: Type::Json,
                from: Source::Detail("certificates", ""),
                meaning: "the region's server certificates, where it speaks HTTPS",
            },
            Reported {
                key: "message",
                kind: Type::Json,
                from: Source::Item,
                meaning: "the whole load balancer",
            },
        ],
        notes: &[
            "`CreateTime` is made from `CreateTimeStamp`: the API's own `CreateTime` is eight hours off.",
            "Application and network load balancers (ALB, NLB) are other products.",
        ],
    },
    scope: Scope::Region,
    list: List {
        request: request(&DESCRIBE_LOAD_BALANCERS),
        paging: Paging::Numbers {
            number: "PageNumber",
            size: "PageSize",
            sizes: Sizes::up_to(100),
            total: Some("TotalCount"),
        },
        items: "LoadBalancers.LoadBalancer",
        id: "LoadBalancerId",
    },
    details: &[&ATTRIBUTE, &HEALTH, &CERTIFICATES],
    ..ObjectCollector::DECLARED
};
