//! Protocols and versions of the services, and the turn of nested parameters into each protocol's form.
//!
//! Owns the tables. A service that is not in them is called all the same, once its version or target is given.

use super::{Options, unknown_service, wrong};
use crate::account::Cloud;
use crate::call::{CallError, encode};
use crate::collector::Action;
use crate::mistake::Mistake;
use crate::names::keep;
use crate::objects::{Api, Wire};
use crate::point::Text;
use crate::run::Run;
use crate::xml::{self, Node};
use crate::{aliyun, aws, tencentcloud};
use http::Method;
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// How a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Alibaba Cloud's gateway, RPC style.
    Rpc {
        /// `2014-05-26`.
        version: &'static str,
    },
    /// AWS: a form goes in, XML comes out.
    Query {
        /// `2014-10-31`.
        version: &'static str,
        /// How lists are written.
        style: Style,
    },
    /// AWS: JSON both ways, the action in a header.
    Json {
        /// `DynamoDB_20120810`.
        target: &'static str,
        /// `1.0` or `1.1`.
        version: &'static str,
    },
    /// AWS: method and path.
    Rest {
        /// `GET`.
        method: &'static str,
        /// `/clusters/{name}`.
        path: &'static str,
    },
    /// Tencent Cloud's API 3.0.
    Json3 {
        /// `2017-03-20`.
        version: &'static str,
    },
}

/// How a list is written in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `Name.1`
    Plain,
    /// `Name.member.1`
    Member,
}

/// Other names that people have for a service, by its host or its permissions. One name is what is called, paced and counted: a budget holds for
/// the service, however it is spelt.
const ALIASES: &[(Cloud, &str, &str)] = &[
    (Cloud::Aliyun, "cms", "cms"),
    (Cloud::Aliyun, "metrics", "cms"),
    (Cloud::Aws, "cloudwatch", "monitoring"),
    (Cloud::Aws, "monitoring", "monitoring"),
    (Cloud::Tencent, "monitor", "monitor"),
];

/// Products of Alibaba Cloud by the name of their hosts.
const ALIYUN: &[(&str, &str)] = &[
    ("alb", "2020-06-16"),
    ("alikafka", "2019-09-16"),
    ("bssopenapi", "2017-12-14"),
    ("cbn", "2017-09-12"),
    ("cdn", "2018-05-10"),
    ("cms", "2019-01-01"),
    ("dds", "2015-12-01"),
    ("ecs", "2014-05-26"),
    ("ess", "2022-02-22"),
    ("kms", "2016-01-20"),
    ("mongodb", "2015-12-01"),
    ("nas", "2017-06-26"),
    ("nlb", "2022-04-30"),
    ("polardb", "2017-08-01"),
    ("r-kvstore", "2015-01-01"),
    ("ram", "2015-05-01"),
    ("rds", "2014-08-15"),
    ("slb", "2014-05-15"),
    ("sts", "2015-04-01"),
    ("vpc", "2016-04-28"),
];

/// Services of Tencent Cloud.
const TENCENT: &[(&str, &str)] = &[
    ("billing", "2018-07-09"),
    ("cam", "2019-01-16"),
    ("cbs", "2017-03-12"),
    ("cdb", "2017-03-20"),
    ("cdn", "2018-06-06"),
    ("ckafka", "2019-08-19"),
    ("clb", "2018-03-17"),
    ("cls", "2020-10-16"),
    ("cvm", "2017-03-12"),
    ("cynosdb", "2019-01-07"),
    ("es", "2018-04-16"),
    ("lighthouse", "2020-03-24"),
    ("mariadb", "2017-03-12"),
    ("mongodb", "2019-07-25"),
    ("monitor", "2018-07-24"),
    ("postgres", "2017-03-12"),
    ("redis", "2018-04-12"),
    ("sqlserver", "2018-03-28"),
    ("sts", "2018-08-13"),
    ("tag", "2018-08-13"),
    ("tke", "2018-05-25"),
    ("vpc", "2017-03-12"),
];

/// Services of AWS that take forms; `ec2` is the one with lists of its own kind.
const AWS_QUERY: &[(&str, &str)] = &[
    ("autoscaling", "2011-01-01"),
    ("cloudformation", "2010-05-15"),
    ("ec2", "2016-11-15"),
    ("elasticache", "2015-02-02"),
    ("elasticbeanstalk", "2010-12-01"),
    ("elasticloadbalancing", "2015-12-01"),
    ("iam", "2010-05-08"),
    ("rds", "2014-10-31"),
    ("redshift", "2012-12-01"),
    ("sns", "2010-03-31"),
    ("sts", "2011-06-15"),
];

