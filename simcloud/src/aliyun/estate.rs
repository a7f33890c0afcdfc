//! What exists: instances, databases, balancers and buckets, made from a seed, the same in every run.
//!
//! Owns the truth that tests compare with: each object as its list has it, and what every detail action says of it. Knows no protocol.

use super::AliyunEstate;
use super::metrics::{Metric, Metrics};
use crate::clock::time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names as people give them, and worse.
const NASTY: &[&str] = &[
    "web-1",
    "数据库 主节点",
    "a,b=c d",
    "say \"hello\"",
    "ends with a backslash\\",
    "two\nlines",
    "emoji 🚀🔥",
    "",
    "<xml> & 'quotes'",
    "=",
    "\ttab first",
];

/// Stands where a private key would: it must be seen nowhere.
const PRIVATE_KEY: &str =
    "-----BEGIN RSA PRIVATE KEY-----SIMCLOUD-SERVER-KEY-CANARY-----END RSA PRIVATE KEY-----";

/// Whose object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AliyunProduct {
    /// ECS instances.
    Ecs,
    /// RDS instances.
    Rds,
    /// Classic load balancers.
    Slb,
    /// Buckets.
    Oss,
}

/// An object as it is.
#[derive(Clone, Debug)]
pub struct AliyunObject {
    /// Whose.
    pub product: AliyunProduct,
    /// Where.
    pub region: String,
    /// Unique.
    pub id: String,
    /// As its list has it; of a bucket the texts of its elements.
    pub item: Value,
    /// What the detail actions say, by the detail's name in `aliyun-details`: an object or a list.
    pub details: BTreeMap<&'static str, Value>,
    /// Details that are refused for it: status and code.
    pub refused: BTreeMap<&'static str, (u16, &'static str)>,
}

impl AliyunObject {
    pub(super) fn text(&self, name: &str) -> &str {
        self.item[name].as_str().unwrap_or_default()
    }
}

/// The account.
#[derive(Debug)]
pub(super) struct Estate {
    seed: u64,
    options: AliyunEstate,
    pub(super) objects: Vec<AliyunObject>,
    pub(super) metrics: Metrics,
    /// Metrics beside those of the tables, with the dimensions of their series.
    pub(super) measured: Vec<(&'static Metric, Vec<BTreeMap<String, String>>)>,
}

impl Estate {
    pub(super) fn new(seed: u64, options: &AliyunEstate, now: i64) -> Self {
        let mut estate = Self {
            seed,
            options: options.clone(),
            objects: Vec::new(),
            metrics: Metrics::new(seed),
            measured: Vec::new(),
        };
        for region in &options.regions {
            for index in 0..options.instances {
                let object = estate.instance(region, index, now);
                estate.objects.push(object);
            }
            for index in 0..options.databases {
                let object = estate.database(region, index, now);
                estate.objects.push(object);
            }
            for index in 0..options.balancers {
                let object = estate.balancer(region, index, now);
                estate.objects.push(object);
            }
        }
        let mut buckets: Vec<AliyunObject> =
            (0..options.buckets).map(|index| estate.bucket(index, now)).collect();
        buckets.sort_by(|one, other| one.id.cmp(&other.id));
        estate.objects.extend(buckets);
        estate
    }

    pub(super) fn has(&self, region: &str) -> bool {
        self.options.regions.iter().any(|known| known == region)
    }

    pub(super) fn regions(&self) -> &[String] {
        &self.options.regions
    }

