//! Every declared call, held against the vendor's own description of it: service, version, action, parameters, page size, where the items stand, and
//! every member that is read. The descriptions are the official SDKs from PyPI, pinned, read as data and never run.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use funchost_collectors::account::Cloud;
use funchost_collectors::aliyun::endpoint;
use funchost_collectors::aws::endpoint::signing_name;
use funchost_collectors::objects::{How as DetailHow, Paging, Scope, Sizes, Wire};
use funchost_collectors::request::{How, Style, known};
use serde_json::{Value as Json, json};
use simcloud::{Bound, PAGE_BOUNDS};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::market::{Call, Part, calls, declarations};
use support::python::environment;

/// What no package describes: the stores of Alibaba Cloud and Tencent Cloud have clients without models; one published key of PolarDB-X 2.0 is none
/// of the API's description; the products whose resource plans can be asked for stand in the manual of the package alone, and the engine of DocumentDB
/// in the documents of RDS; and how large a page may be where neither the model nor its text says so. There the size is
/// - the default, where at least that is said: certificates, Memcached instances and serverless caches;
/// - 50 for Lindorm and PolarDB-X 2.0, as the vendor's own Terraform provider asks for (`PageSizeLarge`); the text of the latter ends before its values;
/// - 50 for PolarDB-X 1.0 and for domains, whose references give no bound either;
/// - 100 for API Gateway and 50 for MemoryDB, whose pages are gone on from by a token, however short they are;
/// - 1,000 for EC2, as its reference says (`DescribeInstances`, `MaxResults`) and its model does not.
///
/// Five domains of OpenSearch go into one call, as its command line's reference had it. A region that MongoDB's client has not in its map is asked at the
/// product's own host all the same: no host begins with what the client makes of it.
///
/// Should one of them answer with shorter pages than that, its list is read to the end all the same.
const NOT_DESCRIBED: &[&str] = &[
    "aliyun_cas ListUserCertificateOrder: ShowSize: only a default of 50 is said",
    "aliyun_domain QueryDomainList: PageSize: nothing says how large a page may be, 50 is asked for",
    "aliyun_lindorm GetLindormInstanceList: PageSize: nothing says how large a page may be, 50 is asked for",
    "aliyun_mongodb DescribeDBInstanceAttribute: cn-zhongwei: dds.cn-zhongwei.aliyuncs.com, not mongodb.cn-zhongwei.aliyuncs.com",
    "aliyun_mongodb DescribeDBInstances: cn-zhongwei: dds.cn-zhongwei.aliyuncs.com, not mongodb.cn-zhongwei.aliyuncs.com",
    "aliyun_oss GetBucketInfo: no package describes it",
    "aliyun_oss ListBuckets: no package describes it",
    "aliyun_polardbx_1 DescribeDrdsInstances: PageSize: nothing says how large a page may be, 50 is asked for",
    "aliyun_polardbx_2 DescribeDBInstances: PageSize: nothing says how large a page may be, 50 is asked for",
    "aliyun_polardbx_2 DescribeDBInstances: no member ClassCode",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes CDN",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes cdi",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes cdnflowbag",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes dcdn",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes flowbag",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes hbr",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes hdr",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes live",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes ossbag",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes ots",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes sls",
    "aliyun_resource_package QueryResourcePackageInstances: ProductCode: nothing says that it takes vod",
    "aws_documentdb DescribeDBInstances: Filters.Filter.1.Values.Value.1: nothing says that it takes docdb",
    "aws_ec2 DescribeInstances: MaxResults: nothing says how large a page may be, 1000 is asked for",
    "aws_elasticache_serverless DescribeServerlessCaches: MaxResults: only a default of 50 is said",
    "aws_gateway GetApis: maxResults: nothing says how large a page may be, 100 is asked for",
    "aws_memorydb DescribeClusters: MaxResults: nothing says how large a page may be, 50 is asked for",
    "aws_opensearch DescribeDomains: DomainNames: nothing says how many may go, 5 do",
    "tencentcloud_cos GetService: no package describes it",
    "tencentcloud_memcached DescribeInstances: Limit: only a default of 100 is said",
];