/// Services of AWS that take JSON: what stands before the action, and the version of the protocol.
const AWS_JSON: &[(&str, &str, &str)] = &[
    ("acm", "CertificateManager", "1.1"),
    ("directconnect", "OvertureService", "1.1"),
    ("dms", "AmazonDMSv20160101", "1.1"),
    ("dynamodb", "DynamoDB_20120810", "1.0"),
    ("ecs", "AmazonEC2ContainerServiceV20141113", "1.1"),
    ("events", "AWSEvents", "1.1"),
    ("firehose", "Firehose_20150804", "1.1"),
    ("kinesis", "Kinesis_20131202", "1.1"),
    ("logs", "Logs_20140328", "1.1"),
    ("memory-db", "AmazonMemoryDB", "1.1"),
    ("monitoring", "GraniteServiceVersion20100801", "1.0"),
    ("secretsmanager", "secretsmanager", "1.1"),
    ("servicequotas", "ServiceQuotasV20190624", "1.1"),
    ("sqs", "AmazonSQS", "1.0"),
    ("ssm", "AmazonSSM", "1.1"),
    ("states", "AWSStepFunctions", "1.0"),
    ("tagging", "ResourceGroupsTaggingAPI_20170126", "1.1"),
];

/// Every service that is called without further words, and how: held against the vendors' own SDKs by tests/vendor_models.rs.
#[must_use]
pub fn known() -> Vec<(Cloud, &'static str, How)> {
    let aliyun = ALIYUN.iter().map(|(service, version)| (Cloud::Aliyun, *service, How::Rpc { version }));
    let tencent = TENCENT.iter().map(|(service, version)| (Cloud::Tencent, *service, How::Json3 { version }));
    let form = AWS_QUERY.iter().map(|(service, version)| {
        let style = if *service == "ec2" { Style::Plain } else { Style::Member };
        (Cloud::Aws, *service, How::Query { version, style })
    });
    let json = AWS_JSON
        .iter()
        .map(|(service, target, version)| (Cloud::Aws, *service, How::Json { target, version }));
    aliyun.chain(tencent).chain(form).chain(json).collect()
}

static KEPT: Mutex<Vec<&'static How>> = Mutex::new(Vec::new());

/// The one of its kind: there are as many as there are services.
fn kept(how: How) -> &'static How {
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.iter().find(|known| ***known == how) {
        return known;
    }
    // Its texts are kept names, which are bounded.
    let new: &'static How = Box::leak(Box::new(how));
    all.push(new);
    new
}

fn name(text: &str) -> Result<&'static str, Mistake> {
    keep(text).map_err(|error| wrong("", error.to_string()))
}

fn version(
    table: &[(&'static str, &'static str)],
    service: &str,
    options: &Options,
) -> Result<&'static str, Mistake> {
    if let Some(version) = &options.version {
        return name(version);
    }
    table.iter().find(|(known, _)| *known == service).map(|(_, version)| *version).ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(|(service, _)| *service).collect();
        unknown_service(service, &known, "the `version` of the API", "`#{ version: \"2014-05-26\" }`")
    })
}

/// The one name of a service.
pub(super) fn service(cloud: Cloud, written: &str) -> &str {
    let alias = ALIASES.iter().find(|(of, alias, _)| *of == cloud && alias.eq_ignore_ascii_case(written));
    alias.map_or(written, |(.., service)| service)
}

/// How a service is called.
pub(super) fn of(cloud: Cloud, service: &str, options: &Options) -> Result<&'static How, Mistake> {
    if cloud != Cloud::Aws {
        for (key, given) in [
            ("protocol", options.protocol.is_some()),
            ("target", options.target.is_some()),
            ("method", options.method.is_some()),
            ("path", options.path.is_some()),
        ] {
            if given {
                return Err(wrong(
                    key,
                    format!("has no meaning for {}: its services speak one protocol", cloud.provider()),
                )
                .hint("leave it out"));
            }
        }
    }
    match cloud {
        Cloud::Aliyun if service == "oss" => {
            Err(wrong("", "cannot make a call of OSS, which speaks another protocol")
                .hint("the collector `guance_aliyun_oss__main` reports buckets"))
        }
        Cloud::Aliyun => Ok(kept(How::Rpc { version: version(ALIYUN, service, options)? })),
        Cloud::Tencent => Ok(kept(How::Json3 { version: version(TENCENT, service, options)? })),
        Cloud::Aws => aws(service, options),
    }
}