    /// The objects of a product; an empty region is all.
    pub(super) fn of<'estate>(
        &'estate self,
        product: AliyunProduct,
        region: &'estate str,
    ) -> impl Iterator<Item = &'estate AliyunObject> {
        self.objects
            .iter()
            .filter(move |object| object.product == product && (region.is_empty() || object.region == region))
    }

    pub(super) fn find(&self, product: AliyunProduct, id: &str) -> Option<&AliyunObject> {
        self.objects.iter().find(|object| object.product == product && object.id == id)
    }

    pub(super) fn remove(&mut self, id: &str) {
        self.objects.retain(|object| object.id != id);
    }

    pub(super) fn release_first(&mut self, product: &str, region: &str) {
        let product = match product {
            "ecs" => AliyunProduct::Ecs,
            "rds" => AliyunProduct::Rds,
            "slb" => AliyunProduct::Slb,
            _ => AliyunProduct::Oss,
        };
        let region = if product == AliyunProduct::Oss { "" } else { region };
        let first = self.of(product, region).next().map(|object| object.id.clone());
        if let Some(id) = first {
            self.remove(&id);
        }
    }

    /// All disks of a region: each once, and one that is free.
    pub(super) fn disks(&self, region: &str) -> Vec<Value> {
        let mut disks: Vec<Value> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for object in self.of(AliyunProduct::Ecs, region) {
            for disk in object.details["disks"].as_array().into_iter().flatten() {
                if seen.insert(disk["DiskId"].to_string()) {
                    disks.push(disk.clone());
                }
            }
        }
        disks.push(disk(region, &format!("d-free-{region}"), "", 20, "data"));
        disks
    }

    /// All network interfaces of a region, free ones too.
    pub(super) fn interfaces(&self, region: &str) -> Vec<Value> {
        let mut interfaces: Vec<Value> = self
            .of(AliyunProduct::Ecs, region)
            .flat_map(|object| object.details["network_interfaces"].as_array().into_iter().flatten())
            .cloned()
            .collect();
        interfaces.push(json!({ "NetworkInterfaceId": format!("eni-free-{region}"), "Status": "Available", "InstanceId": "", "Type": "Secondary", "AssociatedPublicIp": {} }));
        interfaces.push(json!({ "NetworkInterfaceId": format!("eni-loose-{region}"), "Status": "Available", "Type": "Secondary" }));
        interfaces
    }

    fn random(&self, text: &str) -> u64 {
        xxh3_64_with_seed(text.as_bytes(), self.seed)
    }

    fn name(&self, kind: &str, index: usize) -> String {
        if self.options.nasty { NASTY[index % NASTY.len()].to_owned() } else { format!("{kind}-{index}") }
    }

    fn instance(&self, region: &str, index: usize, now: i64) -> AliyunObject {
        let random = self.random(&format!("ecs/{region}/{index}"));
        let id = format!("i-bp1{random:016x}");
        let born = now - now % 86_400 - (index as i64 + 1) * 86_400;
        let minutes = |at: i64| time(at).format("%Y-%m-%dT%H:%MZ").to_string();
        // The sixth of each twelve is stopped.
        let stopped = self.options.nasty && index % 12 == 5;
        let prepaid = index.is_multiple_of(2);
        let address = format!("10.{}.{}.{}", index >> 16 & 255, index >> 8 & 255, index & 255);
        let public: Vec<String> =
            if index.is_multiple_of(3) { vec![format!("203.0.113.{}", index % 250 + 1)] } else { Vec::new() };
        let locks =
            if index % 5 == 4 { json!([{ "LockReason": "security", "LockMsg": "" }]) } else { json!([]) };
        let mut item = json!({
            "InstanceId": id, "InstanceName": self.name("server", index), "HostName": format!("iZ{index}Z"), "RegionId": region,
            "ZoneId": format!("{region}-{}", ["a", "b", "k"][index % 3]), "InstanceChargeType": if prepaid { "PrePaid" } else { "PostPaid" },
            "InternetChargeType": "PayByTraffic", "OSType": if index % 5 == 3 { "windows" } else { "linux" }, "OSName": "Alibaba Cloud Linux  3.2104 64位",
            "InstanceType": "ecs.g7.large", "InstanceTypeFamily": "ecs.g7", "Status": if stopped { "Stopped" } else { "Running" },
            "Memory": 8192, "Cpu": 2, "InternetMaxBandwidthOut": if public.is_empty() { 0 } else { 5 }, "InternetMaxBandwidthIn": 80,
            "CreationTime": minutes(born), "StartTime": minutes(born + 600), "ExpiredTime": if prepaid { "2031-01-01T16:00Z" } else { "2099-12-31T15:59Z" },
            "AutoReleaseTime": if index % 4 == 1 { "2030-06-01T00:00Z" } else { "" }, "Description": "", "PublicIpAddress": { "IpAddress": public },
            "VpcAttributes": { "PrivateIpAddress": { "IpAddress": [address] }, "VpcId": "vpc-bp1simcloud", "VSwitchId": "vsw-bp1simcloud", "NatIpAddress": "" },
            "OperationLocks": { "LockReason": locks }, "IoOptimized": true, "SpotPriceLimit": 0, "DeletionProtection": false,
        });
        // An instance without tags has no member for them.
        if index % 3 == 1 {
            item["Tags"] = json!({ "Tag": [{ "TagKey": "team", "TagValue": "运维, a=b" }] });
        }
        let mut disks = vec![
            disk(region, &format!("d-{random:016x}s"), &id, 40, "system"),
            disk(region, &format!("d-{random:016x}d"), &id, 100, "data"),
        ];
        // One disk of the first two instances of a region: `InstanceId` names the first, `Attachments` both.
        if index < 2 && self.options.instances > 1 {
            let both: Vec<String> = (0..2)
                .map(|index| format!("i-bp1{:016x}", self.random(&format!("ecs/{region}/{index}"))))
                .collect();
            let mut shared = disk(region, &format!("d-shared-{region}"), &both[0], 500, "data");
            shared["MultiAttach"] = "Enabled".into();
            shared["Attachments"] = json!({ "Attachment": both.iter().map(|id| json!({ "InstanceId": id, "Device": "/dev/xvdc", "AttachedTime": "2022-01-02T00:00:00Z" })).collect::<Vec<_>>() });
            disks.insert(if index == 0 { 2 } else { 0 }, shared);
        }
        let interfaces = json!([{
            "NetworkInterfaceId": format!("eni-{random:016x}"), "InstanceId": id, "Status": "InUse", "Type": "Primary", "PrivateIpAddress": address,
            "MacAddress": format!("00:16:3e:00:{:02x}:{:02x}", index >> 8 & 255, index & 255), "AssociatedPublicIp": {}, "ZoneId": format!("{region}-a"),
            "CreationTime": "2022-01-01T00:00:00Z", "Ipv6Sets": { "Ipv6Set": [] },
        }]);
        let event = json!({ "EventId": format!("e-{random:012x}"), "EventType": { "Code": 65, "Name": "SystemFailure.Reboot" }, "EventCycleStatus": { "Code": 24, "Name": "Scheduled" }, "NotBefore": "2030-04-24T10:32:31Z", "Reason": "A simulated event.", "ExtendedAttribute": {} });
        let events = if index % 4 == 2 { json!([event]) } else { json!([]) };
        let mut details = BTreeMap::from([
            ("disks", Value::Array(disks)),
            ("network_interfaces", interfaces),
            (
                "instances_full_status",
                json!({
                    "InstanceId": id, "Status": { "Code": if stopped { 8 } else { 1 }, "Name": if stopped { "Stopped" } else { "Running" } },
                    "HealthStatus": { "Code": 0, "Name": "Ok" }, "ScheduledSystemEventSet": { "ScheduledSystemEventType": events },
                }),
            ),
        ]);
        if prepaid {
            let on = index.is_multiple_of(4);
            details.insert(
                "instance_renew_attribute",
                json!({ "InstanceId": id, "AutoRenewEnabled": on, "Duration": if on { 1 } else { 0 }, "PeriodUnit": "Month", "RenewalStatus": if on { "AutoRenewal" } else { "Normal" } }),
            );
        }
        AliyunObject {
            product: AliyunProduct::Ecs,
            region: region.into(),
            id,
            item,
            details,
            refused: BTreeMap::new(),
        }
    }

    fn database(&self, region: &str, index: usize, now: i64) -> AliyunObject {
        let random = self.random(&format!("rds/{region}/{index}"));
        let id = format!("rm-bp{random:015x}");
        let engine = ["MySQL", "PostgreSQL", "SQLServer", "MariaDB"][index % 4];
        let born = now - now % 86_400 - (index as i64 + 1) * 86_400;
        // Both forms occur, in one object too.
        let created = if index.is_multiple_of(2) {
            time(born).format("%Y-%m-%dT%H:%M:%SZ").to_string()
        } else {
            time(born).format("%Y-%m-%dT%H:%MZ").to_string()
        };
        let prepaid = index.is_multiple_of(2);
        let expires = if prepaid { "2031-12-13T16:00:00Z" } else { "" };
        let name = self.name("database", index);
        let common = json!({
            "DBInstanceId": id, "DBInstanceType": if index % 3 == 2 { "Readonly" } else { "Primary" }, "PayType": if prepaid { "Prepaid" } else { "Postpaid" },
            "Engine": engine, "EngineVersion": pick(&["8.0", "14.0", "2008r2", "10.3"], index), "DBInstanceClass": "rds.mysql.s2.large",
            "ZoneId": if index % 2 == 1 { format!("{region}-MAZ1(b,c)") } else { format!("{region}-h") }, "RegionId": region,
            "LockMode": "Unlock", "ConnectionMode": "Standard", "DBInstanceNetType": "Intranet",
            "DBInstanceStatus": if index % 4 == 3 { "Creating" } else { "Running" }, "ExpireTime": expires,
            "ConnectionString": format!("{id}.mysql.rds.aliyuncs.com"), "ResourceGroupId": "rg-acfmsimcloud",
        });
        let mut item = common.clone();
        item["CreateTime"] = created.into();
        item["MutriORsignle"] = false.into();
        item["ReadOnlyDBInstanceIds"] = json!({ "ReadOnlyDBInstanceId": [] });
        if index % 4 != 1 {
            item["DBInstanceDescription"] = name.clone().into();
        }
        if index.is_multiple_of(2) {
            item["DBInstanceStorageType"] = "cloud_essd".into();
        }
        let mut attribute = common;
        attribute["DBInstanceDescription"] = name.into();
        attribute["Category"] = ["Basic", "HighAvailability"][index % 2].into();
        attribute["DBInstanceStorageType"] = "cloud_essd".into();
        attribute["DBInstanceStorage"] = (100 + 20 * index).into();
        attribute["CreationTime"] = time(born).format("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        attribute["Port"] = "3306".into();
        let address = |kind: &str, port: Value| {
            json!({
                "ConnectionString": format!("{id}.{kind}.rds.aliyuncs.com"), "ConnectionStringType": "Normal", "IPType": kind, "Port": port, "IPAddress": "192.168.0.9",
                "SecurityIPGroups": { "securityIPGroup": [{ "SecurityIPGroupName": "Default", "SecurityIPs": "127.0.0.1" }] },
            })
        };
        let mut details = BTreeMap::from([
            ("attribute", attribute),
            ("net_info", json!([address("Private", "3306".into()), address("Public", 3306.into())])),
            (
                "usage",
                json!({
                    "DBInstanceId": id, "Engine": engine, "DiskUsed": 3_200_253_952_i64 + index as i64, "BackupSize": 51_305_057_407_i64, "LogSize": if index % 2 == 1 { -1 } else { 0 },
                    "BackupLogSize": 48_565_375, "BackupDataSize": "51256492032", "BackupOssLogSize": "48565375", "ColdBackupSize": -1,
                }),
            ),
        ]);
        let mut refused = BTreeMap::new();
        if index % 4 == 3 {
            refused.insert("accounts", (403, "IncorrectDBInstanceState"));
            refused.insert("databases", (403, "IncorrectDBInstanceState"));
        } else {
            let account = |name: &str| json!({ "AccountName": name, "DBInstanceId": id, "AccountStatus": "Available", "AccountType": "Normal", "PrivExceeded": "0", "DatabasePrivileges": { "DatabasePrivilege": [{ "DBName": "orders", "AccountPrivilege": "ReadWrite" }] } });
            // More than one page of either size, exactly one, none.
            let (accounts, databases) = [(3, 130), (0, 0), (31, 100)][index % 4];
            let accounts: Vec<Value> =
                (0..accounts).map(|number| account(&format!("user_{number}"))).collect();
            let databases: Vec<Value> = (0..databases)
                .map(|number| json!({ "DBName": format!("db_{number}"), "DBInstanceId": id, "Engine": engine, "DBStatus": "Running", "CharacterSetName": "utf8mb4", "DBDescription": "", "Accounts": { "AccountPrivilegeInfo": [] } }))
                .collect();
            details.insert("accounts", Value::Array(accounts));
            details.insert("databases", Value::Array(databases));
        }
        match index % 4 {
            0 => drop(details.insert(
                "ssl",
                json!({ "SSLEnabled": "Yes", "SSLExpireTime": "2031-10-11T08:16:43Z", "ServerKey": PRIVATE_KEY, "ServerCert": "-----BEGIN CERTIFICATE-----MIID", "ConnectionString": format!("{id}.mysql.rds.aliyuncs.com") }),
            )),
            2 => drop(details.insert(
                "ssl",
                json!({ "SSLEnabled": "No", "SSLExpireTime": "", "RequireUpdate": "No", "ConnectionString": "" }),
            )),
            _ => drop(refused.insert("ssl", (403, "InstanceEngineType.NotSupport"))),
        }
        AliyunObject { product: AliyunProduct::Rds, region: region.into(), id, item, details, refused }
    }

    fn balancer(&self, region: &str, index: usize, now: i64) -> AliyunObject {
        let random = self.random(&format!("slb/{region}/{index}"));
        let id = format!("lb-bp1{random:016x}");
        let born = now - now % 86_400 - (index as i64 + 1) * 86_400 + 3_787;
        // Wall time of UTC+8, with a `Z` that is false.
        let wall = time(born + 8 * 3600).format("%Y-%m-%dT%H:%MZ").to_string();
        let prepaid = index % 4 == 1;
        let mut item = json!({
            "LoadBalancerId": id, "LoadBalancerName": self.name("balancer", index), "LoadBalancerStatus": "active", "RegionId": region, "RegionIdAlias": region,
            "MasterZoneId": format!("{region}-k"), "SlaveZoneId": format!("{region}-j"), "Address": format!("172.16.{}.{}", index >> 8 & 255, index & 255),
            "AddressType": if index.is_multiple_of(2) { "internet" } else { "intranet" }, "NetworkType": if index % 4 == 2 { "classic" } else { "vpc" },
            "PayType": if prepaid { "PrePay" } else { "PayOnDemand" }, "InternetChargeType": "4", "CreateTime": wall, "CreateTimeStamp": born * 1000,
            "Tags": { "Tag": [] }, "VpcId": "",
        });
        // Older answers have no alias and no bandwidth.
        if index % 4 != 2 {
            item["InternetChargeTypeAlias"] = "paybytraffic".into();
            item["Bandwidth"] = 5120.into();
        }
        let listeners = match index % 4 {
            0 => {
                json!([{ "ListenerPort": 80, "ListenerProtocol": "http", "Description": "", "ListenerForward": "on", "ForwardPort": 443 }, { "ListenerPort": 443, "ListenerProtocol": "https", "Description": "网站", "ListenerForward": "off" }])
            }
            1 => json!([{ "ListenerPort": "8080", "ListenerProtocol": "tcp" }]),
            2 => json!([]),
            _ => json!([{ "ListenerPort": 443, "ListenerProtocol": "https" }]),
        };
        let mut attribute = json!({
            "LoadBalancerId": id, "RegionId": region, "Bandwidth": 5120, "InternetChargeType": "paybytraffic", "CreateTime": wall, "CreateTimeStamp": born * 1000,
            "EndTimeStamp": if prepaid { json!("1924992000000") } else { json!(32_493_801_600_000_i64) }, "ListenerPortsAndProtocol": { "ListenerPortAndProtocol": listeners },
            "ListenerPortsAndProtocal": { "ListenerPortAndProtocal": [] }, "LoadBalancerStatus": "active",
        });
        if prepaid {
            attribute["RenewalStatus"] = "AutoRenewal".into();
        }
        if index % 4 == 3 {
            attribute["AutoReleaseTime"] = "1913947075".into();
        }
        let backends: Vec<Value> = listeners
            .as_array()
            .into_iter()
            .flatten()
            .map(|listener| json!({ "ServerId": "i-bp1simcloud", "ServerIp": "10.0.0.1", "ListenerPort": listener["ListenerPort"], "Port": 80, "Protocol": listener["ListenerProtocol"], "ServerHealthStatus": pick(&["normal", "abnormal"], index) }))
            .collect();
        let details = BTreeMap::from([("attribute", attribute), ("health", Value::Array(backends))]);
        AliyunObject {
            product: AliyunProduct::Slb,
            region: region.into(),
            id,
            item,
            details,
            refused: BTreeMap::new(),
        }
    }

    fn bucket(&self, index: usize, now: i64) -> AliyunObject {
        let region = &self.options.regions[index % self.options.regions.len()];
        let id = format!("simcloud-{:06x}-{index}", self.random(&format!("oss/{index}")) & 0xff_ffff);
        let born = now - now % 86_400 - (index as i64 + 1) * 86_400 + 61;
        let list = json!({
            "Name": id, "Location": format!("oss-{region}"), "StorageClass": pick(&["Standard", "IA", "Archive"], index),
            "CreationDate": time(born).format("%Y-%m-%dT%H:%M:%S.000Z").to_string(), "ExtranetEndpoint": format!("oss-{region}.aliyuncs.com"),
            "IntranetEndpoint": format!("oss-{region}-internal.aliyuncs.com"),
        });
        let mut info = list.clone();
        info["AccessControlList"] =
            json!({ "Grant": pick(&["private", "public-read", "public-read-write"], index) });
        info["Owner"] = json!({ "ID": super::keys::ACCOUNT, "DisplayName": super::keys::ACCOUNT });
        info["Comment"] = if self.options.nasty { "备份 <a> & \"b\" ]]>" } else { "" }.into();
        info["DataRedundancyType"] = "LRS".into();
        info["ServerSideEncryptionRule"] = json!({ "SSEAlgorithm": "None" });
        info["BucketPolicy"] = json!({ "LogBucket": "", "LogPrefix": "" });
        let mut item = list;
        item["Region"] = region.clone().into();
        AliyunObject {
            product: AliyunProduct::Oss,
            region: region.clone(),
            id,
            item,
            details: BTreeMap::from([("info", info)]),
            refused: BTreeMap::new(),
        }
    }

    /// The server certificates of a region.
    pub(super) fn certificates(&self, region: &str) -> Value {
        json!([
            { "ServerCertificateId": format!("1231579_{region}_1"), "ServerCertificateName": "*.example.com", "CommonName": "*.example.com", "RegionId": region, "CreateTime": "2021-08-31T02:49:05Z", "CreateTimeStamp": 1_630_378_145_000_i64, "ExpireTime": "2031-01-26T23:59:59Z", "IsAliCloudCertificate": 0, "Fingerprint": "68:08:1a" },
            { "ServerCertificateId": format!("1231579_{region}_2"), "ServerCertificateName": "测试", "RegionId": region, "CreateTime": "2016-12-13T09:57:49Z", "CreateTimeStamp": 1_481_622_469_000_i64, "IsAliCloudCertificate": 1 },
        ])
    }
}

/// One of a few, by turns.
fn pick(of: &[&'static str], index: usize) -> &'static str {
    of[index % of.len()]
}

fn disk(region: &str, id: &str, instance: &str, size: u32, kind: &str) -> Value {
    json!({
        "DiskId": id, "InstanceId": instance, "RegionId": region, "ZoneId": format!("{region}-a"), "Size": size, "Type": kind, "Category": "cloud_essd", "Status": if instance.is_empty() { "Available" } else { "In_use" },
        "Device": "/dev/xvda", "CreationTime": "2022-01-01T00:00:00Z", "AttachedTime": "2022-01-01T00:00:03Z", "DetachedTime": "", "ExpiredTime": "2999-09-08T16:00Z",
        "Encrypted": false, "DiskName": "系统盘, \"一\"", "Portable": kind != "system", "Attachments": { "Attachment": [] }, "OperationLocks": { "OperationLock": [] },
    })
}