/// Parameters of lists that are not given, whose description speaks of a default, of whether or of what is named. What each means for what is listed stands
/// with the words of declarations (`collectors/src/objects/declare.rs`), which also says which of them no reference was read for. A new one is to be
/// read before it is written here.
const LEFT_TO_DEFAULTS: &[&str] = &[
    "aliyun_alb ListLoadBalancers: PayType",
    "aliyun_cdn DescribeUserDomains: Coverage",
    "aliyun_cdn DescribeUserDomains: DomainSearchType",
    "aliyun_cdn DescribeUserDomains: ResourceGroupId",
    "aliyun_dcdn DescribeDcdnUserDomains: Coverage",
    "aliyun_dcdn DescribeDcdnUserDomains: DomainSearchType",
    "aliyun_ddoscoo DescribeInstances: ResourceGroupId",
    "aliyun_dns DescribeDomains: GroupId",
    "aliyun_dns DescribeDomains: SearchMode",
    "aliyun_dns DescribeDomains: Starmark",
    "aliyun_dts DescribeDtsJobs: WithoutDbList",
    "aliyun_dts DescribeDtsJobs: ZeroEtlJob",
    "aliyun_ecs DescribeInstances: DryRun",
    "aliyun_ecs DescribeInstances: HttpEndpoint",
    "aliyun_ecs DescribeInstances: HttpTokens",
    "aliyun_ecs DescribeInstances: IoOptimized",
    "aliyun_ecs DescribeInstances: ResourceGroupId",
    "aliyun_eip DescribeEipAddresses: DryRun",
    "aliyun_eip DescribeEipAddresses: IncludeReservationData",
    "aliyun_eip DescribeEipAddresses: SecurityProtectionEnabled",
    "aliyun_eip DescribeEipAddresses: ServiceManaged",
    "aliyun_mongodb DescribeDBInstances: DBNodeType",
    "aliyun_nas DescribeFileSystems: FileSystemType",
    "aliyun_nat DescribeNatGateways: DryRun",
    "aliyun_nat DescribeNatGateways: Spec",
    "aliyun_polardb DescribeDBClusters: DescribeType",
    "aliyun_polardb DescribeDBClusters: Expired",
    "aliyun_polardbx_1 DescribeDrdsInstances: Expired",
    "aliyun_polardbx_1 DescribeDrdsInstances: Mix",
    "aliyun_polardbx_2 DescribeDBInstances: MustHasCdc",
    "aliyun_private_zone DescribeZones: Keyword",
    "aliyun_private_zone DescribeZones: SearchMode",
    "aliyun_rds DescribeDBInstances: ConnectionMode",
    "aliyun_rds DescribeDBInstances: DBInstanceType",
    "aliyun_rds DescribeDBInstances: Engine",
    "aliyun_rds DescribeDBInstances: InstanceLevel",
    "aliyun_rds DescribeDBInstances: InstanceNetworkType",
    "aliyun_redis DescribeInstances: GlobalInstance",
    "aliyun_resource_package QueryResourcePackageInstances: IncludePartner",
    "aliyun_rocketmq4 OnsInstanceInServiceList: NeedResourceInfo",
    "aliyun_slb DescribeLoadBalancers: LoadBalancerStatus",
    "aliyun_vpc DescribeVpcs: DryRun",
    "aliyun_vpc DescribeVpcs: EnableIpv6",
    "aliyun_vpc DescribeVpcs: IsDefault",
    "aliyun_vpn DescribeVpnGateways: IncludeReservationData",
    "aliyun_waf DescribeInstanceInfo: ResourceGroupId",
    "aws_ec2 DescribeInstances: DryRun",
    "aws_ec2 DescribeInstances: Filters",
    "aws_ec2 DescribeInstances: IncludeManagedResources",
    "aws_ec2 DescribeInstances: InstanceIds",
    "aws_elasticache_serverless DescribeServerlessCaches: ServerlessCacheName",
    "aws_eventbridge ListRules: EventBusName",
    "aws_redshift DescribeClusters: ClusterIdentifier",
    "tencentcloud_cdb DescribeDBInstances: QueryClusterInfo",
    "tencentcloud_cdb DescribeDBInstances: SecurityGroupId",
    "tencentcloud_cdb DescribeDBInstances: TagKeysForSearch",
    "tencentcloud_cdb DescribeDBInstances: WithDr",
    "tencentcloud_cdb DescribeDBInstances: WithExCluster",
    "tencentcloud_cdb DescribeDBInstances: WithMaster",
    "tencentcloud_cdb DescribeDBInstances: WithRo",
    "tencentcloud_cdb DescribeDBInstances: WithSecurityGroup",
    "tencentcloud_ckafka DescribeInstancesDetail: Status",
    "tencentcloud_clb DescribeLoadBalancers: AdditionalFields",
    "tencentcloud_clb DescribeLoadBalancers: ProjectId",
    "tencentcloud_clb DescribeLoadBalancers: WithRs",
    "tencentcloud_cvm DescribeInstances: Filters",
    "tencentcloud_cvm DescribeInstances: InstanceIds",
    "tencentcloud_mariadb DescribeDBInstances: IsFilterExcluster",
    "tencentcloud_mariadb DescribeDBInstances: IsFilterVpc",
    "tencentcloud_mongodb DescribeDBInstances: SearchKey",
    "tencentcloud_mongodb DescribeDBInstances: Status",
    "tencentcloud_redis DescribeInstances: InstanceId",
    "tencentcloud_redis DescribeInstances: InstanceIds",
    "tencentcloud_redis DescribeInstances: ProductVersions",
    "tencentcloud_redis DescribeInstances: UniqVpcIds",
    "tencentcloud_redis DescribeInstances: VpcIds",
    "tencentcloud_sqlserver DescribeDBInstances: PaginationType",
];