fn aws(service: &str, options: &Options) -> Result<&'static How, Mistake> {
    let form = AWS_QUERY.iter().any(|(known, _)| *known == service);
    let json = AWS_JSON.iter().find(|(known, ..)| *known == service);
    let protocol = match options.protocol.as_deref() {
        Some(protocol) => protocol,
        None if options.path.is_some() => "rest",
        None if options.target.is_some() || json.is_some() => "json",
        None if service == "ec2" => "ec2",
        None if form || options.version.is_some() => "query",
        None => {
            let known: Vec<&str> = AWS_QUERY
                .iter()
                .map(|(known, _)| *known)
                .chain(AWS_JSON.iter().map(|(known, ..)| *known))
                .collect();
            return Err(unknown_service(
                service,
                &known,
                "the protocol",
                "`#{ protocol: \"query\", version: \"…\" }`, `#{ protocol: \"json\", target: \"…\" }` or `#{ path: \"/…\" }` for REST",
            ));
        }
    };
    match protocol {
        "query" => {
            Ok(kept(How::Query { version: version(AWS_QUERY, service, options)?, style: Style::Member }))
        }
        "ec2" => Ok(kept(How::Query { version: version(AWS_QUERY, service, options)?, style: Style::Plain })),
        "json" => {
            let target = match (&options.target, json) {
                (Some(target), _) => name(target)?,
                (None, Some((_, target, _))) => target,
                (None, None) => {
                    return Err(wrong("target", "is missing: it stands before the action in `X-Amz-Target`")
                        .hint("write `#{ protocol: \"json\", target: \"DynamoDB_20120810\", version: \"1.0\" }`"));
                }
            };
            let version = match (options.version.as_deref(), json) {
                (Some(version @ ("1.0" | "1.1")), _) => name(version)?,
                (Some(other), _) => {
                    return Err(wrong("version", format!("is `{other}`, expected 1.0 or 1.1")
                    )
                    .hint("with `json` it is the version of the protocol, `version: \"1.0\"` or `\"1.1\"`; that of the API stands in `target`"));
                }
                (None, Some((.., version))) => version,
                (None, None) => "1.1",
            };
            Ok(kept(How::Json { target, version }))
        }
        "rest" => {
            const FORM: &str = "write the path of the operation, `path: \"/clusters/{name}\"`; `{name}` is replaced by that parameter";
            let Some(path) = options.path.as_deref() else {
                return Err(wrong("path", "is missing: `rest` is asked by a path").hint(FORM));
            };
            if !path.starts_with('/') {
                return Err(wrong("path", format!("is `{path}`, which does not begin with `/`")).hint(FORM));
            }
            let method = options.method.as_deref().unwrap_or("GET");
            if !["GET", "POST", "PUT"].contains(&method) {
                return Err(wrong("method", format!("is `{method}`, expected GET, POST or PUT"))
                    .hint("write it in capitals; what changes or deletes is not called from here"));
            }
            Ok(kept(How::Rest { method: name(method)?, path: name(path)? }))
        }
        other => Err(wrong("protocol", format!("is `{other}`, expected query, ec2, json or rest"))
            .hint("write `protocol: \"query\"` where parameters go in a form and XML comes back, `\"json\"` where the action stands in `X-Amz-Target`, `\"rest\"` where it has a path")),
    }
}

