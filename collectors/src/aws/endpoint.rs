//! Where AWS answers: hosts by partition and region.
//!
//! Follows the partitions of AWS's endpoint data. The list of regions serves error messages only: a region that is not in it is
//! asked all the same, by the pattern of its name.

use crate::account::{Account, Cloud, Endpoint};
use crate::call::CallPath;
use crate::mistake::nearest;

/// Regions known in 2026, for "did you mean".
const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// What a host name ends with in a region's partition.
fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else if region.starts_with("eusc-") {
        "amazonaws.eu"
    } else if region.starts_with("us-iso-") {
        "c2s.ic.gov"
    } else if region.starts_with("us-isob-") {
        "sc2s.sgov.gov"
    } else {
        "amazonaws.com"
    }
}

/// The URL of a service in a region, without a slash at its end. The account's own endpoint wins, then the configuration's.
#[must_use]
pub fn url(account: &Account, calls: &CallPath, service: &str, region: &str) -> String {
    let own = match &account.endpoint {
        Some(Endpoint::All(url)) => Some(url.as_str()),
        Some(Endpoint::ByService(urls)) => urls.get(service).map(String::as_str),
        None => None,
    };
    match own.or_else(|| calls.endpoint(Cloud::Aws, service)) {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("https://{service}.{region}.{}", suffix(region)),
    }
}

/// Is this region in the China partition, whose keys are its own?
#[must_use]
pub fn is_china(region: &str) -> bool {
    region.starts_with("cn-")
}

/// What to say about a region that does not answer; none where it is a known one.
#[must_use]
pub fn region_hint(region: &str) -> Option<String> {
    if REGIONS.contains(&region) {
        return None;
    }
    let near = nearest(region, REGIONS.iter().copied());
    Some(near.map_or_else(
        || format!("`{region}` is no region that AWS is known to have"),
        |near| format!("`{region}` is no region that AWS is known to have: did you mean `{near}`?"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Options;
    use crate::clock::SystemClock;
    use serde_json::json;
    use std::sync::Arc;

    fn account(extra: serde_json::Value) -> Account {
        let mut value = json!({ "ak_id": "AKID", "ak_secret": "secret" });
        value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Account::read(Cloud::Aws, &value).unwrap()
    }

    #[test]
    fn hosts_follow_the_partition() {
        let calls = CallPath::new(Options::default(), Arc::new(SystemClock)).unwrap();
        for (service, region, wanted) in [
            ("monitoring", "cn-northwest-1", "https://monitoring.cn-northwest-1.amazonaws.com.cn"),
            ("ec2", "us-east-1", "https://ec2.us-east-1.amazonaws.com"),
            ("sts", "us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
            ("ec2", "eusc-de-east-1", "https://ec2.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(url(&account(json!({})), &calls, service, region), wanted);
        }
    }

    #[test]
    fn the_accounts_own_endpoint_wins() {
        let endpoints = [("aws".to_owned(), "http://configured:1/".to_owned())].into();
        let calls =
            CallPath::new(Options { endpoints, ..Options::default() }, Arc::new(SystemClock)).unwrap();
        assert_eq!(url(&account(json!({})), &calls, "ec2", "cn-north-1"), "http://configured:1");
        let all = account(json!({ "endpoint": "http://own:2/prefix/" }));
        assert_eq!(url(&all, &calls, "ec2", "cn-north-1"), "http://own:2/prefix");
        let one = account(json!({ "endpoint": { "monitoring": "http://own:3" } }));
        assert_eq!(url(&one, &calls, "monitoring", "cn-north-1"), "http://own:3");
        assert_eq!(url(&one, &calls, "ec2", "cn-north-1"), "http://configured:1");
    }

    #[test]
    fn a_misspelt_region_is_named() {
        assert_eq!(region_hint("cn-north-1"), None);
        assert!(region_hint("cn-nroth-1").unwrap().contains("did you mean `cn-north-1`?"));
    }
}