/// Names that sound like secrets and are none: where a secret lies, whether one is needed, and passwords that the cloud writes as `****`.
const NO_SECRETS: &[&str] = &[
    "AuthSecretArn",
    "KeyCacheSecretIamArn",
    "KeyCacheSecretId",
    "MasterPasswordSecretArn",
    "MasterPasswordSecretKmsKeyId",
    "MasterUserPassword",
    "MasterUserSecret",
    "PasswordExpireTime",
    "PasswordFree",
    "SecretArn",
    "SecretStatus",
    "UseExistingClientSecret",
];

fn site(environment: &Path) -> PathBuf {
    let library = std::fs::read_dir(environment.join("lib")).expect("a virtual environment has lib");
    let version =
        library.map(|entry| entry.expect("an entry").path()).find(|path| path.join("site-packages").exists());
    version.expect("a virtual environment has packages").join("site-packages")
}

fn python(environment: &Path, script: &str, arguments: &[&Path], input: &Json) -> String {
    let mut process = Command::new(environment.join("bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vendor").join(script))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    process.stdin.take().expect("a pipe").write_all(input.to_string().as_bytes()).expect("the script reads");
    let output = process.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).expect("a text")
}

/// What simcloud takes for the size of a page: it has that from the documents, too.
fn bound(call: &Call, parameter: &str) -> Json {
    let service = if call.action().service == "memory-db" { "memorydb" } else { call.action().service };
    let bound = PAGE_BOUNDS
        .iter()
        .find(|(of, action, name, _)| (*of, *action, *name) == (service, call.action().action, parameter));
    match bound {
        Some((_, _, _, Bound::One(sizes))) => json!(sizes),
        Some((_, _, _, Bound::Range(least, most))) if *least > 1 => json!({ "least": least, "most": most }),
        Some((_, _, _, bound)) => json!(bound.most()),
        None => Json::Null,
    }
}

/// Products whose hosts are those of the vendor's metadata of endpoints, which goes before the clients' maps: those have shared hosts of old in regions
/// that have their own since. OSS has no such client.
const OLDEST: &[&str] = &["ecs", "oss", "rds", "slb"];

/// Where a call of Alibaba Cloud is asked: region and host, of every region that is known, or of those that the product has.
fn hosts(call: &Call) -> Vec<(String, String)> {
    if call.cloud() != Cloud::Aliyun || OLDEST.contains(&call.action().service) {
        return Vec::new();
    }
    let places: Vec<&str> = match (call.collector.scope, call.part) {
        _ if !call.collector.sites.is_empty() => call.collector.sites.to_vec(),
        (Scope::Central(at), _) | (Scope::Everywhere(at, _), Part::Regions) => vec![at],
        (Scope::Sites(sites), _) => sites.to_vec(),
        (Scope::Region | Scope::Account { .. } | Scope::Everywhere(..), _) => endpoint::regions().collect(),
    };
    // Clients without a region are made for this one.
    let home = |region: &str| if region.is_empty() { "cn-hangzhou".to_owned() } else { region.to_owned() };
    let host = |region: &&str| (home(region), endpoint::host(call.action().service, region, false));
    places.iter().map(host).collect()
}