#[async_trait::async_trait]
impl Api for How {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        match self {
            Self::Rpc { version } => {
                let flat = flat(parameters, Style::Plain);
                aliyun::client::Client::new(run, region).rpc(action, version, &flat).await
            }
            Self::Json3 { version } => {
                let body: Map<String, Json> = parameters.iter().cloned().collect();
                tencentcloud::client::Client::new(run, region)
                    .ask(action, version, &Json::Object(body), &Ok)
                    .await
            }
            Self::Query { version, style } => {
                let flat = flat(parameters, *style);
                let client = aws::client::Client::new(run, region);
                let read = |bytes: &[u8]| Ok(result(&xml::read(bytes)?, action.action));
                client.billed_query(action, billed(action, parameters), version, &flat, read).await
            }
            Self::Json { target, version } => {
                let body: Map<String, Json> = parameters.iter().cloned().collect();
                aws::client::Client::new(run, region)
                    .billed_target(action, billed(action, parameters), target, version, &Json::Object(body))
                    .await
            }
            Self::Rest { method, path } => {
                let (mut place, query, body) = rest(method, path, parameters);
                if !query.is_empty() {
                    place.push('?');
                    place.push_str(&query);
                }
                let method = match *method {
                    "POST" => Method::POST,
                    "PUT" => Method::PUT,
                    _ => Method::GET,
                };
                let read = |bytes: &[u8]| {
                    if bytes.is_empty() {
                        return Ok(Json::Object(Map::new()));
                    }
                    serde_json::from_slice(bytes)
                        .or_else(|_| xml::read(bytes).map(|tree| result(&tree, action.action)))
                        .map_err(|_| "the answer is neither JSON nor XML".to_owned())
                };
                let metrics = billed(action, parameters);
                aws::client::Client::new(run, region)
                    .rest(action, metrics, method, place, body.as_ref(), read)
                    .await
            }
        }
    }

    /// Answers are read by no model of the vendor's: they come as they are on the wire.
    fn wire(&self) -> Wire {
        let model = "";
        match *self {
            Self::Rpc { version } => Wire::Rpc { version },
            Self::Json3 { version } => Wire::Tencent { version },
            Self::Query { version, .. } => Wire::Query { version, model },
            Self::Json { target, version } => {
                Wire::Target { version: "", prefix: target, json: version, model }
            }
            Self::Rest { method, path } => Wire::Rest { version: "", method, path, small: false, model },
        }
    }
}

/// A call's path with its parameters put in, what stands behind the `?`, and the body.
fn rest(method: &str, template: &str, parameters: &[(String, Json)]) -> (String, String, Option<Json>) {
    let mut path = template.to_owned();
    let mut others: Vec<&(String, Json)> = Vec::new();
    for parameter in parameters {
        let mark = format!("{{{}}}", parameter.0);
        if path.contains(&mark) {
            let mut value = String::new();
            encode(&crate::objects::text(&parameter.1).unwrap_or_default(), "%20", &mut value);
            path = path.replace(&mark, &value);
        } else {
            others.push(parameter);
        }
    }
    if method != "GET" {
        let body: Map<String, Json> = others.into_iter().cloned().collect();
        return (path, String::new(), Some(Json::Object(body)));
    }
    let mut query = String::new();
    for (name, value) in others {
        let values = match value {
            Json::Array(items) => items.iter().collect(),
            other => vec![other],
        };
        for value in values {
            let Some(value) = crate::objects::text(value) else { continue };
            if !query.is_empty() {
                query.push('&');
            }
            encode(name, "%20", &mut query);
            query.push('=');
            encode(&value, "%20", &mut query);
        }
    }
    (path, query, None)
}

/// Nested parameters as the names of a form; what says nothing is left out.
fn flat(parameters: &[(String, Json)], style: Style) -> Vec<(String, String)> {
    fn walk(name: String, value: &Json, style: Style, flat: &mut Vec<(String, String)>) {
        match value {
            Json::Null => {}
            Json::String(text) => flat.push((name, text.clone())),
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let number = index + 1;
                    let name = match style {
                        Style::Plain => format!("{name}.{number}"),
                        Style::Member => format!("{name}.member.{number}"),
                    };
                    walk(name, item, style, flat);
                }
            }
            Json::Object(members) => {
                for (member, item) in members {
                    walk(format!("{name}.{member}"), item, style, flat);
                }
            }
            other => flat.extend(crate::objects::text(other).map(|text| (name, text))),
        }
    }
    let mut all = Vec::new();
    for (name, value) in parameters {
        walk(name.clone(), value, style, &mut all);
    }
    all
}

/// What an answer in XML says: `<ActionResult>` where there is one, else all of it.
fn result(root: &Node, action: &str) -> Json {
    let result = root.get(&format!("{action}Result")).unwrap_or(root);
    match json(result) {
        Some(Json::String(_)) | None => Json::Object(Map::new()),
        Some(found) => found,
    }
}

