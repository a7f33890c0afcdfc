//! The three clouds as the property of marks needs them: one metric of two instances, its truth, and what can go wrong.

use crate::support::{World, aws_script};
use simcloud::{
    AliyunEstate, AliyunFault, AliyunProduct, AliyunSeries, AwsEstate, Fault, FaultKind, FieldValue, Options,
    Statistics, TencentEstate,
};
use std::collections::BTreeMap;

/// What a point says: its fields.
pub(crate) type Fields = BTreeMap<String, FieldValue>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    Aliyun,
    Aws,
    Tencent,
}

const MINUTE: i64 = 60;

impl Cloud {
    /// The default overlap, seconds.
    pub(crate) fn overlap(self) -> i64 {
        match self {
            Self::Aws => 15 * MINUTE,
            Self::Aliyun | Self::Tencent => 10 * MINUTE,
        }
    }

    pub(crate) fn collector(self) -> &'static str {
        match self {
            Self::Aliyun => "aliyun_monitor",
            Self::Aws => "aws_cloudwatch",
            Self::Tencent => "tencentcloud_monitor",
        }
    }

    /// The call that reads datapoints.
    pub(crate) fn call(self) -> &'static str {
        match self {
            Self::Aliyun => "cms:DescribeMetricList",
            Self::Aws => "monitoring:GetMetricData",
            Self::Tencent => "monitor:GetMonitorData",
        }
    }

    fn region(self) -> &'static str {
        match self {
            Self::Aliyun => "cn-hangzhou",
            Self::Aws => "cn-northwest-1",
            Self::Tencent => "ap-shanghai",
        }
    }

    fn metric(self) -> &'static str {
        if self == Self::Tencent { "CPUUsage" } else { "CPUUtilization" }
    }

    /// A world with two instances, and its script.
    pub(crate) async fn world(self) -> World {
        let options = Options {
            aws: AwsEstate { instances: 2, metrics: 1, nasty: false, ..AwsEstate::default() },
            aliyun: AliyunEstate {
                regions: vec![self.region().into()],
                instances: 2,
                databases: 0,
                balancers: 0,
                buckets: 0,
                nasty: false,
            },
            tencent: TencentEstate { instances: 2, nasty: false, gaps: false, ..TencentEstate::default() },
            ..Options::default()
        };
        let world = World::new(options).await;
        let script = match self {
            Self::Aws => {
                let script = aws_script(&[self.region()], &format!("{:?}", self.metric()));
                let (before, after) = script.split_once("        aws_ec2::DataCollector").unwrap();
                let (_, after) = after.split_once('\n').unwrap();
                format!("{before}{after}")
            }
            Self::Aliyun => alone("aliyun", "ALIYUN", "", "acs_ecs_dashboard", self.metric()),
            Self::Tencent => {
                let regions = format!("regions: [{:?}], ", self.region());
                alone("tencentcloud", "TENCENTCLOUD", &regions, "QCE/CVM", self.metric())
            }
        };
        world.write("my/main.rhai", &script);
        world
    }

    pub(crate) fn instances(self, world: &World) -> Vec<String> {
        let clouds = &world.clouds;
        match self {
            Self::Aws => clouds.instances(self.region()).into_iter().map(|one| one.id).collect(),
            Self::Tencent => clouds.tencent_instances(self.region()).into_iter().map(|one| one.id).collect(),
            Self::Aliyun => clouds
                .aliyun_objects(AliyunProduct::Ecs, self.region())
                .into_iter()
                .map(|one| one.id)
                .collect(),
        }
    }

    /// Which instance a point belongs to.
    pub(crate) fn instance_of(self, tags: &BTreeMap<String, String>) -> String {
        tags[if self == Self::Aliyun { "instanceId" } else { "InstanceId" }].clone()
    }

    /// The point of an instance at a time (seconds), as the cloud would answer it now.
    pub(crate) fn value(self, world: &World, instance: &str, at: i64) -> Option<Fields> {
        let field = |name: &str, value: f64| (format!("{}_{name}", self.metric()), FieldValue::Float(value));
        match self {
            Self::Aws => {
                let found = world.clouds.datapoint(
                    self.region(),
                    "AWS/EC2",
                    self.metric(),
                    &dimensions(instance),
                    at,
                )?;
                let names = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"];
                Some(names.into_iter().map(|name| field(name, found.get(name).unwrap())).collect())
            }
            Self::Aliyun => {
                let found = world.clouds.aliyun_datapoint(&series(world, self.metric(), instance), at)?;
                Some(found.iter().map(|(name, value)| field(name, *value)).collect())
            }
            Self::Tencent => {
                let place = dimensions(instance);
                let found = world.clouds.tencent_datapoint(
                    self.region(),
                    "QCE/CVM",
                    self.metric(),
                    &place,
                    MINUTE,
                    at,
                )?;
                Some(BTreeMap::from([field("avg", found)]))
            }
        }
    }

    /// Hides a datapoint for so many seconds from now.
    pub(crate) fn late(self, world: &World, instance: &str, at: i64, seconds: i64) {
        let place = dimensions(instance);
        match self {
            Self::Aws => {
                world.clouds.late(self.region(), "AWS/EC2", self.metric(), &place, at, seconds);
            }
            Self::Aliyun => world.clouds.aliyun_late(&series(world, self.metric(), instance), at, seconds),
            Self::Tencent => {
                world.clouds.tencent_late((self.region(), "QCE/CVM", self.metric(), &place), at, seconds);
            }
        }
    }

    /// Changes a datapoint, the `time`-th time.
    pub(crate) fn revise(self, world: &World, instance: &str, at: i64, time: usize) {
        let place = dimensions(instance);
        match self {
            Self::Aws => {
                let Some(old) = world.clouds.datapoint(self.region(), "AWS/EC2", self.metric(), &place, at)
                else {
                    return;
                };
                let new = Statistics { sum: old.sum + 1.0, maximum: old.maximum + 1.0, ..old };
                world.clouds.revise(self.region(), "AWS/EC2", self.metric(), &place, at, new);
            }
            Self::Aliyun => {
                let more = time as f64 + 1.0;
                world.clouds.aliyun_revise(&series(world, self.metric(), instance), at, more);
            }
            Self::Tencent => {
                let value = 1000.0 + time as f64;
                world.clouds.tencent_revise((self.region(), "QCE/CVM", self.metric(), &place), at, value);
            }
        }
    }

    pub(crate) fn publication_delay(self, world: &World, seconds: i64) {
        match self {
            Self::Aws => world.clouds.set_publication_delay(seconds),
            Self::Aliyun => world.clouds.aliyun_publication_delay(seconds),
            Self::Tencent => world.clouds.set_tencent_publication_delay(seconds),
        }
    }

    /// The cloud refuses all calls of datapoints.
    pub(crate) fn refuse(self, world: &World) {
        self.fault(world, u64::MAX, FaultKind::Denied, AliyunFault::Denied);
    }

    /// The cloud breaks off once.
    pub(crate) fn trouble(self, world: &World) {
        self.fault(world, 1, FaultKind::CutBody, AliyunFault::CutBody);
    }

    fn fault(self, world: &World, times: u64, kind: FaultKind, aliyun: AliyunFault) {
        let action = self.call().split_once(':').map(|(_, action)| action.to_owned());
        if self == Self::Aliyun {
            let fault = Fault { service: None, action, region: None, skip: 0, times, kind: aliyun };
            world.clouds.aliyun_fault(fault);
        } else {
            world.clouds.fault(Fault { service: None, action, region: None, skip: 0, times, kind });
        }
    }

    pub(crate) fn is_well(self, world: &World) {
        world.clouds.clear_faults();
        world.clouds.clear_aliyun_faults();
    }
}

fn dimensions(instance: &str) -> Vec<(String, String)> {
    vec![("InstanceId".to_owned(), instance.to_owned())]
}

fn series(world: &World, metric: &str, instance: &str) -> AliyunSeries {
    let all = world.clouds.aliyun_series("acs_ecs_dashboard", metric);
    all.into_iter().find(|series| series.dimensions["instanceId"] == instance).unwrap()
}

/// A script of one cloud's monitor.
fn alone(cloud: &str, variable: &str, regions: &str, namespace: &str, metric: &str) -> String {
    format!(
        r#"import "guance_integration__runner" as integration;
import "guance_{cloud}_monitor__main" as monitor;
let account = #{{ ak_id: DFF.ENV("{variable}_AK_ID"), ak_secret: DFF.ENV("{variable}_AK_SECRET") }};
@DFF.API("alone", timeout = 60)
fn run() {{
    let configs = #{{ {regions}targets: [ #{{ namespace: "{namespace}", metrics: ["{metric}"] }} ] }};
    Runner([monitor::DataCollector(account, configs)]).run();
}}
"#
    )
}
