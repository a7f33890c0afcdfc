//! The namespaces: what their instances are called in a call, in a point, and in the objects that supply them.
//!
//! Owns rows of data. A namespace works as soon as objects of its class are remembered.

use super::data::Instance;
use crate::collector::Failure;
use crate::mistake::nearest;
use crate::point::Text;
use crate::run::Memory;
use std::collections::BTreeMap;

/// One namespace.
#[derive(Debug)]
pub(super) struct Namespace {
    /// As the API spells it: `QCE/CVM`.
    pub(super) name: &'static str,
    /// The class of its objects.
    pub(super) class: &'static str,
    /// What a call names an instance by.
    pub(super) dimensions: &'static [Dimension],
    /// Only objects whose tag has this value. Load balancers are reported as `Public` and `Private`, though the API says `OPEN` and `INTERNAL`.
    pub(super) only: Option<(&'static str, &'static str)>,
    /// The one region that is asked, for a product that has none in Monitor.
    pub(super) central: Option<&'static str>,
}

/// One dimension of a call.
#[derive(Debug)]
pub(super) struct Dimension {
    /// In the call, letter case as the API wants it.
    pub(super) call: &'static str,
    /// What answers may call it as well.
    pub(super) also: &'static [&'static str],
    /// The object's tag that has the value.
    pub(super) tag: &'static str,
    /// Which part of it.
    pub(super) part: Part,
    /// The point's tag, and what of the object's tag it holds; none where it is not reported.
    pub(super) reported: Option<(&'static str, Part)>,
}

/// A part of a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Behind the last `-`: the id of a bucket's owner.
    Tail,
}

impl Part {
    fn of(self, value: &str) -> Text {
        match (self, value.rsplit_once('-')) {
            (Self::Tail, Some((_, tail))) => tail.into(),
            _ => value.into(),
        }
    }
}

const fn whole(call: &'static str, tag: &'static str, reported: &'static str) -> Dimension {
    Dimension { call, also: &[], tag, part: Part::Whole, reported: Some((reported, Part::Whole)) }
}

impl Dimension {
    /// Is it called so?
    pub(super) fn is(&self, name: &str) -> bool {
        self.call.eq_ignore_ascii_case(name) || self.also.iter().any(|also| also.eq_ignore_ascii_case(name))
    }
}

/// Every namespace that there are objects for.
pub(super) static NAMESPACES: &[Namespace] = &[
    Namespace {
        name: "QCE/CVM",
        class: "tencentcloud_cvm",
        dimensions: &[Dimension {
            also: &["vm_uuid", "vmUuid", "uuid"],
            ..whole("InstanceId", "name", "InstanceId")
        }],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/CDB",
        class: "tencentcloud_cdb",
        dimensions: &[
            whole("InstanceId", "name", "InstanceId"),
            whole("InstanceType", "InstanceType", "InstanceType"),
        ],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/COS",
        class: "tencentcloud_cos",
        dimensions: &[
            Dimension { call: "appid", also: &[], tag: "name", part: Part::Tail, reported: None },
            whole("bucket", "name", "BucketName"),
        ],
        only: None,
        central: Some("ap-guangzhou"),
    },
    Namespace {
        name: "QCE/LB_PUBLIC",
        class: "tencentcloud_clb",
        dimensions: &[whole("vip", "Address", "vip")],
        only: Some(("LoadBalancerType", "Public")),
        central: None,
    },
    Namespace {
        name: "QCE/LB_PRIVATE",
        class: "tencentcloud_clb",
        dimensions: &[whole("vip", "Address", "vip"), whole("vpcId", "VpcId", "vpcId")],
        only: Some(("LoadBalancerType", "Private")),
        central: None,
    },
    Namespace {
        name: "QCE/REDIS_MEM",
        class: "tencentcloud_redis",
        dimensions: &[whole("instanceid", "name", "InstanceId")],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/CMONGO",
        class: "tencentcloud_mongodb",
        dimensions: &[whole("target", "name", "InstanceId")],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/MARIADB",
        class: "tencentcloud_mariadb",
        dimensions: &[whole("InstanceId", "name", "InstanceId")],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/SQLSERVER",
        class: "tencentcloud_sqlserver",
        dimensions: &[whole("resourceId", "name", "resourceId")],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/CKAFKA",
        class: "tencentcloud_ckafka",
        dimensions: &[whole("instanceId", "name", "instanceId")],
        only: None,
        central: None,
    },
    Namespace {
        name: "QCE/MEMCACHED",
        class: "tencentcloud_memcached",
        dimensions: &[whole("instanceid", "name", "instanceid")],
        only: None,
        central: None,
    },
];