/// How many ids a call takes: the parameter, and the number.
fn batch(call: &Call) -> Option<(&'static str, usize)> {
    let Part::Detail(detail) = call.part else { return None };
    match detail.how {
        DetailHow::Batch { ids, most, .. } => Some((ids, most)),
        DetailHow::Item { .. } | DetailHow::Region { .. } => None,
    }
}

/// A call as the script reads it; none where its protocol is its own.
fn described(call: &Call) -> Option<Json> {
    let wire = match call.wire() {
        Wire::Rpc { version } | Wire::Tencent { version } => json!({ "version": version }),
        Wire::Roa { version, path } => json!({ "version": version, "path": path }),
        Wire::Query { version, model } => json!({ "version": version, "model": model, "protocol": "query" }),
        Wire::Target { version, prefix, json, model } => {
            json!({ "version": version, "prefix": prefix, "json": json, "model": model, "protocol": "json" })
        }
        Wire::Rest { version, method, path, model, .. } => {
            json!({ "version": version, "method": method, "path": path, "model": model, "protocol": "rest-json" })
        }
        Wire::Store { .. } => json!({ "protocol": "rest-xml" }),
        Wire::Own if call.action().service == "ec2" => {
            json!({ "version": "2016-11-15", "model": "ec2", "protocol": "ec2" })
        }
        Wire::Own => return None,
    };
    // Its own API takes the reservations off.
    let items = if matches!(call.wire(), Wire::Own) { "Reservations.0.Instances" } else { call.list.items };
    let (size, paths) = match call.list.paging {
        Paging::Whole => (None, Vec::new()),
        Paging::Numbers { size, sizes, total, .. } => {
            (Some((size, sizes)), total.into_iter().map(|total| (total, "integer")).collect())
        }
        Paging::FromZero { size, sizes, total, .. } | Paging::Offsets { limit: size, sizes, total, .. } => {
            (Some((size, sizes)), vec![(total, "integer")])
        }
        // One size alone is asked for.
        Paging::Tokens { next, size, .. } => {
            (size.map(|(name, most)| (name, Sizes::Between(most, most))), vec![(next, "text")])
        }
    };
    // A total in a header is text, and that of resource plans is, too.
    let is_text = |path: &str| path.starts_with("Headers.") || path == "Data.TotalCount";
    let paths: Vec<(&str, &str)> =
        paths.into_iter().map(|(path, kind)| (path, if is_text(path) { "any" } else { kind })).collect();
    Some(json!({
        "who": call.collector.description.name, "cloud": call.cloud().key(), "wire": wire, "service": call.action().service,
        "action": call.action().action, "parameters": call.parameters, "size": size.map(|(name, sizes)| json!([name, sizes.most()])),
        "sizes": size.map(|(_, sizes)| match sizes {
            Sizes::Between(least, _) => json!(least),
            Sizes::One(sizes) => json!(sizes),
        }), "paths": paths, "items": items,
        "values": call.values, "bound": size.map(|(name, _)| bound(call, name)),
        "id": call.list.id, "members": call.members, "hide": call.collector.hide, "hosts": hosts(call), "batch": batch(call),
        "list": !matches!(call.part, Part::Detail(_)),
        "rate": call.action().rate, "signing": (call.cloud() == Cloud::Aws).then(|| signing_name(call.action().service)),
    }))
}

#[test]
fn every_call_is_as_the_vendors_describe_it() {
    let (aws, others) = (
        environment("moto", "tests/moto/requirements.txt"),
        environment("vendor", "tests/vendor/requirements.txt"),
    );
    let input: Vec<Json> =
        declarations().into_iter().flat_map(calls).filter_map(|call| described(&call)).collect();
    assert!(input.len() > 60, "{}", input.len());
    let given = json!({ "calls": input, "ec2": funchost_collectors::measured::ec2_shapes() });
    let wrong = python(&others, "check.py", &[&site(&aws), &site(&others)], &given);
    let wrong: Vec<String> = serde_json::from_str(&wrong).expect("JSON");
    let harmless =
        |text: &str| NO_SECRETS.iter().any(|name| text.ends_with(&format!(": {name} may be seen")));
    let wrong = wrong.iter().map(String::as_str).filter(|text| !harmless(text));
    let (mut defaults, mut wrong): (Vec<&str>, Vec<&str>) =
        wrong.partition(|text| text.ends_with(" is left to its default"));
    wrong.sort_unstable();
    assert_eq!(wrong, NOT_DESCRIBED);
    defaults.sort_unstable();
    defaults.iter_mut().for_each(|text| *text = text.trim_end_matches(" is left to its default"));
    assert_eq!(defaults, LEFT_TO_DEFAULTS);
}

