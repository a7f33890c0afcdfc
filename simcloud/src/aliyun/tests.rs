//! The simulator's strictness, check by check, with requests that are signed here as the documents say.

use super::acs3::{encode, hex, mac};
use super::*;
use crate::market::{MarketItems, MarketPaging};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// A request to be spoilt.
struct Draft {
    method: &'static str,
    host: &'static str,
    query: Vec<(&'static str, String)>,
    headers: BTreeMap<String, String>,
    unsigned: Vec<&'static str>,
    secret: String,
    key: String,
    body: &'static str,
}

fn aliyun() -> Aliyun {
    let options = AliyunEstate { instances: 25, ..AliyunEstate::default() };
    Aliyun::new(Arc::default(), &options, 1, Duration::ZERO, None)
}

fn draft(cloud: &Aliyun, version: &str, action: &str, query: &[(&'static str, &str)]) -> Draft {
    static NONCE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let nonce = NONCE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let date = crate::clock::time(cloud.clock.now()).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let keys = cloud.keys().named.clone();
    Draft {
        method: "GET",
        host: "127.0.0.1:1",
        query: query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        headers: BTreeMap::from([
            ("x-acs-action".to_owned(), action.to_owned()),
            ("x-acs-version".to_owned(), version.to_owned()),
            ("x-acs-date".to_owned(), date),
            ("x-acs-signature-nonce".to_owned(), format!("nonce-{nonce}")),
        ]),
        unsigned: Vec::new(),
        secret: keys.secret_key,
        key: keys.access_key,
        body: "",
    }
}

impl Draft {
    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    fn asked(&self) -> Asked {
        let mut headers = self.headers.clone();
        headers.insert("host".into(), self.host.into());
        let hash = hex(&Sha256::digest(self.body.as_bytes()));
        headers.entry("x-acs-content-sha256".into()).or_insert_with(|| hash.clone());
        let mut query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        query.sort();
        let signed: Vec<&str> =
            headers.keys().map(String::as_str).filter(|name| !self.unsigned.contains(name)).collect();
        let lines: String = signed.iter().map(|name| format!("{name}:{}\n", headers[*name])).collect();
        let signed = signed.join(";");
        let canonical = format!(
            "{}\n/\n{}\n{lines}\n{signed}\n{}",
            self.method,
            query.join("&"),
            headers["x-acs-content-sha256"]
        );
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let signature = hex(&mac(self.secret.as_bytes(), to_sign.as_bytes()));
        headers.entry("authorization".into()).or_insert_with(|| {
            format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={signed},Signature={signature}", self.key)
        });
        // On the wire a blank may be a plus.
        let mut request = http::Request::builder()
            .method(self.method)
            .uri(format!("/?{}", query.join("&").replace("%20", "+")));
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body: Bytes::from(self.body) }
    }

    /// Status and body.
    fn ask(&self, cloud: &Aliyun) -> (u16, Value) {
        read(&cloud.handle(&self.asked()).0)
    }

    /// `200`, or the status with the code.
    fn said(&self, cloud: &Aliyun) -> String {
        let (status, body) = self.ask(cloud);
        match body["Code"].as_str() {
            Some(code) if status != 200 => format!("{status} {code}"),
            _ => status.to_string(),
        }
    }
}

fn read(reply: &Reply) -> (u16, Value) {
    let Reply::Answer { status, body, .. } = reply else { panic!("{reply:?}") };
    (
        *status,
        serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into()),
    )
}

const ECS: &str = "2014-05-26";
const CMS: &str = "2019-01-01";

#[test]
fn requests_are_checked_in_order() {
    let cloud = aliyun();
    let regions = || draft(&cloud, ECS, "DescribeRegions", &[]);
    assert_eq!(regions().said(&cloud), "200");
    // Routing.
    assert_eq!(draft(&cloud, "2000-01-01", "DescribeRegions", &[]).said(&cloud), "400 InvalidVersion");
    assert_eq!(draft(&cloud, ECS, "DescribeRegoins", &[]).said(&cloud), "404 InvalidAction.NotFound");
    let at = |host, version| Draft { host, ..draft(&cloud, version, "DescribeRegions", &[]) };
    assert_eq!(at("ecs.cn-hangzhou.aliyuncs.com", ECS).said(&cloud), "200");
    assert_eq!(at("ecs-vpc.cn-hangzhou.aliyuncs.com", ECS).said(&cloud), "200");
    assert_eq!(at("rds.aliyuncs.com", ECS).said(&cloud), "400 InvalidVersion");
    assert_eq!(at("nothing.cn-hangzhou.aliyuncs.com", ECS).said(&cloud), "404 InvalidProduct.NotFound");
    assert_eq!(Draft { method: "PUT", ..regions() }.said(&cloud), "400 UnsupportedHTTPMethod");
    assert_eq!(draft(&cloud, CMS, "Cursor", &[]).said(&cloud), "400 UnsupportedHTTPMethod");
    // Scheme and headers.
    assert_eq!(regions().header("authorization", "acs x:y").said(&cloud), "400 IncompleteSignature");
    for wrong in [
        "ACS3-HMAC-SHA256 Credential=x,Signature=y",
        "ACS3-HMAC-SHA256 Credential=x,SignedHeaders=host;Host,Signature=y",
        "ACS3-HMAC-SHA256 Credential=x,SignedHeaders=x-acs-date;host,Signature=y",
        "ACS3-HMAC-SHA256 Credential=x,SignedHeaders=host,Signature=y,More=z",
    ] {
        assert_eq!(
            regions().header("authorization", wrong).said(&cloud),
            "400 IncompleteSignature",
            "{wrong}"
        );
    }
    assert_eq!(Draft { unsigned: vec!["x-acs-date"], ..regions() }.said(&cloud), "400 IncompleteSignature");
    assert_eq!(
        Draft {
            unsigned: vec!["x-acs-credentials-provider"],
            ..regions().header("x-acs-credentials-provider", "static_ak")
        }
        .said(&cloud),
        "400 IncompleteSignature"
    );
    assert_eq!(
        regions().header("x-acs-credentials-provider", "static_ak").said(&cloud),
        "200",
        "unknown ones are taken"
    );
    assert_eq!(regions().header("x-acs-signature-nonce", "").said(&cloud), "400 IncompleteSignature");
    // Time.
    assert_eq!(
        regions().header("x-acs-date", "2026-1-1T00:00:00Z").said(&cloud),
        "400 InvalidTimeStamp.Format"
    );
    assert_eq!(
        regions().header("x-acs-date", "2020-01-01T00:00:00Z").said(&cloud),
        "400 InvalidTimeStamp.Expired"
    );
    // Keys.
    let keys = cloud.keys().named.clone();
    let by = |key: &str, secret: &str| Draft { key: key.into(), secret: secret.into(), ..regions() };
    assert_eq!(by("LTAIother", "x").said(&cloud), "404 InvalidAccessKeyId.NotFound");
    assert_eq!(
        by(&keys.disabled_access_key, &keys.secret_key).said(&cloud),
        "400 InvalidAccessKeyId.Inactive"
    );
    let temporary = || by(&keys.temporary_access_key, &keys.temporary_secret_key);
    assert_eq!(temporary().said(&cloud), "400 MissingSecurityToken");
    assert_eq!(temporary().header("x-acs-security-token", &keys.security_token).said(&cloud), "200");
    assert_eq!(
        temporary().header("x-acs-security-token", &keys.expired_token).said(&cloud),
        "400 InvalidSecurityToken.Expired"
    );
    assert_eq!(
        regions().header("x-acs-security-token", &keys.security_token).said(&cloud),
        "400 InvalidSecurityToken.MismatchWithAccessKey"
    );
    // Body and signature: the echo holds what a client must never show.
    assert_eq!(regions().header("x-acs-content-sha256", "00").said(&cloud), "400 InvalidContentSha256");
    let (status, body) = by(&keys.access_key, "wrong").ask(&cloud);
    assert_eq!((status, body["Code"].as_str()), (400, Some("SignatureDoesNotMatch")));
    assert!(body["Message"].as_str().is_some_and(|text| text.contains(&keys.access_key)), "{body}");
    // A nonce counts once for a key.
    let once = regions();
    assert_eq!((once.said(&cloud), once.said(&cloud)), ("200".into(), "400 SignatureNonceUsed".into()));
    let theirs = temporary()
        .header("x-acs-security-token", &keys.security_token)
        .header("x-acs-signature-nonce", &once.headers["x-acs-signature-nonce"]);
    assert_eq!(theirs.said(&cloud), "200");
    // Permissions, rates, quota.
    cloud.guard().denied.entry(keys.access_key.clone()).or_default().insert("cms:QueryMetricList".into());
    let metric = [("Namespace", "acs_ecs_dashboard"), ("MetricName", "CPUUtilization")];
    let list = || draft(&cloud, CMS, "DescribeMetricList", &metric);
    let last = || draft(&cloud, CMS, "DescribeMetricLast", &metric);
    assert_eq!((list().said(&cloud), last().said(&cloud)), ("403 Forbidden.RAM".into(), "200".into()));
    cloud.guard().denied.clear();
    cloud.guard().quota = Some(1);
    assert_eq!(list().said(&cloud), "200");
    let (_, body) = last().ask(&cloud);
    assert!(body["Message"].as_str().is_some_and(|text| text.contains("user api quota limit")), "{body}");
    cloud.guard().quota = None;
    cloud.guard().rates.insert("cms:DescribeMetricList".into(), 0);
    assert_eq!(list().said(&cloud), "400 Throttling.User");
}

#[test]
fn parameters_are_strict() {
    let cloud = aliyun();
    let instances =
        |query: &[(&'static str, &str)]| draft(&cloud, ECS, "DescribeInstances", query).said(&cloud);
    let here = ("RegionId", "cn-hangzhou");
    assert_eq!(instances(&[here]), "200");
    assert_eq!(instances(&[]), "400 MissingRegionId");
    assert_eq!(instances(&[("RegionId", "cn-hangzhuo")]), "404 InvalidRegionId.NotFound");
    assert_eq!(instances(&[here, ("MaxResult", "10")]), "400 InvalidParameter.Unknown");
    assert_eq!(instances(&[here, ("MaxResults", "many")]), "400 InvalidParameter.MaxResults");
    assert_eq!(
        draft(&cloud, "2014-05-15", "DescribeLoadBalancers", &[here, ("PageSize", "10")]).said(&cloud),
        "400 MissingPageNumber"
    );
    let databases = |size: &str| {
        let id = cloud.estate().of(AliyunProduct::Rds, "cn-hangzhou").next().unwrap().id.clone();
        draft(&cloud, "2014-08-15", "DescribeDatabases", &[("DBInstanceId", &id), ("PageSize", size)])
            .said(&cloud)
    };
    assert_eq!((databases("50"), databases("60")), ("200".into(), "400 InvalidPageSize".into()));
    let list = |more: &[(&'static str, &str)]| {
        let mut query = vec![("Namespace", "acs_ecs_dashboard"), ("MetricName", "vm.DiskUtilization")];
        query.extend_from_slice(more);
        let (status, body) = draft(&cloud, CMS, "DescribeMetricList", &query).ask(&cloud);
        (status, body["Code"].as_str().unwrap_or_default().to_owned())
    };
    let code = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(list(&[("Length", "1440")]), code(200, "200"));
    assert_eq!(list(&[("Length", "1441")]), code(400, "InvalidParameter.Length"));
    assert_eq!(list(&[("StartTime", "2000"), ("EndTime", "2000")]), code(400, "InvalidParameter.EndTime"));
    assert_eq!(
        list(&[("StartTime", "0"), ("EndTime", "2678400001")]),
        code(400, "InvalidParameter.StartTime")
    );
    assert_eq!(
        list(&[("StartTime", "2020-01-01 08:00:00"), ("EndTime", "2020-01-01T00:00:01Z")]),
        code(200, "200")
    );
    assert_eq!(list(&[("StartTime", "yesterday")]), code(400, "InvalidParameter.StartTime"));
    // What is told inside of a success.
    assert_eq!(list(&[("Period", "61")]), code(200, "400"));
    assert_eq!(list(&[("Dimensions", "[{\"instanceId\":\"xxxx\"")]), code(200, "400"));
    assert_eq!(
        list(&[("Dimensions", "[{\"device\":\"a\"}]")]),
        code(200, "400"),
        "no dimension of this metric"
    );
    assert_eq!(list(&[("Dimensions", "{\"mountpoint\":\"/mnt/data disk\"}")]), code(200, "200"));
    let many: Value = (0..51).map(|index| json!({ "instanceId": index.to_string() })).collect();
    assert_eq!(list(&[("Dimensions", &many.to_string())]), code(200, "400"));
}

#[test]
fn windows_are_open_at_their_start_and_pages_have_tokens_of_their_own() {
    let cloud = aliyun();
    let series =
        cloud.estate().series(metrics::metric("acs_slb_dashboard", "InstanceTrafficRX").unwrap()).len();
    let end = cloud.clock.now() / 60 * 60 - 600;
    let ask = |start: i64, length: usize, token: &str| {
        let (start, end, length) = ((start * 1000).to_string(), (end * 1000).to_string(), length.to_string());
        let mut query = vec![
            ("Namespace", "acs_slb_dashboard"),
            ("MetricName", "InstanceTrafficRX"),
            ("StartTime", &start),
            ("EndTime", &end),
            ("Length", &length),
        ];
        if !token.is_empty() {
            query.push(("NextToken", token));
        }
        let (status, body) = draft(&cloud, CMS, "DescribeMetricList", &query).ask(&cloud);
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let points: Vec<Value> = serde_json::from_str(&text("Datapoints")).unwrap_or_default();
        (status, points, text("NextToken"), text("Code"))
    };
    // Of two minutes' edges only the later one, and all digits have a fraction.
    let (_, points, token, _) = ask(end - 60, 1440, "");
    assert_eq!((points.len(), token.as_str()), (series, ""));
    assert!(
        points.iter().all(|point| point["timestamp"] == end * 1000 && point["Average"].is_f64()),
        "{points:?}"
    );
    // Five minutes in pages of seven, and no page behind a last one that is full.
    let (mut all, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (_, points, next, _) = ask(end - 300, 6, &token);
        all.extend(points);
        pages += 1;
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((all.len(), pages), (series * 5, (series * 5).div_ceil(6)));
    // A token of one request is none of another.
    let (_, _, token, _) = ask(end - 300, 6, "");
    assert_eq!(ask(end - 240, 6, &token).3, "InvalidParameter.NextToken");
    assert_eq!(ask(end - 300, 6, "made up").3, "InvalidParameter.NextToken");
}

#[test]
fn storage_is_as_strict() {
    let cloud = aliyun();
    let keys = cloud.keys().named.clone();
    let bucket = cloud.estate().of(AliyunProduct::Oss, "cn-hangzhou").next().unwrap().id.clone();
    let ask = |path: &str, region: &str, tail: &str, additional: Option<&str>, seconds: i64| {
        let now = crate::clock::time(cloud.clock.now() + seconds);
        let (stamp, date) = (now.format("%Y%m%dT%H%M%SZ").to_string(), now.format("%Y%m%d").to_string());
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        let canonical = format!(
            "GET\n{resource}\n{query}\nx-oss-content-sha256:UNSIGNED-PAYLOAD\nx-oss-date:{stamp}\n\n\nUNSIGNED-PAYLOAD"
        );
        let scope = format!("{date}/{region}/{tail}");
        let to_sign =
            format!("OSS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let mut key = mac(format!("aliyun_v4{}", keys.secret_key).as_bytes(), date.as_bytes());
        for part in [region, "oss", "aliyun_v4_request", &to_sign] {
            key = mac(&key, part.as_bytes());
        }
        let additional = additional.map_or(String::new(), |names| format!("AdditionalHeaders={names},"));
        let authorization = format!(
            "OSS4-HMAC-SHA256 Credential={}/{scope},{additional}Signature={}",
            keys.access_key,
            hex(&key)
        );
        let request = http::Request::get(path)
            .header("host", "127.0.0.1:1")
            .header("x-oss-date", stamp)
            .header("x-oss-content-sha256", "UNSIGNED-PAYLOAD")
            .header("authorization", authorization);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let asked =
            Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body: Bytes::new() };
        let (status, body) = read(&cloud.handle(&asked).0);
        let body = body.as_str().unwrap_or_default().to_owned();
        let code = body.split("<Code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
        (format!("{status} {code}").trim().to_owned(), body)
    };
    const TAIL: &str = "oss/aliyun_v4_request";
    let said = |path: &str, region: &str| ask(path, region, TAIL, None, 0).0;
    assert_eq!(said("/", "cn-hangzhou"), "200");
    let info = format!("/{bucket}/?bucketInfo");
    assert_eq!(said(&info, "cn-hangzhou"), "200");
    assert_eq!(said(&info, "cn-shanghai"), "403 AccessDenied", "another region's endpoint");
    assert_eq!(said("/", "oss-cn-hangzhou"), "400 InvalidArgument");
    assert_eq!(said("/no-such-bucket/?bucketInfo", "cn-hangzhou"), "404 NoSuchBucket");
    assert_eq!(said("/?max-keys=1001", "cn-hangzhou"), "400 InvalidArgument");
    assert_eq!(said("/?max-kyes=10", "cn-hangzhou"), "400 InvalidArgument");
    assert_eq!(ask("/", "cn-hangzhou", "oss/aliyun_v5_request", None, 0).0, "400 InvalidArgument");
    for wrong in ["", "host;", "Host"] {
        assert_eq!(ask("/", "cn-hangzhou", TAIL, Some(wrong), 0).0, "400 InvalidArgument", "{wrong}");
    }
    assert_eq!(ask("/", "cn-hangzhou", TAIL, Some("host"), 0).0, "403 SignatureDoesNotMatch");
    assert_eq!(ask("/", "cn-hangzhou", TAIL, None, -1000).0, "403 RequestTimeTooSkewed");
    assert_eq!(ask("/", "cn-hangzhou", TAIL, None, 800).0, "200");
    // Names are escaped, and what pages need stands there only where there are pages.
    assert!(ask(&info, "cn-hangzhou", TAIL, None, 0).1.contains("备份 &lt;a&gt; &amp; \"b\" ]]&gt;"));
    assert!(!ask("/", "cn-hangzhou", TAIL, None, 0).1.contains("IsTruncated"));
    let (_, first) = ask("/?max-keys=3", "cn-hangzhou", TAIL, None, 0);
    assert!(first.contains("<IsTruncated>true</IsTruncated><NextMarker>"), "{first}");
    assert!(
        first.contains("<Region>cn-shanghai</Region>") || first.contains("<Region>ap-southeast-1</Region>")
    );
    let marker = first.split("<NextMarker>").nth(1).unwrap().split('<').next().unwrap();
    let (_, second) = ask(&format!("/?marker={marker}&max-keys=3"), "cn-hangzhou", TAIL, None, 0);
    assert!(!second.contains(&format!("<Name>{marker}</Name>")), "a marker is exclusive");
}

/// A call of a table is answered at its own product's hosts alone, and at the one that serves the region.
#[test]
fn calls_of_tables_have_their_hosts() {
    let cloud = aliyun();
    let call = |service: &str, action: &str, version: &str| MarketCall {
        service: service.into(),
        action: action.into(),
        version: version.into(),
        place: None,
        region: Some("RegionId".into()),
        fixed: Vec::new(),
        variants: None,
        paging: MarketPaging::Whole,
        items: "Items".into(),
        element: String::new(),
        id: "Id".into(),
        item: json!({ "Id": "x" }),
        of: MarketItems::Many,
        single: false,
        more: Vec::new(),
        small: false,
        cut: None,
        hidden: 0,
    };
    cloud.market.set(vec![
        call("vpc", "DescribeVpcs", "2016-04-28"),
        call("dds", "DescribeDBInstances", "2015-12-01"),
        call("sas", "DescribeVersionConfig", "2018-12-03"),
    ]);
    for (host, version, action, region, said) in [
        ("127.0.0.1:1", "2016-04-28", "DescribeVpcs", "cn-shanghai", "200"),
        ("vpc.cn-shanghai.aliyuncs.com", "2016-04-28", "DescribeVpcs", "cn-shanghai", "200"),
        ("vpc-vpc.cn-shanghai.aliyuncs.com", "2016-04-28", "DescribeVpcs", "cn-shanghai", "200"),
        ("vpc.aliyuncs.com", "2016-04-28", "DescribeVpcs", "cn-hangzhou", "200"),
        ("vpc.aliyuncs.com", "2016-04-28", "DescribeVpcs", "cn-shanghai", "404 InvalidRegionId.NotFound"),
        (
            "vpc.cn-hangzhou.aliyuncs.com",
            "2016-04-28",
            "DescribeVpcs",
            "cn-hangzhou",
            "404 InvalidRegionId.NotFound",
        ),
        (
            "vpc.cn-hangzhou.aliyuncs.com",
            "2016-04-28",
            "DescribeVpcs",
            "cn-shanghai",
            "404 InvalidRegionId.NotFound",
        ),
        (
            "ecs.cn-shanghai.aliyuncs.com",
            "2016-04-28",
            "DescribeVpcs",
            "cn-shanghai",
            "404 InvalidAction.NotFound",
        ),
        ("vpc.example.com", "2016-04-28", "DescribeVpcs", "cn-shanghai", "404 InvalidAction.NotFound"),
        // Hosts that begin otherwise.
        ("mongodb.aliyuncs.com", "2015-12-01", "DescribeDBInstances", "cn-shanghai", "200"),
        (
            "dds.cn-shanghai.aliyuncs.com",
            "2015-12-01",
            "DescribeDBInstances",
            "cn-shanghai",
            "404 InvalidAction.NotFound",
        ),
        ("tds.ap-southeast-1.aliyuncs.com", "2018-12-03", "DescribeVersionConfig", "cn-shanghai", "200"),
        (
            "sas.cn-shanghai.aliyuncs.com",
            "2018-12-03",
            "DescribeVersionConfig",
            "cn-shanghai",
            "404 InvalidAction.NotFound",
        ),
    ] {
        let asked = Draft { host, ..draft(&cloud, version, action, &[("RegionId", region)]) };
        assert_eq!(asked.said(&cloud), said, "{host} {region}");
    }
}