/// The row of a namespace, whatever the letter case.
pub(super) fn find(name: &str) -> Option<&'static Namespace> {
    NAMESPACES.iter().find(|namespace| namespace.name.eq_ignore_ascii_case(name.trim()))
}

/// What to say about one that is not there.
pub(super) fn hint(name: &str) -> String {
    nearest(name, NAMESPACES.iter().map(|namespace| namespace.name)).map_or_else(
        || {
            let names: Vec<&str> = NAMESPACES.iter().map(|namespace| namespace.name).collect();
            format!("known namespaces: {}", names.join(", "))
        },
        |near| format!("did you mean `{near}`?"),
    )
}

impl Namespace {
    /// The instances of a region, by the objects that are remembered there; sorted, so that the same ones share calls.
    pub(super) async fn instances(
        &self,
        memory: &dyn Memory,
        region: &Text,
    ) -> Result<Vec<Instance>, Failure> {
        let objects = memory.objects(self.class, region).await?;
        let mut instances: Vec<Instance> = objects.iter().filter_map(|tags| self.instance(tags)).collect();
        instances.sort();
        // A call names nothing twice.
        instances.dedup_by(|one, other| one.call == other.call);
        Ok(instances)
    }

    fn instance(&self, tags: &BTreeMap<Text, Text>) -> Option<Instance> {
        if let Some((tag, wanted)) = self.only
            && tags.get(tag).is_none_or(|value| **value != *wanted)
        {
            return None;
        }
        let mut instance =
            Instance { call: Vec::new(), reported: Vec::new(), object: tags.get("name")?.clone() };
        for dimension in self.dimensions {
            let value = tags.get(dimension.tag)?;
            instance.call.push((dimension.call, dimension.part.of(value)));
            if let Some((reported, part)) = dimension.reported {
                instance.reported.push((reported, part.of(value)));
            }
        }
        Some(instance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(namespace: &str, tags: &[(&str, &str)]) -> Option<(String, String)> {
        let tags = tags.iter().map(|(key, value)| (Text::from(*key), Text::from(*value))).collect();
        let found = find(namespace).unwrap().instance(&tags)?;
        let text = |pairs: &[(&str, Text)]| {
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        Some((text(&found.call), text(&found.reported)))
    }

    #[test]
    fn objects_become_instances() {
        let some = |call: &str, reported: &str| Some((call.to_owned(), reported.to_owned()));
        assert_eq!(of("QCE/CVM", &[("name", "ins-1")]), some("InstanceId=ins-1", "InstanceId=ins-1"));
        assert_eq!(
            of("qce/cdb", &[("name", "cdb-1"), ("InstanceType", "2")]),
            some("InstanceId=cdb-1 InstanceType=2", "InstanceId=cdb-1 InstanceType=2")
        );
        assert_eq!(of("QCE/CDB", &[("name", "cdb-1")]), None, "the call wants both");
        assert_eq!(
            of("QCE/COS", &[("name", "my-logs-1250000000")]),
            some("appid=1250000000 bucket=my-logs-1250000000", "BucketName=my-logs-1250000000")
        );
        let public =
            [("name", "lb-1"), ("Address", "1.2.3.4"), ("VpcId", "vpc-1"), ("LoadBalancerType", "Public")];
        assert_eq!(of("QCE/LB_PUBLIC", &public), some("vip=1.2.3.4", "vip=1.2.3.4"));
        assert_eq!(of("QCE/LB_PRIVATE", &public), None);
        let private =
            [("name", "lb-1"), ("Address", "10.0.0.4"), ("VpcId", "vpc-1"), ("LoadBalancerType", "Private")];
        assert_eq!(
            of("QCE/LB_PRIVATE", &private),
            some("vip=10.0.0.4 vpcId=vpc-1", "vip=10.0.0.4 vpcId=vpc-1")
        );
        assert_eq!(of("QCE/LB_PUBLIC", &private), None);
        assert_eq!(
            of("QCE/LB_PUBLIC", &[("name", "lb-1"), ("LoadBalancerType", "Public")]),
            None,
            "a balancer with a domain name alone"
        );
        assert_eq!(of("QCE/LB_PUBLIC", &public[..3]), None, "nobody says that it is public");
        assert_eq!(of("QCE/REDIS_MEM", &[("name", "crs-1")]), some("instanceid=crs-1", "InstanceId=crs-1"));
        assert_eq!(of("QCE/CMONGO", &[("name", "cmgo-1")]), some("target=cmgo-1", "InstanceId=cmgo-1"));
    }

    #[test]
    fn a_misspelt_namespace_is_named() {
        assert_eq!(hint("QCE/CVN"), "did you mean `QCE/CVM`?");
        assert!(hint("something else entirely").starts_with("known namespaces: QCE/CVM, "));
    }
}