/// The shapes by which XML is typed are those of the service models.
#[test]
fn the_shapes_are_those_of_the_service_models() {
    let aws = environment("moto", "tests/moto/requirements.txt");
    let mut wanted: Vec<Json> = declarations()
        .into_iter()
        .flat_map(calls)
        .filter_map(|call| match call.wire() {
            Wire::Query { version, model } => Some(json!([model, version, call.action().action])),
            _ => None,
        })
        .collect();
    wanted.sort_by_key(Json::to_string);
    wanted.dedup();
    let made = python(&aws, "shapes.py", &[&site(&aws)], &json!(wanted));
    let ships = include_str!("../collectors/src/aws/shapes.json");
    assert!(
        made == ships,
        "make collectors/src/aws/shapes.json anew: tests/vendor/shapes.py with {}",
        json!(wanted)
    );
}

/// What the service models of AWS say of themselves, by the host's name: they begin with it.
fn aws_models(site: &Path) -> BTreeMap<String, Vec<Json>> {
    let mut models: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.is_dir()).collect()
    };
    for version in folders(&site.join("botocore/data")).iter().flat_map(|service| folders(service)) {
        let Ok(file) = std::fs::File::open(version.join("service-2.json.gz")) else { continue };
        let mut head = vec![0; 8192];
        let mut read = 0;
        let mut unpacked = flate2::read::GzDecoder::new(file);
        while read < head.len() {
            match unpacked.read(&mut head[read..]).expect("a model can be unpacked") {
                0 => break,
                count => read += count,
            }
        }
        let text = String::from_utf8_lossy(&head[..read]).into_owned();
        let (_, after) = text.split_once("\"metadata\":").expect("a model says what it is");
        let metadata = serde_json::Deserializer::from_str(after).into_iter::<Json>().next();
        let metadata = metadata.expect("metadata").expect("JSON");
        let host = metadata["endpointPrefix"].as_str().expect("a host").to_owned();
        models.entry(host).or_default().push(metadata);
    }
    models
}

/// What scripts can call without further words has the version, protocol and target that the vendors' SDKs have.
#[test]
fn the_services_that_scripts_name_are_as_the_vendors_have_them() {
    let (aws, others) = (
        site(&environment("moto", "tests/moto/requirements.txt")),
        site(&environment("vendor", "tests/vendor/requirements.txt")),
    );
    let models = aws_models(&aws);
    assert!(models.len() > 300, "{}", models.len());
    let mut wrong = Vec::new();
    let all = known();
    assert!(all.len() > 60, "{}", all.len());
    for (cloud, service, how) in &all {
        let of_model =
            |fits: &dyn Fn(&Json) -> bool| models.get(*service).is_some_and(|models| models.iter().any(fits));
        let speaks = |model: &Json, protocol: &str| {
            model["protocol"] == protocol
                || model["protocols"].as_array().is_some_and(|all| all.iter().any(|one| one == protocol))
        };
        let right = match (cloud, how) {
            (Cloud::Aliyun, How::Rpc { version }) => {
                // Two hosts have another name than their product.
                let product = match *service {
                    "metrics" => "cms",
                    "mongodb" => "dds",
                    product => product,
                };
                let package =
                    format!("alibabacloud_{}{}", product.replace('-', "_"), version.replace('-', ""));
                others.join(package).is_dir()
            }
            (Cloud::Tencent, How::Json3 { version }) => {
                others.join(format!("tencentcloud/{service}/v{}", version.replace('-', ""))).is_dir()
            }
            (Cloud::Aws, How::Query { version, style }) => of_model(&|model| {
                let protocol = if *style == Style::Plain { "ec2" } else { "query" };
                model["apiVersion"] == *version && speaks(model, protocol)
            }),
            (Cloud::Aws, How::Json { target, version }) => of_model(&|model| {
                model["targetPrefix"] == *target && model["jsonVersion"] == *version && speaks(model, "json")
            }),
            _ => false,
        };
        if !right {
            wrong.push(format!("{} {service}: {how:?}", cloud.key()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