/// An element as JSON: text, a list where its children are all `member` or `item`, else its members by name. An empty element says nothing.
fn json(node: &Node) -> Option<Json> {
    if node.children.is_empty() {
        return node.text().map(Json::String);
    }
    if node.children.iter().all(|child| child.name == "member" || child.name == "item") {
        return Some(Json::Array(node.children.iter().filter_map(json).collect()));
    }
    let mut members = Map::new();
    for child in &node.children {
        let Some(value) = json(child) else { continue };
        match members.get_mut(&child.name) {
            None => drop(members.insert(child.name.clone(), value)),
            Some(Json::Array(items)) if !is_list(child) => items.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
        }
    }
    Some(Json::Object(members))
}

/// Is an element a list by itself? Two of one name are then a list of lists.
fn is_list(node: &Node) -> bool {
    !node.children.is_empty()
        && node.children.iter().all(|child| child.name == "member" || child.name == "item")
}

/// The metrics that a call of CloudWatch asks for and is billed by, in whichever protocol: different ones, as several statistics of one are one. An
/// expression may read any number of metrics and is counted as one.
fn billed(action: &Action, parameters: &[(String, Json)]) -> u64 {
    if action.service != "monitoring" || !action.action.eq_ignore_ascii_case("GetMetricData") {
        return 0;
    }
    // A script may write the names of a form itself: `MetricDataQueries.member.1.Id`.
    let mut queries: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (name, value) in flat(parameters, Style::Member) {
        let Some((number, member)) =
            name.strip_prefix("MetricDataQueries.member.").and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        queries.entry(number.to_owned()).or_default().insert((member.to_owned(), value));
    }
    let metrics: BTreeSet<BTreeSet<(String, String)>> = queries
        .into_values()
        .map(|query| {
            let is_metric = |member: &str| member.starts_with("MetricStat.Metric.");
            match query.iter().any(|(member, _)| is_metric(member)) {
                true => query.into_iter().filter(|(member, _)| is_metric(member)).collect(),
                false => query,
            }
        })
        .collect();
    // What cannot be read here is not free because of it.
    metrics.len().max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(written: Json) -> Options {
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn services_know_their_protocol() {
        let of = |cloud, service: &str, written: Json| *super::of(cloud, service, &options(written)).unwrap();
        assert_eq!(of(Cloud::Aliyun, "ecs", json!({})), How::Rpc { version: "2014-05-26" });
        assert_eq!(of(Cloud::Tencent, "cdb", json!({})), How::Json3 { version: "2017-03-20" });
        let rds = How::Query { version: "2014-10-31", style: Style::Member };
        assert_eq!(of(Cloud::Aws, "rds", json!({})), rds);
        let ec2 = How::Query { version: "2016-11-15", style: Style::Plain };
        assert_eq!(of(Cloud::Aws, "ec2", json!({})), ec2);
        let dynamodb = How::Json { target: "DynamoDB_20120810", version: "1.0" };
        assert_eq!(of(Cloud::Aws, "dynamodb", json!({})), dynamodb);
        let eks = How::Rest { method: "GET", path: "/clusters/{name}" };
        assert_eq!(of(Cloud::Aws, "eks", json!({ "path": "/clusters/{name}" })), eks);
        let new = How::Rpc { version: "2030-01-01" };
        assert_eq!(of(Cloud::Aliyun, "brandnew", json!({ "version": "2030-01-01" })), new);
    }

    #[test]
    fn what_is_not_known_is_asked_for() {
        let of =
            |cloud, service: &str, written: Json| super::of(cloud, service, &options(written)).unwrap_err();
        assert!(of(Cloud::Aliyun, "ecss", json!({})).hint.unwrap().contains("did you mean `ecs`?"));
        assert!(of(Cloud::Aws, "brandnew", json!({})).hint.unwrap().contains("protocol"));
        assert_eq!(of(Cloud::Aws, "brandnew", json!({ "protocol": "json" })).path, "target");
        assert_eq!(of(Cloud::Aws, "eks", json!({ "path": "clusters" })).path, "path");
        assert_eq!(of(Cloud::Aws, "eks", json!({ "path": "/", "method": "DELETE" })).path, "method");
        assert_eq!(of(Cloud::Tencent, "cdb", json!({ "path": "/" })).path, "path");
        for (service, written, path) in [
            ("rds", json!({ "protocol": "soap" }), "protocol"),
            ("eks", json!({ "protocol": "rest" }), "path"),
            ("eks", json!({ "path": "clusters" }), "path"),
            ("dynamodb", json!({ "version": "2012-08-10" }), "version"),
        ] {
            let wrong = of(Cloud::Aws, service, written);
            assert_eq!(wrong.path, path);
            assert!(wrong.hint.is_some(), "{path} has no way out");
        }
    }

    #[test]
    fn a_service_has_one_name() {
        for (cloud, written, name) in [
            (Cloud::Aliyun, "metrics", "cms"),
            (Cloud::Aliyun, "CMS", "cms"),
            (Cloud::Aliyun, "ecs", "ecs"),
            (Cloud::Aws, "cloudwatch", "monitoring"),
            (Cloud::Aws, "metrics", "metrics"),
            (Cloud::Tencent, "Monitor", "monitor"),
        ] {
            assert_eq!(service(cloud, written), name);
        }
        // Each is one that can be called without another word.
        for (cloud, _, name) in ALIASES {
            super::of(*cloud, name, &options(json!({}))).unwrap();
        }
    }

    #[test]
    fn metrics_are_billed_in_every_protocol() {
        let action = |name| crate::names::action(Cloud::Aws, "monitoring", name, None).unwrap();
        let get = action("GetMetricData");
        let query = |id: &str, metric: &str, statistic: &str| {
            let metric = json!({ "Namespace": "AWS/EC2", "MetricName": metric, "Dimensions": [{ "Name": "InstanceId", "Value": "i-1" }] });
            json!({ "Id": id, "MetricStat": { "Metric": metric, "Period": 60, "Stat": statistic } })
        };
        let queries = json!([
            query("a", "CPUUtilization", "Average"),
            query("b", "CPUUtilization", "Maximum"),
            query("c", "NetworkIn", "Sum"),
            { "Id": "d", "Expression": "a / b" },
        ]);
        let nested = vec![("MetricDataQueries".to_owned(), queries), ("StartTime".to_owned(), json!(0))];
        assert_eq!(billed(get, &nested), 3);
        let written: Vec<(String, Json)> = flat(&nested, Style::Member)
            .into_iter()
            .map(|(name, value)| (name, Json::String(value)))
            .collect();
        assert!(written.len() > 10, "{written:?}");
        assert_eq!(billed(get, &written), 3, "the names of a form");
        assert_eq!(billed(get, &[]), 1);
        assert_eq!(billed(action("ListMetrics"), &nested), 0);
    }

    #[test]
    fn nested_parameters_become_names() {
        let parameters = [
            ("Max".to_owned(), json!(5)),
            ("Ids".to_owned(), json!(["a", "b"])),
            ("Tag".to_owned(), json!([{ "Key": "k", "Value": true }])),
            ("None".to_owned(), Json::Null),
        ];
        let text = |style| {
            flat(&parameters, style)
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("&")
        };
        assert_eq!(text(Style::Plain), "Max=5&Ids.1=a&Ids.2=b&Tag.1.Key=k&Tag.1.Value=true");
        assert_eq!(
            text(Style::Member),
            "Max=5&Ids.member.1=a&Ids.member.2=b&Tag.member.1.Key=k&Tag.member.1.Value=true"
        );
    }

    #[test]
    fn paths_take_their_parameters() {
        let parameters = [
            ("name".to_owned(), json!("a/b c")),
            ("max".to_owned(), json!(5)),
            ("ids".to_owned(), json!(["x", "y"])),
        ];
        let (path, query, body) = rest("GET", "/clusters/{name}", &parameters);
        assert_eq!((path.as_str(), query.as_str(), body), ("/clusters/a%2Fb%20c", "max=5&ids=x&ids=y", None));
        let (_, query, body) = rest("POST", "/clusters/{name}", &parameters);
        assert_eq!((query.as_str(), body), ("", Some(json!({"ids": ["x", "y"], "max": 5}))));
    }

    #[test]
    fn xml_becomes_what_a_script_reads() {
        let tree = xml::read(
            b"<XResponse><XResult><A><member><N>1</N></member></A><B><I><N>2</N></I><I><N>3</N></I></B><C/></XResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>",
        )
        .unwrap();
        assert_eq!(
            result(&tree, "X"),
            json!({ "A": [{ "N": "1" }], "B": { "I": [{ "N": "2" }, { "N": "3" }] } })
        );
        let tree = xml::read(b"<YResponse><requestId>r</requestId><volumeSet><item><volumeId>v</volumeId></item></volumeSet></YResponse>").unwrap();
        assert_eq!(result(&tree, "Y"), json!({ "requestId": "r", "volumeSet": [{ "volumeId": "v" }] }));
    }
}
