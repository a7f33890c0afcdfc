//! Where Alibaba Cloud answers: hosts by product and region.
//!
//! Owns the table of the vendor's own metadata (`endpoints.json`: regions of each product and the hosts that leave the pattern; of the script
//! market's products the hosts alone, as the vendor's SDK clients have them). A region that is
//! not in it is asked all the same, by the pattern.

use crate::account::Account;
use crate::call::CallPath;
use crate::client::named;
use crate::mistake::nearest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;

/// One product's hosts: `<host>.<region>.aliyuncs.com` and `<host>-vpc.<region>.aliyuncs.com`, but for those named.
#[derive(Debug, Deserialize)]
struct Product {
    host: String,
    regions: Vec<String>,
    public: BTreeMap<String, String>,
    vpc: BTreeMap<String, String>,
}

static PRODUCTS: LazyLock<BTreeMap<String, Product>> = LazyLock::new(|| {
    // A test reads it: what ships parses.
    serde_json::from_str(include_str!("endpoints.json")).unwrap_or_default()
});

/// Every region of any product.
static REGIONS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    PRODUCTS.values().flat_map(|product| product.regions.iter().map(String::as_str)).collect()
});

/// The URL of a service in a region, without a slash at its end; no region is the central host.
///
/// # Errors
/// What is wrong with an endpoint that somebody wrote.
pub fn url(account: &Account, calls: &CallPath, service: &str, region: &str) -> Result<String, String> {
    match named(account, calls, service) {
        Some(url) => url.map(str::to_owned),
        None => Ok(format!("https://{}", host(service, region, account.network.as_deref() == Some("vpc")))),
    }
}

/// The URL of a bucket, and of the service itself where there is none. A host that is an address, `localhost` or somebody's own gets the bucket
/// in its path.
///
/// # Errors
/// What is wrong with an endpoint that somebody wrote.
pub fn oss_url(
    account: &Account,
    calls: &CallPath,
    region: &str,
    bucket: Option<&str>,
) -> Result<String, String> {
    let base = url(account, calls, "oss", region)?;
    let Some(bucket) = bucket else { return Ok(format!("{base}/")) };
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", &base));
    let host = rest.split(['/', ':']).next().unwrap_or(rest);
    let in_path = rest.contains(['/', '[']) || host == "localhost" || host.parse::<IpAddr>().is_ok();
    Ok(if in_path { format!("{base}/{bucket}/") } else { format!("{scheme}://{bucket}.{rest}/") })
}

/// The regions that any product is known to have.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().copied()
}

/// The host of a service in a region, by the table; no region is the central host. `vpc`: from inside of the cloud.
#[must_use]
pub fn host(service: &str, region: &str, vpc: bool) -> String {
    if service == "oss" {
        let inside = if vpc { "-internal" } else { "" };
        return format!("oss-{region}{inside}.aliyuncs.com");
    }
    if region.is_empty() {
        let host = PRODUCTS.get(service).map_or(service, |product| &product.host);
        return format!("{host}.aliyuncs.com");
    }
    let Some(product) = PRODUCTS.get(service) else { return format!("{service}.{region}.aliyuncs.com") };
    let (named, between) = if vpc { (&product.vpc, "-vpc") } else { (&product.public, "") };
    let pattern = || format!("{}{between}.{region}.aliyuncs.com", product.host);
    named.get(region).cloned().unwrap_or_else(pattern)
}

/// What to say about a region that does not answer; none where it is a known one.
#[must_use]
pub fn region_hint(region: &str) -> Option<String> {
    if region.is_empty() || REGIONS.contains(region) {
        return None;
    }
    let near = nearest(region, REGIONS.iter().copied());
    Some(near.map_or_else(
        || format!("`{region}` is no region that Alibaba Cloud is known to have"),
        |near| format!("`{region}` is no region that Alibaba Cloud is known to have: did you mean `{near}`?"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Cloud;
    use crate::call::Options;
    use crate::clock::SystemClock;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn account(more: &Value) -> Account {
        let mut written = json!({ "ak_id": "LTAI", "ak_secret": "secret" });
        for (key, value) in more.as_object().unwrap() {
            written[key] = value.clone();
        }
        Account::read(Cloud::Aliyun, &written).unwrap()
    }

    fn of(more: &Value, service: &str, region: &str) -> String {
        let calls = CallPath::new(Options::default(), Arc::new(SystemClock)).unwrap();
        url(&account(more), &calls, service, region).unwrap()
    }

    #[test]
    fn the_vendors_table_and_its_exceptions() {
        assert!(PRODUCTS.len() >= 7 && REGIONS.len() >= 38);
        for (service, region, public, vpc) in [
            ("cms", "cn-hangzhou", "metrics.cn-hangzhou", "metrics-vpc.cn-hangzhou"),
            ("cms", "", "metrics", "metrics"),
            ("ecs", "cn-hangzhou", "ecs.cn-hangzhou", "ecs-vpc.cn-hangzhou"),
            ("ecs", "cn-hangzhou-finance", "ecs", "ecs"),
            ("rds", "cn-hangzhou", "rds", "rds-vpc.cn-hangzhou"),
            ("rds", "cn-shanghai-finance-1", "rds", "rds-vpc.cn-shanghai-finance-1"),
            ("rds", "eu-central-1", "rds.eu-central-1", "rds-vpc.eu-central-1"),
            ("slb", "cn-hangzhou", "slb", "slb-vpc.cn-hangzhou"),
            ("slb", "cn-shanghai", "slb.cn-shanghai", "slb-vpc.cn-shanghai"),
            ("sts", "cn-shanghai", "sts.cn-shanghai", "sts-vpc.cn-shanghai"),
            ("sts", "", "sts", "sts"),
            ("oss", "cn-hangzhou", "oss-cn-hangzhou", "oss-cn-hangzhou-internal"),
            ("ecs", "xx-new-1", "ecs.xx-new-1", "ecs-vpc.xx-new-1"),
        ] {
            assert_eq!(of(&json!({}), service, region), format!("https://{public}.aliyuncs.com"));
            let inside = json!({ "network": "vpc" });
            assert_eq!(of(&inside, service, region), format!("https://{vpc}.aliyuncs.com"));
        }
    }

    #[test]
    fn a_bucket_goes_into_the_host_or_into_the_path() {
        let calls = CallPath::new(Options::default(), Arc::new(SystemClock)).unwrap();
        for (endpoint, service, bucket) in [
            (None, "https://oss-cn-hangzhou.aliyuncs.com/", "https://b.oss-cn-hangzhou.aliyuncs.com/"),
            (Some("http://127.0.0.1:80"), "http://127.0.0.1:80/", "http://127.0.0.1:80/b/"),
            (Some("http://localhost:80"), "http://localhost:80/", "http://localhost:80/b/"),
            (Some("http://[::1]:80"), "http://[::1]:80/", "http://[::1]:80/b/"),
            (Some("https://oss.inside:8443"), "https://oss.inside:8443/", "https://b.oss.inside:8443/"),
            (Some("https://gate/oss"), "https://gate/oss/", "https://gate/oss/b/"),
        ] {
            let more = endpoint.map_or(json!({}), |url| json!({ "endpoint": url }));
            let account = account(&more);
            assert_eq!(oss_url(&account, &calls, "cn-hangzhou", None).unwrap(), service);
            assert_eq!(oss_url(&account, &calls, "cn-hangzhou", Some("b")).unwrap(), bucket);
        }
    }

    #[test]
    fn the_accounts_own_endpoint_wins() {
        let one = json!({ "endpoint": { "rds": "http://own:3" }, "network": "vpc" });
        assert_eq!(of(&one, "rds", "cn-hangzhou"), "http://own:3");
        assert_eq!(of(&one, "ecs", "cn-hangzhou"), "https://ecs-vpc.cn-hangzhou.aliyuncs.com");
    }

    #[test]
    fn a_misspelt_region_is_named() {
        assert_eq!(region_hint("cn-hangzhou"), None);
        assert_eq!(region_hint(""), None);
        assert!(region_hint("cn-hangzhuo").unwrap().contains("did you mean `cn-hangzhou`?"));
    }
}
